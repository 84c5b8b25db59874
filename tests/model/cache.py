"""The one truth: what a single cache answers. Everything else is compared with this."""
MISS = None                     # what a get answers without a value, and an absent key


def apply(op, state, now):
    """The one truth: what `op` does to one key. state is MISS or (value, exptime). -> (new state, result)"""
    kind, a = op[0], op[2:]
    if state is not MISS and 0 < state[1] <= now:
        state = MISS
    v = MISS if state is MISS else state[0]
    if kind == "get":
        return state, v
    if kind == "set":
        return (a[0], a[1] if len(a) > 1 else 0), "ok"
    if kind in ("del", "flush"):
        return MISS, "ok" if kind == "flush" or v is not MISS else "none"
    if kind == "add":
        return (state, "no") if v is not MISS else ((a[0], 0), "ok")
    if v is MISS:
        return state, MISS if kind in ("gat", "incr") else "none"
    if kind == "replace":
        return (a[0], 0), "ok"
    if kind == "mark":                                  # md I: the value stays, and who reads it is told that it is stale
        return (v if isinstance(v, str) else "stale %d" % v, state[1]), "ok"
    if kind == "cas":                                   # cas key expected new; the value stands for its version
        return ((a[1], 0), "ok") if v == a[0] else (state, "exists")
    if kind == "append":
        return (v * 10 + a[0], state[1]), "ok"
    if kind == "incr":
        return (v + a[0], state[1]), v + a[0]
    if kind == "touch":
        return (v, a[0]), "ok"
    if kind == "gat":
        return (v, a[0]), v
    raise ValueError(kind)


def outcomes(op, state, now, lossy):
    """With evictions on, any op may find nothing: a miss is always legal, an old value never."""
    yield apply(op, state, now)
    if lossy and state is not MISS:
        new, res = apply(op, MISS, now)
        yield (state if new is MISS and op[0] not in ("del", "flush") else new), res
