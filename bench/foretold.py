"""What a simulation of both caches foretold of the traffic that is replayed, before either was measured: percent of hits, by what is counted."""
from claims import ENDED, MISSED, SHIFTED

REND, MEMCACHED = "rend", "memcached"

# {traffic: {what: (rend, memcached)}}
FORETOLD = {
    "zipf-0.99": {MISSED: (84.6, 80.2)},
    "zipf-0.8": {MISSED: (63.6, 55.0)},
    "zipf-1.2": {MISSED: (96.7, 96.0)},
    "scan": {MISSED: (69.4, 64.5)},
    "ttl": {MISSED: (65.5, 63.3)},
    "shift": {SHIFTED: (64.7, 45.0), ENDED: (69.6, 65.6)},
    "writes": {MISSED: (83.5, 78.2)},
    "deletes": {MISSED: (66.7, 64.6)},
    "once": {MISSED: (30.8, 28.0)},
    "loop": {MISSED: (56.5, 12.9)},
}

# So many points of hits may be missing of what was foretold of the distance between the two.
SHORT_BY = 2


def foretold(traffic, what, name):
    """Percent of hits; None: nothing was."""
    pair = FORETOLD[traffic].get(what)
    return None if pair is None else pair[(REND, MEMCACHED).index(name)]


def ahead(traffic, what):
    """So many points of hits are claimed of the distance, which may be none; None: nothing was foretold."""
    pair = FORETOLD[traffic].get(what)
    return None if pair is None else round(max(0, pair[0] - pair[1] - SHORT_BY), 1)
