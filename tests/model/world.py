"""The world that the steps of a protocol change: two tiers, guard words, and what is on its way."""
from cache import MISS
from explorer import record

World = record(
    "l1",       # per key: in-process (value, exptime) or MISS; external: ("stub", cas) or ("item", (value, exptime), cas) or MISS
    "l2",       # per key: (value, exptime) or MISS
    "word",     # guard words, (epoch, writers), by slot; with several proxies each has its own row
    "bucket",   # per key: the thread that holds L1's bucket lock
    "queue",    # per key: the thread whose mutation owns the key (the `locked` policy); then the same for a second lock set
    "flights",  # reads in flight that others may join: ((proxy, key), leader, token)
    "landed",   # what the leaders of finished flights answered: (leader, value)
    "late",     # L2 writes whose client was told "error" and which may still happen: (who, key, op)
    "held",     # writers that were told "error" and still count in the guard: (who, proxy, slot)
    "mail",     # messages on the way to L1 that nobody waits for: (kind, proxy, key, item, token)
    "repair",   # (proxy, key): must be deleted from L1 before this proxy trusts it again
    "up",       # per proxy: can it reach the external L1?
    "cas",      # external L1: last CAS given out since it started
    "now",      # 0 or 1; an exptime of 1 has passed when now is 1
    "budget",   # what the environment may still do: evictions, faults, ...
)
DEAD = (-1, 0)                  # a guard word that no longer is the current one
NONE = (0,)                     # a token whose stub is gone
BUDGET = ("evict1", "evict2", "refuse", "lose", "down", "restart", "tick")


def first_world(protocol, keys, warm, proxies, env):
    """Every key is 0 in L2, and in L1 too if that is warm."""
    item = (0, 0)
    l1 = protocol.in_l1(item) if warm else MISS
    words = ((0, 0),) * keys
    return World(((l1,) * keys, (item,) * keys, (words, words), (None,) * keys, (None,) * 2 * keys, (), (), (), (), (), frozenset(),
                  (True,) * proxies, 0, 0, tuple(env.get(b, 0) for b in BUDGET)))


def put(seq, i, x):
    return seq[:i] + (x,) + seq[i + 1:]


def left(s, what):
    return s.budget[BUDGET.index(what)]


def spend(s, what):
    """Take one from the environment's budget; False when there is none left."""
    i = BUDGET.index(what)
    if not s.budget[i]:
        return False
    s.budget = put(s.budget, i, s.budget[i] - 1)
    return True


def copy(s):
    return type(s)(World.key(s))


def alive(item, now):
    return MISS if item is MISS or 0 < item[1] <= now else item
