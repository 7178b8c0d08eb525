"""Every participant runs a peer; peers elect super-peers; searches flood among those."""

__version__ = "0.1.0"
