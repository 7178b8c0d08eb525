"""Whom we know: adverts, gossip, the peer cache, neighbours, network time."""
