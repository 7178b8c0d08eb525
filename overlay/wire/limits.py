"""Every limit of the protocol, in one place. Sizes are bytes, times are seconds."""

# Frames and messages.
FRAME_PAYLOAD = 16 * 1024 - 64
"""Most payload bytes of one frame: with its header and TLS's own it stays within one 16 KiB TLS record."""
MESSAGE = 1024 * 1024
"""Largest message after its pieces are joined."""
HELLO = 24 * 1024
"""
Largest message before the hello of the other side has been accepted: a hello whose advert has the largest mandate and heir list
fits.
"""
DEPTH = 8
"""Deepest nesting of arrays and maps in a message, itself included."""
ITEMS = 16 * 1024
"""Most values in a message, those of unknown fields included; the largest that is ever sent has about half."""
SKIPPED_UNKNOWN = 1000
"""Unknown messages skipped on one link before it is closed."""

# Queues of one link, by priority: control, queries, registrations.
QUEUE_CONTROL = 1024 * 1024
QUEUE_SEARCH = 4 * 1024 * 1024
QUEUE_REGISTRATION = 2 * 1024 * 1024
QUEUE_RESUME = 256 * 1024
"""A link that said it was congested says it is clear when less than this is queued."""

# Texts.
NAME = 255
LOCATION = 1024
MEDIA_TYPE = 127
ADDRESS = 262
ADDRESSES = 8
AGENT = 64
FEATURES = 32
REASON_TEXT = 200

# Records and registrations.
TEXT = 64 * 1024
TERMS = 4096
"""Most distinct terms of one record."""
TERM = 64
"""Longest term, bytes of UTF-8."""
HEAD = 2048
BATCH_RECORDS = 200
BATCH_BYTES = 512 * 1024
RECORD_LIFE = 7 * 24 * 3600.0
"""How long a signed head lives unless it is renewed."""
CLOCK_SLACK = 300.0
"""How far in the future a signed time may lie."""

# Showing how fast one can send.
TRANSFER_PIECES = 6
TRANSFER_PIECE = 10 * 1024

# Queries.
ANALYSIS = 2
"""Version of the text analysis (L{overlay.index.analysis}): all peers of a network have the same."""
DIALECT = 64
"""Longest name of what a network adds to it (L{overlay.index.dialect})."""
EXPRESSION = 1000
QUERY_TERMS = 64
QUERY_DEPTH = 8
WANT = 1000
BUDGET = 120.0
TTL_ALL = 0
"""The ttl that means: as far as the network goes."""
TTL_MOST = 64
HELD_KEYS = 1024
"""Most keys of held-back hits that a receipt names; more are only counted."""
ANSWERED_NAMES = 16 * 1024
"""Most super-peers that a receipt names."""
SILENT_NAMES = 64
"""Most super-peers that a receipt names as silent; more are only counted as lost."""
BEYOND_NAMES = 128
"""Most super-peers that a receipt names as beyond the ttl; a name of zeros stands for more."""
HITS_PER_MESSAGE = 50
PARTS = 1 + QUERY_TERMS
"""Bytes of the parts by which a hit is scored."""
FRONTS = 4096
"""Super-peers whose held-back records a receipt bounds; one that would bound more cannot be ranked exactly."""
FRONT = 8 * (PARTS + 8)
FRONTS_BYTES = 512 * 1024
"""Of all that a receipt bounds."""
INDEXED = 2_000_000
"""Records that one super-peer is believed to hold at most."""
WORDS = 2**20
"""Words that a record is believed to have at most, on average."""

# Summaries.
POSITIONS = 48 * 1024
"""Most bytes of positions in one message: what there is more comes in further parts."""
DOUBTS = 32
"""Most super-peers of a branch of which it is said why they prove nothing; more are only counted."""

# Membership and election.
QUERY_IDS = 256
"""Most ids of queries in one message about them."""
TREE_HOPS = 1000
"""Farthest from its root that a super-peer is believed to be."""
ADVERTS_PER_MESSAGE = 32
ADVERT_IDS_PER_MESSAGE = 512
ADVERT_LIFE = 2 * 3600.0
ELECTORATE = 5
HEIRS = 5
HOMES = 8
MANDATE_LIFE = 24 * 3600.0
"""Longest mandate that a verifier accepts."""
EXPELLED = 1000
