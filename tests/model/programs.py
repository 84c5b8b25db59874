"""What clients say, in families: small programs of two to four clients, and what may happen to them meanwhile."""

GET, GET2, DEL = ("get", 0), ("get", 1), ("del", 0)


def SET(v, key=0, at=0):
    return "set", key, v, at


def op(kind, *args):
    return (kind, 0) + args


# family -> [(what the environment may do, programs of the threads)]; each runs with L1 cold and with L1 warm
E1, E2 = dict(evict1=1), dict(evict1=1, evict2=1)
FAMILIES = {
    "base": [
        (dict(evict1=2), [[GET], [SET(1)]]),
        (dict(evict1=2), [[GET], [DEL]]),
        (E1, [[GET, GET], [SET(1)]]),
        (E1, [[GET], [SET(1), GET]]),
        (E1, [[GET], [GET], [SET(1)]]),
        (E1, [[GET], [SET(1)], [SET(2)]]),
        (E1, [[GET], [SET(1)], [DEL]]),
        (E1, [[GET, GET], [SET(1)], [SET(2)]]),
        (E1, [[GET], [GET, GET], [SET(1)]]),
        (E1, [[GET], [SET(1), GET], [DEL]]),
        (E1, [[GET], [DEL], [DEL]]),
    ],
    "rmw": [
        ({}, [[op("incr", 1)], [op("incr", 10)], [GET, GET]]),
        (E1, [[op("incr", 1), GET], [GET, GET]]),
        (E1, [[op("append", 5)], [SET(1)], [GET, GET]]),
        (E1, [[op("add", 1)], [DEL, GET], [GET]]),
        (E1, [[op("cas", 0, 1), GET], [SET(2)]]),
        (E1, [[op("replace", 1)], [DEL, GET], [GET]]),
        ({}, [[op("cas", 0, 1), GET], [op("cas", 0, 2), GET], [GET]]),
        (E1, [[GET, op("cas", 9, 1), GET], [SET(2), GET]]),    # a version that no item has
    ],
    "touch": [
        (dict(tick=1), [[op("touch", 1)], [GET, GET]]),
        (dict(tick=1), [[op("gat", 1)], [GET, GET], [SET(2)]]),
        (dict(tick=1), [[op("gat", 1), GET], [op("touch", 0)], [GET]]),
        (dict(tick=1, evict1=1), [[SET(1, at=1), GET], [GET, GET]]),
        (dict(tick=1), [[SET(1, at=1)], [op("touch", 0)], [GET, GET]]),
        (dict(tick=1), [[SET(1, at=1), GET], [op("bgat", 1), GET]]),
    ],
    "flush": [
        (E1, [[op("flush")], [GET, GET]]),
        (E1, [[op("flush"), GET], [SET(1)], [GET]]),
        ({}, [[op("flush")], [GET, GET2], [SET(1, 1)]]),
        ({}, [[op("flush"), GET], [SET(1), SET(2)]]),
    ],
    "locked": [
        ({}, [[op("flush"), GET], [op("incr", 1), GET]]),
        ({}, [[op("flush"), GET], [op("append", 5), GET]]),
        ({}, [[op("flush"), GET2], [op("incr", 1), GET2], [SET(5, 1)]]),
        ({}, [[op("incr", 1)], [op("bincr", 10)], [GET, GET]]),
        ({}, [[op("incr", 1), op("bget")], [op("bset", 5, 0)], [GET]]),
    ],
    "errors": [
        (dict(lose=1, evict1=1), [[SET(1)], [GET, GET]]),
        (dict(lose=1, evict1=1), [[SET(1), GET], [GET, GET]]),
        (dict(lose=1), [[SET(1)], [GET], [GET, GET]]),
        (dict(lose=1), [[SET(1)], [SET(2)], [GET, GET]]),
        (dict(lose=1, evict1=1), [[DEL, GET], [GET]]),
        (dict(lose=1), [[op("incr", 1), op("incr", 10)], [GET, GET]]),
        (dict(refuse=1, evict1=1), [[SET(1), GET], [GET, GET]]),
        (dict(refuse=1), [[SET(1)], [SET(2)], [GET, GET]]),
    ],
    "alias": [
        (E1, [[GET], [SET(1)], [SET(5, 1)]]),
        ({}, [[GET, GET2], [SET(1)], [SET(5, 1), GET2]]),
        ({}, [[GET, GET], [SET(1), SET(5, 1)], [GET2]]),
    ],
    "evict": [
        (E2, [[DEL, GET], [GET]]),
        (E2, [[GET, GET], [SET(1)]]),
        (E2, [[SET(1), GET], [DEL]]),
        (E2, [[op("add", 1), GET], [GET, GET]]),
        (E2, [[op("incr", 1), GET], [SET(5)]]),
        (E2, [[GET, GET], [DEL], [SET(1)]]),
    ],
    "batch": [
        (E1, [[op("bset", 1, 0)], [GET, GET]]),
        (E1, [[op("bset", 1, 0)], [SET(2)], [GET]]),
        (E1, [[op("bset", 1, 0), op("bget")], [GET], [GET]]),
        (E1, [[op("bget"), op("bget")], [GET], [SET(1)]]),
        (E1, [[op("bdel"), op("bget")], [GET, GET]]),
        (E1, [[op("bget")], [GET, GET], [op("bset", 1, 0)]]),
    ],
    "mark": [
        (E2, [[op("mark"), GET], [GET, GET]]),
        (E2, [[op("mark"), GET], [SET(1), GET]]),
        (E2, [[op("mark")], [SET(1)], [GET, GET]]),
        (E2, [[op("mark"), GET], [DEL, GET]]),
        (E2, [[op("mark"), GET], [op("mark"), GET]]),
        (dict(evict1=1, evict2=1, lose=1), [[op("mark"), GET], [GET, GET]]),
        (dict(evict1=1, evict2=1, refuse=1), [[op("mark"), GET], [GET, GET]]),
        (dict(evict1=1, evict2=1), [[op("mark")], [op("add", 1), GET], [GET]]),
    ],
    "bulk": [
        (E1, [[op("bget"), GET], [GET, op("bget")], [SET(1)]]),
        (E2, [[op("bget"), GET], [GET], [DEL]]),
        ({}, [[op("bget")], [GET, GET], [SET(1)], [SET(2)]]),
    ],
    "join": [
        (E1, [[GET], [GET], [SET(1)]]),
        (E1, [[GET], [GET, GET], [SET(1)]]),
        ({}, [[GET], [GET], [SET(1), GET]]),
        (E1, [[GET], [GET], [DEL]]),
    ],
    "l1 down": [
        (dict(down=1), [[SET(1), GET], [GET, GET]]),
        (dict(down=1), [[GET, GET], [SET(1)], [GET]]),
        (dict(down=1), [[DEL, GET], [GET, GET]]),
        (dict(down=1), [[SET(1)], [SET(2), GET]]),
        (dict(down=1), [[GET], [SET(1), GET], [GET]]),
    ],
    "restart": [
        (dict(restart=1), [[GET], [SET(1)], [GET]]),
        (dict(restart=1), [[GET], [SET(1), GET]]),
    ],
}

# parts of families, for protocols that differ from a checked one in little
FAMILIES["basic"] = FAMILIES["base"][:7]
FAMILIES["small touch"] = [FAMILIES["touch"][i] for i in (0, 3, 5)] + [(dict(tick=1), [[op("gat", 1)], [GET, GET]]),
                                                                       (dict(tick=1), [[op("touch", 1)], [SET(2), GET]])]
FAMILIES["calm touch"] = [(dict(env, calm=1), programs) for env, programs in FAMILIES["touch"]]

# larger ones, for --deep
DEEP = {
    "base": [(E1, [[GET], [SET(1), SET(2)], [DEL, GET]]), (E1, [[GET], [GET], [SET(1)], [SET(2)]]), (E1, [[GET], [SET(1)], [SET(2)], [DEL]]),
             (dict(evict1=2), [[GET, GET], [SET(1), GET], [SET(2), GET]]), (E1, [[GET, GET], [GET, GET], [SET(1), SET(2)]])],
    "rmw": [(E1, [[op("incr", 1), GET], [op("incr", 10), GET], [GET, GET]]),
            (E1, [[op("add", 1)], [DEL], [SET(2)], [GET]]), (E1, [[op("append", 5)], [op("append", 7)], [SET(1)], [GET]])],
    "touch": [(dict(tick=1, evict1=1), [[op("gat", 1), GET], [op("touch", 0), GET], [SET(2)]])],
    "flush": [(E1, [[op("flush"), GET], [SET(1), GET], [GET, GET]])],
    "errors": [(dict(lose=2), [[SET(1)], [SET(2)], [GET, GET]]), (dict(lose=1, evict1=1), [[SET(1)], [SET(2), GET], [GET, GET]]),
               (dict(lose=1), [[SET(1)], [DEL], [GET, GET]])],
    "alias": [(E1, [[GET, GET2], [SET(1), GET2], [SET(5, 1), GET]])],
    "evict": [(E2, [[GET, GET], [SET(1), GET], [DEL, GET]])],
    "batch": [(E1, [[op("bset", 1, 0), op("bget")], [GET, GET], [SET(2)]])],
    "join": [(E1, [[GET], [GET], [GET], [SET(1)]]), (E1, [[GET], [GET], [SET(1)], [SET(2)]])],
    "l1 down": [(dict(down=1, evict1=1), [[SET(1), GET], [GET, GET], [SET(2)]])],
    "restart": [(dict(restart=1), [[GET], [GET], [SET(1), GET]])],
}
