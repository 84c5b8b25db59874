#!/usr/bin/python3
"""A cache in memory before a store, and bulk loads beside it: clients see one cache, whatever happens between the two tiers.

Two listeners: the first is l1l2's, the second l1l2batch's, over the same tiers.
"""
import os
import random
import signal
import threading
import time

import differential_test
import harness
import same_test
import streams
from harness import Client, Memcached, Rend, wait_for
from scripted_backend import SILENCE, ScriptedBackend

ONLINE, BULK = 0, 1
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))

DOWN = b"SERVER_ERROR backend down\r\n"
TIMEOUT = b"SERVER_ERROR backend timeout\r\n"
DAY = 86400
DAYS30 = 30 * DAY


def tiers(l2, l1="", more="", listeners="{ port = 0; policy = \"online\"; }, { port = 0; policy = \"bulk\"; }"):
    """l2: a block; l1, more: what else the blocks of the first tier and of both policies say."""
    return f"""
handlers = {{ hot = {{ plugin = "inmem"; {l1} }}; all = {{ {l2} }}; }};
policies = {{
    online = {{ plugin = "l1l2"; l1 = "hot"; l2 = "all"; {more} }};
    bulk = {{ plugin = "l1l2batch"; l1 = "hot"; l2 = "all"; }};
}};
listeners = ( {listeners} );
"""


def before(server, timeout="60s", silence="60s", **kw):
    return tiers(f'plugin = "memcached"; servers = [ "{server}" ]; request_timeout = "{timeout}"; connect_timeout = "20s"; max_silence = "{silence}";', **kw)


def hasty(server, time):
    """Online clients wait no longer than this, and l2's connection stays: what is late is still answered."""
    listeners = '{ port = 0; policy = "hasty"; }, { port = 0; policy = "bulk"; }'
    wrapped = f'policies = {{\n    hasty = {{ plugin = "locked"; over = "online"; request_timeout = "{time}"; }};'
    return before(server, timeout="60s", silence="60s", listeners=listeners).replace("policies = {", wrapped)


IN_MEMORY = 'plugin = "inmem"; memory = "64MiB";'


def node(rend, name):
    return int(rend.stats("nodes").get(name, 0))


def row(rend, name):
    return int(rend.stats("policy")[name])


class Hot:
    """Says whether l1 had a key: whether a get was answered without l2."""

    def __init__(self, rend):
        self.rend = rend
        self.client = rend.client(BULK)     # leaves nothing behind

    def has(self, key):
        count = row(self.rend, "bulk.get.l1.yes")
        self.client.say(b"get %s\r\n" % key).until(b"END\r\n")
        return row(self.rend, "bulk.get.l1.yes") > count

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()


def hit(key, value, flags=0):
    return b"VALUE %s %d %d\r\n%s\r\nEND\r\n" % (key, flags, len(value), value)


def stored(client, key, value, flags=0, exptime=0):
    client.ask(b"set %s %d %d %d\r\n%s\r\n" % (key, flags, exptime, len(value), value), b"STORED\r\n")


def version(client, key):
    """Of a hit of gets; None: a miss."""
    answer = client.say(b"gets %s\r\n" % key).until(b"END\r\n")
    return answer.split(b"\r\n")[0].split()[4] if answer.startswith(b"VALUE") else None


def left(client, key):
    """What mg t says; None: a miss."""
    words = client.say(b"mg %s t\r\n" % key).line().split()
    return int(words[1][1:]) if words[0] == b"HD" else None


# ---- one cache ----


def alternate(memcached, rend, seed, commands):
    dice = random.Random(seed)
    with Client(memcached.path) as theirs, rend.client(ONLINE) as online, rend.client(BULK) as bulk:
        for client in (theirs, online):
            client.say(b"set last 0 0 1\r\n.\r\n").hear(b"STORED\r\n")
        said = []
        for _ in range(commands):
            which = dice.choice([online, bulk])
            batch = [same_test.command(dice, True)]
            said = (said + [("online" if which is online else "bulk", batch[0])])[-12:]
            their, our = same_test.answers(theirs, batch), same_test.answers(which, batch)
            assert their == our, f"seed {seed}: {same_test.difference(their, our)} after {said!r}"


def test_random_commands_through_both_listeners_are_one_memcacheds():
    for seed in (1, 2):
        with Memcached("-o", "no_modern") as memcached, Rend(tiers(IN_MEMORY)) as rend:
            alternate(memcached, rend, seed, 3000)
        with Memcached("-o", "no_modern") as memcached, Memcached("-o", "no_modern") as l2, Rend(before(l2.server)) as rend:
            alternate(memcached, rend, seed, 3000)
            assert row(rend, "online.get.l1.yes") > 100 and row(rend, "bulk.get.l1.yes") > 100
            assert row(rend, "online.get.fill.yes") > 20 and row(rend, "bulk.set.publish.yes") > 20


def test_binary_commands_are_a_memcacheds():
    """Versions too: they are l2's, whoever answers."""
    for policy in ("online", "bulk"):
        listener = '{ path = "rend.sock"; policy = "%s"; }' % policy
        differential_test.SERVER_CONF = tiers(IN_MEMORY, listeners=listener)
        found = differential_test.Comparison("binary", 7).go(3000 if harness.sanitized() else 15000)
        assert not found.differences, f"{policy}: {len(found.differences)} answers differ:\n" + "\n".join(found.differences)


class Plain(streams.Text):
    """Commands without marks (N, R, I) and without what is known of a copy only (h, l, me): those are best effort."""

    def next(self):
        while True:
            ask = super().next()
            words = b"".join(p if isinstance(p, bytes) else b"1" for p in ask.parts).split(b"\n")[0].split()
            if not words or words[0] not in (b"mg", b"ms", b"md", b"ma", b"me") or \
                    (words[0] != b"me" and not any(w[:1] in b"NRIhl" for w in words[2:])):
                return ask


def test_text_and_meta_commands_are_a_memcacheds():
    for policy in ("online", "bulk"):
        for behind in ("inmem", "memcached"):
            with Memcached("-o", "no_modern") as l2:
                listener = '{ path = "rend.sock"; policy = "%s"; }' % policy
                differential_test.SERVER_CONF = tiers(IN_MEMORY, listeners=listener) if behind == "inmem" else before(l2.server, listeners=listener)
                found = differential_test.Comparison("text", 11)
                found.stream = Plain
                found.go(1000 if harness.sanitized() else 4000)
                assert not found.differences, f"{policy} over {behind}: {len(found.differences)} answers differ:\n" + "\n".join(found.differences)


def test_what_is_hot_and_what_is_not():
    with Memcached() as l2, Rend(before(l2.server)) as rend, rend.client(ONLINE) as online, rend.client(BULK) as bulk, \
            Client(l2.path) as direct, Hot(rend) as hot:
        stored(online, b"o", b"1", 5)
        assert hot.has(b"o")                                    # published
        direct.ask(b"get o\r\n", hit(b"o", b"1", 5))
        stored(bulk, b"b", b"2", 6)
        assert not hot.has(b"b")                                # a bulk load warms nothing
        bulk.ask(b"get b\r\n", hit(b"b", b"2", 6))
        assert not hot.has(b"b")
        online.ask(b"get b\r\n", hit(b"b", b"2", 6))
        wait_for("a promotion", lambda: hot.has(b"b"))
        stored(bulk, b"b", b"3", 7)
        assert hot.has(b"b")                                    # but what was hot stays so, and is the new value
        online.ask(b"get b\r\n", hit(b"b", b"3", 7))
        direct.ask(b"get b\r\n", hit(b"b", b"3", 7))
        for question, answer, after in ((b"append b 0 0 1\r\nx\r\n", b"STORED\r\n", b"3x"),
                                        (b"prepend b 0 0 1\r\ny\r\n", b"STORED\r\n", b"y3x"),
                                        (b"add b 0 0 1\r\nz\r\n", b"NOT_STORED\r\n", b"y3x"),
                                        (b"incr b 1\r\n", b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n", b"y3x")):
            online.ask(b"get b\r\n", hit(b"b", {b"append b 0 0 1\r\nx\r\n": b"3", b"prepend b 0 0 1\r\ny\r\n": b"3x"}.get(question, b"y3x"), 7))
            wait_for("a promotion", lambda: hot.has(b"b"))
            online.ask(question, answer)
            assert not hot.has(b"b"), question                  # also what is refused is a look at l2
            online.ask(b"get b\r\n", hit(b"b", after, 7))
        online.ask(b"set n 0 0 2\r\n10\r\nincr n 5\r\ndecr n 1\r\nget n\r\n", b"STORED\r\n15\r\n14\r\n" + hit(b"n", b"14"))
        online.ask(b"delete b\r\nget b\r\ndelete b\r\n", b"DELETED\r\nEND\r\nNOT_FOUND\r\n")
        direct.ask(b"get b\r\n", b"END\r\n")


def test_a_delete_reaches_a_copy_of_what_l2_has_lost():
    with Memcached() as l2, Rend(before(l2.server)) as rend, Client(l2.path) as direct:
        for which in (ONLINE, BULK):
            with rend.client(ONLINE) as online, rend.client(which) as c:
                stored(online, b"k", b"v")
                direct.ask(b"delete k\r\n", b"DELETED\r\n")
                online.ask(b"get k\r\n", hit(b"k", b"v"))       # l2 evicted it, say: the copy is still good
                c.ask(b"delete k\r\nget k\r\n", b"NOT_FOUND\r\nEND\r\n")


def test_a_touch_of_what_l2_has_lost_is_an_inconsistency():
    with Memcached() as l2, Rend(before(l2.server)) as rend, Client(l2.path) as direct, rend.client(ONLINE) as online:
        for name, policy, which in (("touch", "online", ONLINE), ("touch", "bulk", BULK), ("get_touch", "online", ONLINE), ("get_touch", "bulk", BULK)):
            with rend.client(which) as c:
                stored(online, b"k", b"v")
                direct.ask(b"delete k\r\n", b"DELETED\r\n")
                if name == "touch":
                    c.ask(b"touch k 100\r\n", b"NOT_FOUND\r\n")
                else:
                    c.ask(b"gat 100 k\r\n", b"END\r\n")
                c.ask(b"get k\r\n", b"END\r\n")
                assert row(rend, f"{policy}.{name}.inconsistency.yes") == 1


def test_versions_are_l2s_through_both_listeners():
    with Memcached() as l2, Rend(before(l2.server)) as rend, rend.client(ONLINE) as online, rend.client(BULK) as bulk, \
            Client(l2.path) as direct, Hot(rend) as hot:
        direct.ask(b"set k 0 0 1\r\n1\r\n", b"STORED\r\n")
        true = version(direct, b"k")
        assert version(bulk, b"k") == true
        assert version(online, b"k") == true                    # from l2
        wait_for("a promotion", lambda: hot.has(b"k"))
        assert version(online, b"k") == true and version(bulk, b"k") == true    # from l1
        bulk.ask(b"cas k 0 0 1 %s\r\n2\r\n" % true, b"STORED\r\n")
        online.ask(b"cas k 0 0 1 %s\r\n3\r\n" % true, b"EXISTS\r\n")
        now = version(direct, b"k")
        assert now != true
        assert version(online, b"k") == now and version(bulk, b"k") == now
        online.ask(b"cas k 0 0 1 %s\r\n4\r\n" % now, b"STORED\r\n")
        assert hot.has(b"k")                                    # published
        assert version(online, b"k") == version(direct, b"k") != now
        online.ask(b"cas none 0 0 1 1\r\n3\r\n", b"NOT_FOUND\r\n")
        # mg with C leaves out what the client has, and that is no copy for others.
        direct.ask(b"set m 0 0 1\r\n1\r\n", b"STORED\r\n")
        online.ask(b"mg m v C%s\r\n" % version(direct, b"m"), b"HD\r\n")
        assert not hot.has(b"m")
        online.ask(b"get m\r\n", hit(b"m", b"1"))
        # A version of the client's own.
        with_meta = online.say(b"ms k 1 c\r\n9\r\n").line().split()
        assert with_meta == [b"HD", b"c" + version(direct, b"k")], with_meta


# ---- time ----

TTLS = [1, 2, 59, DAYS30 - 1, DAYS30, DAYS30 + 1, 0]


def as_exptime(ttl):
    """As a client has to say it."""
    return ttl if ttl <= DAYS30 else int(time.time()) + ttl


def not_longer(true, copy, later, what):
    """Neither is there longer than a second after the other; -1 is for ever.  l2 is looked at before the copy and later: time goes on meanwhile."""
    assert copy is not None and true is not None and later is not None, f"{what}: {true}, {copy}, {later}"
    assert (copy == -1) == (true == -1) == (later == -1), f"{what}: the copy has {copy}, l2 {true}, then {later}"
    assert later - 1 <= copy <= true + 1, f"{what}: the copy has {copy} s, l2 {true} s, then {later} s"


def test_a_copy_lives_as_long_as_what_it_is_of():
    with Memcached() as l2, Rend(before(l2.server)) as rend, rend.client(ONLINE) as online, rend.client(BULK) as bulk, \
            Client(l2.path) as direct, Hot(rend) as hot:
        for ttl in TTLS[2:]:
            def is_right(key, what):
                wait_for(f"{what} with {ttl} to be hot", lambda: hot.has(key))
                for listener in (online, bulk):
                    not_longer(left(direct, key), left(listener, key), left(direct, key), f"{what} with {ttl}")

            key = b"promoted%d" % ttl
            direct.ask(b"set %s 0 %d 1\r\nv\r\n" % (key, as_exptime(ttl)), b"STORED\r\n")
            online.ask(b"get %s\r\n" % key, hit(key, b"v"))
            is_right(key, "a promotion")
            key = b"published%d" % ttl
            stored(online, key, b"v", 0, as_exptime(ttl))
            is_right(key, "a set")
            stored(bulk, key, b"w", 0, as_exptime(ttl))
            is_right(key, "a bulk set of what was hot")
            for old in (0, 30, 7 * DAY):
                for listener in (online, bulk):
                    stored(online, key, b"v", 0, old)
                    listener.ask(b"touch %s %d\r\n" % (key, as_exptime(ttl)), b"TOUCHED\r\n")
                    is_right(key, f"a touch over {old}")
                    stored(online, key, b"v", 0, old)
                    listener.ask(b"gat %d %s\r\n" % (as_exptime(ttl), key), hit(key, b"v"))
                    is_right(key, f"a gat over {old}")
                    stored(online, key, b"v", 0, old)
                    listener.say(b"mg %s T%d v t\r\n" % (key, as_exptime(ttl))).until(b"v\r\n")
                    is_right(key, f"an mg with T over {old}")


def test_a_copy_goes_when_what_it_is_of_goes():
    """In its own time: from the moment in which l2 says miss, l1 says it a second later at the latest."""
    with Memcached() as l2, Rend(before(l2.server)) as rend, rend.client(ONLINE) as online, rend.client(BULK) as bulk, Client(l2.path) as direct:
        keys, began = [], time.monotonic()
        for ttl in (1, 2):
            for how in ("promoted", "published", "touched", "bulk touched", "bulk gat"):
                key = (how.replace(" ", "-") + str(ttl)).encode()
                keys.append(key)
                if how == "promoted":
                    direct.ask(b"set %s 0 %d 1\r\nv\r\n" % (key, ttl), b"STORED\r\n")
                    online.say(b"get %s\r\n" % key).until(b"END\r\n")
                elif how == "published":
                    stored(online, key, b"v", 0, ttl)
                else:
                    listener = bulk if how.startswith("bulk") else online
                    stored(online, key, b"v")
                    listener.say(b"gat %d %s\r\n" % (ttl, key) if how.endswith("gat") else b"touch %s %d\r\n" % (key, ttl))
                    listener.until(b"END\r\n" if how.endswith("gat") else b"TOUCHED\r\n")
        # A copy is as late as it was made; and when l2 has said miss, at the latest.
        late, began, gone = time.monotonic() - began, time.monotonic(), {}
        while keys:
            assert time.monotonic() - began < harness.PATIENCE, keys
            for key in list(keys):
                asked = time.monotonic()
                alive = bulk.say(b"get %s\r\n" % key).until(b"END\r\n") != b"END\r\n"
                assert not alive or key not in gone or asked - gone[key] <= 1 + late, f"{key}: the copy is there {asked - gone[key]:.2f} s later"
                if key not in gone and direct.say(b"get %s\r\n" % key).until(b"END\r\n") == b"END\r\n":
                    gone[key] = time.monotonic()
                if not alive and key in gone:
                    keys.remove(key)


def test_an_l2_that_cannot_tell_times():
    """Classic text: no exptime, no version of what was stored."""
    with ScriptedBackend(meta=False) as l2, Rend(before(l2.server)) as rend, rend.client(ONLINE) as online, Hot(rend) as hot:
        stored(online, b"k", b"v")
        assert not hot.has(b"k")
        online.ask(b"get k\r\n", hit(b"k", b"v"))
        online.ask(b"get k\r\n", hit(b"k", b"v"))
        assert not hot.has(b"k")
    with ScriptedBackend(meta=False) as l2, Rend(before(l2.server, more='promote_ttl = "2s";')) as rend, rend.client(ONLINE) as online, Hot(rend) as hot:
        stored(online, b"k", b"v")
        online.ask(b"get k\r\n", hit(b"k", b"v"))
        # A machine that is slow may have to look at another copy.
        wait_for("a promotion", lambda: hot.has(b"k") or online.ask(b"get k\r\n", hit(b"k", b"v")) is None)
        wait_for("its time", lambda: left(online, b"k") in (1, 2) or online.ask(b"get k\r\n", hit(b"k", b"v")) is None)
        assert version(online, b"k") == b"1"
        wait_for("its end", lambda: not hot.has(b"k"))


# ---- races, between tiers that wait when they are told to ----


class Gates:
    """Holds back answers to requests that match, until they are let go; what they say was true when they were asked."""

    def __init__(self, backend):
        self.backend = backend
        self.rules = []
        self.waiting = 0
        self.asked = []
        self.lock = threading.Lock()
        backend.misbehave = self.misbehave

    def hold(self, verb, key=None):
        """The next request of this kind waits.  Returns what lets it go, and what says that it is there."""
        rule = {"verb": verb, "key": key, "there": threading.Event(), "go": threading.Event(), "after": None}
        self.rules.append(rule)
        return rule

    def misbehave(self, conn, request):
        if request.is_probe:
            return None
        with self.lock:
            self.asked.append((request.verb, request.key))
            rule = next((r for r in self.rules if r["verb"] == request.verb and r["key"] in (None, request.key)), None)
            if rule is None:
                return None
            self.rules.remove(rule)
        with self.backend.lock:
            answer = self.backend.truth(request)
        rule["there"].set()
        assert rule["go"].wait(harness.PATIENCE)
        return answer

    def count(self, verb, key):
        with self.lock:
            return self.asked.count((verb, key))


class Backend(ScriptedBackend):
    """Knows what l1l2 asks beside gets, sets and deletes."""

    def meta_ma(self, r):
        if r.key not in self.values:
            return b"NF O%s\r\n" % r.opaque
        body, flags, _ = self.values[r.key]
        self._store(r.key, b"%d" % (int(body) + 1), flags)
        body = self.values[r.key][0]
        return b"VA %d c%d O%s\r\n%s\r\n" % (len(body), self.cas, r.opaque, body)

    def meta_flush_all(self, r):
        self.values.clear()
        return b"OK\r\n"


def there(rule):
    assert rule["there"].wait(harness.PATIENCE), "the backend was not asked"


# Two workers: each has a connection to the backend of its own, so that one may wait and the other goes on.
def on_each_worker(rend, which):
    """Two clients, on different workers: connections are dealt out in turn."""
    return rend.client(which), rend.client(which)


WRITES = [
    (b"set k 0 0 1\r\n2\r\n", b"STORED\r\n", hit(b"k", b"2")),
    (b"delete k\r\n", b"DELETED\r\n", b"END\r\n"),
    (b"incr k 1\r\n", b"2\r\n", hit(b"k", b"2")),
    (b"flush_all\r\n", b"OK\r\n", b"END\r\n"),
    (b"ms k 1\r\n2\r\n", b"HD\r\n", hit(b"k", b"2")),
    (b"md k\r\n", b"HD\r\n", b"END\r\n"),
]


def test_a_promotion_does_not_bring_back_what_was_replaced():
    for which in (ONLINE, BULK):
        for write, answer, after in WRITES:
            with Backend() as l2, Rend(before(l2.server)) as rend:
                gates = Gates(l2)
                l2.values["k"] = (b"1", 0, 77)
                reader, _ = on_each_worker(rend, ONLINE)
                _, writer = on_each_worker(rend, which)
                get = gates.hold("mg", "k")
                reader.say(b"get k\r\n")
                there(get)                                      # l2 has said 1, and it is on its way
                writer.ask(write, answer)
                get["go"].set()
                reader.hear(hit(b"k", b"1"))                    # it began before
                reader.ask(b"get k\r\n", after)
                writer.ask(b"get k\r\n", after)
                assert row(rend, "online.get.fill.no") >= 1


def test_a_read_between_drop_and_l2_leaves_no_copy():
    """The write has begun: a read that sees l2 as it was must not be kept."""
    for write, answer, after in WRITES:
        with Backend() as l2, Rend(before(l2.server)) as rend:
            gates = Gates(l2)
            l2.values["k"] = (b"1", 0, 77)
            writer, reader = on_each_worker(rend, ONLINE)
            verb = {b"set": "ms", b"del": "md", b"inc": "ma", b"flu": "flush_all", b"ms ": "ms", b"md ": "md"}[write[:3]]
            waits = gates.hold(verb)
            # The write has come to l2, but l2 does it only later.
            old = dict(l2.values)
            writer.say(write)
            there(waits)
            new, l2.values = l2.values, old
            reader.ask(b"get k\r\n", hit(b"k", b"1"))
            l2.values = new
            waits["go"].set()
            writer.hear(answer)
            reader.ask(b"get k\r\n", after)


def test_of_two_writes_at_once_neither_is_published():
    with Backend() as l2, Rend(before(l2.server)) as rend:
        gates = Gates(l2)
        a, b = on_each_worker(rend, ONLINE)
        stored(a, b"k", b"0")
        first = gates.hold("ms", "k")
        a.say(b"set k 0 0 1\r\n1\r\n")
        there(first)
        stored(b, b"k", b"2")
        first["go"].set()
        a.hear(b"STORED\r\n")
        a.ask(b"get k\r\n", hit(b"k", b"2"))
        assert row(rend, "online.set.publish.yes") == 1 and row(rend, "online.set.publish.no") == 2
        b.ask(b"get k\r\n", hit(b"k", b"2"))


def test_a_flush_takes_promotions_in_flight_with_it():
    with Backend() as l2, Rend(before(l2.server), workers=2) as rend:
        gates = Gates(l2)
        clients = on_each_worker(rend, ONLINE)
        for n in range(20):
            l2.values["k%d" % n] = (b"old", 0, n + 1)
        waits = gates.hold("mg", "k0")
        clients[0].say(b"".join(b"get k%d\r\n" % n for n in range(20)))
        there(waits)
        clients[1].ask(b"flush_all\r\n", b"OK\r\n")
        # What is asked behind the first is asked when the flush is over: only the first is old.
        waits["go"].set()
        clients[0].hear(hit(b"k0", b"old") + b"END\r\n" * 19)
        for n in range(20):
            clients[1].ask(b"get k%d\r\n" % n, b"END\r\n")


def is_storing(direct):
    return direct.say(b"set x 0 0 1\r\nx\r\nget x\r\n").until(b"END\r\n").startswith(b"STORED\r\nVALUE")


def test_a_delayed_flush_is_one_for_both_tiers():
    with Memcached() as l2, Rend(before(l2.server)) as rend, rend.client(ONLINE) as online, rend.client(BULK) as bulk, Client(l2.path) as direct:
        for client in (online, bulk):
            # On a machine that stalls it may be over before it has been looked at: then once more.
            for seconds in (2, 20):
                stored(online, b"k", b"v")
                count, began = int(direct.stats()["cmd_flush"]), time.monotonic()
                client.ask(b"flush_all %d\r\n" % seconds, b"OK\r\n")
                looks = [c.say(b"get k\r\n").until(b"END\r\n") for c in (online, direct)] + [int(direct.stats()["cmd_flush"])]
                if time.monotonic() - began < seconds - 1:
                    break
                wait_for("the flush", lambda: online.say(b"get k\r\n").until(b"END\r\n") == b"END\r\n")
                wait_for("memcached's second to be over", lambda: is_storing(direct))
            assert looks == [hit(b"k", b"v")] * 2 + [count], looks  # the delay is ours
            wait_for("the flush", lambda: online.say(b"get k\r\n").until(b"END\r\n") == b"END\r\n")
            assert int(direct.stats()["cmd_flush"]) == count + 1
            bulk.ask(b"get k\r\n", b"END\r\n")
            wait_for("memcached's second to be over", lambda: is_storing(direct))


def test_the_last_flush_counts_whoever_said_it():
    with Rend(tiers(IN_MEMORY)) as rend, rend.client(ONLINE) as online, rend.client(BULK) as bulk:
        for first, second in ((online, bulk), (bulk, online)):
            began = time.monotonic()
            first.ask(b"flush_all 2\r\n", b"OK\r\n")
            second.ask(b"flush_all\r\nset k 0 0 1\r\nv\r\n", b"OK\r\nSTORED\r\n")
            wait_for("the first one's time", lambda: time.monotonic() - began > 2.2)
            first.ask(b"get k\r\n", hit(b"k", b"v"))


# ---- answers that do not come ----


def test_a_lost_write_keeps_copies_out_until_it_cannot_happen_any_more():
    # On a machine that stalls it may not be seen in time: then it is looked at for longer.
    assert a_lost_write(2) or a_lost_write(20), "this machine is too slow"


def a_lost_write(hold):
    """Was it seen while copies are kept out?"""
    with Backend() as l2, Rend(before(l2.server, l1=f'unknown_hold = "{hold}s";')) as rend, rend.client(ONLINE) as c, Hot(rend) as hot:
        gates = Gates(l2)
        stored(c, b"k", b"1")
        assert hot.has(b"k")
        late = []

        def cut(conn, request):
            if request.verb != "ms":
                return gates.misbehave(conn, request)
            late.append((request.body, 0, 500))
            conn.reset()
            return SILENCE

        l2.misbehave = cut
        begun = time.monotonic()
        c.ask(b"set k 0 0 1\r\n2\r\n", DOWN)
        l2.misbehave = gates.misbehave
        wait_for("the connection", lambda: c.say(b"get k\r\n").line() == b"VALUE k 0 1" and c.until(b"END\r\n"))
        for _ in range(3):
            c.ask(b"get k\r\n", hit(b"k", b"1"))                # never happened, so far
        seen = (hot.has(b"k"), row(rend, "online.get.fill.yes"), node(rend, "hot.held"))
        if time.monotonic() - begun >= hold:
            return False
        assert seen == (False, 0, 1), seen
        l2.values["k"] = late[0]                                # now it has
        answer = c.say(b"get k\r\n").until(b"END\r\n")
        if time.monotonic() - begun >= hold:
            return False
        assert answer == hit(b"k", b"2"), answer
        wait_for("the hold to end", lambda: node(rend, "hot.held") == 0)
        # Since the answer, which came when it was held.
        assert time.monotonic() - begun >= hold
        c.ask(b"get k\r\n", hit(b"k", b"2"))
        wait_for("a promotion", lambda: hot.has(b"k"))
        assert node(rend, "hot.held_total") == 1
        return True


def test_a_write_that_is_late_keeps_copies_out_until_it_is_answered():
    with Backend() as l2, Rend(hasty(l2.server, "3s")) as rend:
        gates = Gates(l2)
        reader, waits = late_write(l2, rend, gates)
        waits["go"].set()
        wait_for("copies again", lambda: reader.say(b"get k\r\n").until(b"END\r\n") and row(rend, "online.get.fill.yes") == 1)
        assert node(rend, "hot.held_total") == 0


def late_write(l2, rend, gates):
    """Of one worker.  Returns a client of the other one, and what lets it go."""
    writer, reader = on_each_worker(rend, ONLINE)
    l2.values["k"] = (b"1", 0, 5)
    waits = gates.hold("ms", "k")
    old = dict(l2.values)
    writer.say(b"set k 0 0 1\r\n2\r\n")
    there(waits)
    new, l2.values = l2.values, old
    writer.hear(TIMEOUT)
    reader.ask(b"get k\r\n", hit(b"k", b"1"))
    reader.ask(b"get k\r\n", hit(b"k", b"1"))           # it is still under way: no copy
    l2.values = new
    reader.ask(b"get k\r\n", hit(b"k", b"2"))
    assert row(rend, "online.get.fill.yes") == 0
    return reader, waits


def test_a_write_that_will_never_be_answered_keeps_copies_out_for_a_while():
    # On a machine that stalls it may be over before it has been looked at: then it takes longer.
    assert an_unanswered_write(3) or an_unanswered_write(30), "this machine is too slow"


def an_unanswered_write(hold):
    """Was it seen while copies are kept out?"""
    with Backend() as l2, Rend(before(l2.server, timeout="3s", silence="3s", l1=f'unknown_hold = "{hold}s";')) as rend:
        gates = Gates(l2)
        begun = time.monotonic()
        try:
            reader, waits = late_write(l2, rend, gates)
            # The connection is given up: nobody will ever say.
            wait_for("the hold", lambda: node(rend, "hot.held_total") == 1)
            waits["go"].set()
            reader.ask(b"get k\r\n", hit(b"k", b"2"))
            assert row(rend, "online.get.fill.yes") == 0
        except AssertionError:
            # The hold has not begun before the client was told.
            if time.monotonic() - begun < 3 + hold:
                raise
            return False
        wait_for("copies again", lambda: reader.say(b"get k\r\n").until(b"END\r\n") and row(rend, "online.get.fill.yes") == 1)
        assert node(rend, "hot.held") == 0
        return True


def test_an_l2_that_is_down():
    with Memcached() as l2, Rend(before(l2.server)) as rend, rend.client(ONLINE) as online, rend.client(BULK) as bulk:
        for key in (b"a", b"b", b"c", b"d"):
            stored(online, key, b"v")
        l2.end(signal.SIGKILL)
        wait_for("it to be down", lambda: bulk.say(b"get cold\r\n").line() + b"\r\n" == DOWN)
        for client in (online, bulk):
            client.ask(b"get a\r\n", hit(b"a", b"v"))           # hot
            client.ask(b"get cold\r\n", DOWN)
        online.ask(b"set a 0 0 1\r\nw\r\n", DOWN)
        online.ask(b"get a\r\n", DOWN)                          # l2 is the truth, and says nothing
        bulk.ask(b"delete b\r\nget b\r\n", DOWN + DOWN)
        online.ask(b"touch c 100\r\nget c\r\n", DOWN + DOWN)
        online.ask(b"flush_all\r\nget d\r\n", DOWN + DOWN)
        l2.restart()
        for client in (online, bulk):                           # each worker has its connection
            wait_for("it to be up", lambda: client.say(b"get cold\r\n").line() == b"END")
        for key in (b"a", b"b", b"c", b"d"):
            online.ask(b"get %s\r\n" % key, b"END\r\n")
    with Memcached() as l2, Rend(before(l2.server, more='read_failure = "miss";')) as rend, rend.client(ONLINE) as online:
        stored(online, b"a", b"v")
        l2.end(signal.SIGKILL)
        wait_for("it to be down", lambda: online.say(b"set b 0 0 1\r\nb\r\n").line() + b"\r\n" == DOWN)
        online.ask(b"get a b\r\nmg b v\r\n", hit(b"a", b"v") + b"EN\r\n")
        online.ask(b"set a 0 0 1\r\nw\r\n", DOWN)               # a write that failed is no miss


# ---- many clients, one key ----


def test_a_thousand_clients_and_a_cold_key():
    with Backend() as l2, Rend(before(l2.server), workers=2) as rend:
        gates = Gates(l2)
        l2.values["k"] = (b"v" * 1000, 3, 77)
        waits = [gates.hold("mg", "k") for _ in range(2)]
        clients = [rend.client(which) for which in (ONLINE, BULK) for _ in range(500)]
        for c in clients:
            c.say(b"get k\r\n")
        there(waits[0])
        there(waits[1])
        wait_for("all to wait", lambda: node(rend, "all.joined") == 998)
        for w in waits:
            w["go"].set()
        for c in clients:
            c.hear(hit(b"k", b"v" * 1000, 3))
        assert gates.count("mg", "k") == 2, gates.count("mg", "k")
        for c in clients:
            c.ask(b"gets k\r\n", b"VALUE k 3 1000 77\r\n" + b"v" * 1000 + b"\r\nEND\r\n")
            c.close()
        assert gates.count("mg", "k") <= 3                      # hot, unless both leaders were bulk loads


def test_nobody_joins_a_read_from_before_a_write():
    with Backend() as l2, Rend(before(l2.server), workers=2) as rend:
        gates = Gates(l2)
        l2.values["k"] = (b"1", 0, 77)
        # Connections are dealt out in turn: these are on one worker, those on the other.
        clients = [rend.client(ONLINE) for _ in range(8)]
        (first, same, later, latest), (writer, other, _, _) = clients[::2], clients[1::2]
        waits = gates.hold("mg", "k")
        first.say(b"get k\r\n")
        there(waits)
        same.say(b"get k\r\n")
        wait_for("it to join", lambda: node(rend, "all.joined") == 1)
        writer.ask(b"incr k 1\r\n", b"2\r\n")                   # leaves no copy, so l2 will be asked
        later.say(b"get k\r\n")
        wait_for("it to have been asked", lambda: node(rend, "all.in_flight") == 3)
        latest.say(b"get k\r\n")                                # joins the later one
        wait_for("it to join", lambda: node(rend, "all.in_flight") == 4)
        waits["go"].set()
        first.hear(hit(b"k", b"1"))
        same.hear(hit(b"k", b"1"))
        later.hear(hit(b"k", b"2"))
        latest.hear(hit(b"k", b"2"))
        assert node(rend, "all.joined") == 2 and gates.count("mg", "k") == 2
        other.ask(b"get k\r\n", hit(b"k", b"2"))


def test_who_joined_gets_the_error_too_or_asks_again():
    with Backend() as l2, Rend(hasty(l2.server, "5s"), workers=1) as rend:
        gates = Gates(l2)
        l2.values["k"] = (b"1", 0, 77)
        clients = [rend.client(ONLINE) for _ in range(20)]
        waits = gates.hold("mg", "k")
        clients[0].say(b"get k\r\n")
        there(waits)
        began = time.monotonic()
        for c in clients[1:10]:
            c.say(b"get k\r\n")
        # Half of them come later, and have more time.
        wait_for("half of the time", lambda: time.monotonic() - began > 2.5)
        for c in clients[10:]:
            c.say(b"get k\r\n")
        clients[0].hear(TIMEOUT)
        waits["go"].set()
        for c in clients[1:10]:
            assert c.line() + b"\r\n" in (TIMEOUT, b"VALUE k 0 1\r\n")
        for c in clients[10:]:
            c.hear(hit(b"k", b"1"))
        assert gates.count("mg", "k") <= 3
        # A backend that goes away takes all with it, once.
        l2.values["l"] = (b"1", 0, 78)
        waits = gates.hold("mg", "l")
        for c in clients[10:]:
            c.say(b"get l\r\n")
        there(waits)
        wait_for("all to wait", lambda: node(rend, "all.joined") >= 19 + 9)
        for conn in list(l2.connections):
            conn.reset()
        waits["go"].set()
        for c in clients[10:]:
            assert c.line() in (b"SERVER_ERROR backend down", b"VALUE l 0 1")


# ---- who fills it ----


def test_marks_live_in_l1():
    with Memcached() as l2, Rend(before(l2.server)) as rend, rend.client(ONLINE) as a, rend.client(BULK) as b, Client(l2.path) as direct:
        for first, second in ((a, b), (b, a)):
            first.ask(b"mg k v N30\r\n", b"VA 0 W\r\n\r\n")
            second.ask(b"mg k v N30\r\n", b"VA 0 Z\r\n\r\n")
            direct.ask(b"get k\r\n", b"END\r\n")                # l2 knows nothing of it
            first.ask(b"ms k 1\r\n1\r\n", b"HD\r\n")
            second.ask(b"mg k v N30\r\n", b"VA 1\r\n1\r\n")
            a.ask(b"get k\r\n", hit(b"k", b"1"))
            wait_for("a promotion", lambda: row(rend, "online.get.l1.yes") > 0 or a.ask(b"get k\r\n", hit(b"k", b"1")) is None)
            a.ask(b"set k 0 50 1\r\n1\r\n", b"STORED\r\n")
            # less left than that
            first.ask(b"mg k v R100\r\n", b"VA 1 W\r\n1\r\n")
            second.ask(b"mg k v R100\r\n", b"VA 1 Z\r\n1\r\n")
            a.ask(b"set k 0 0 1\r\n2\r\n", b"STORED\r\n")
            # marked as stale: still there to be read, but gone in l2
            first.ask(b"md k I T30\r\n", b"HD\r\n")
            direct.ask(b"get k\r\n", b"END\r\n")
            second.ask(b"mg k v t\r\n", b"VA 1 t30 X W\r\n2\r\n")
            first.ask(b"mg k v\r\n", b"VA 1 Z X\r\n2\r\n")
            first.ask(b"ms k 1\r\n3\r\n", b"HD\r\n")
            second.ask(b"mg k v\r\n", b"VA 1\r\n3\r\n")
            # not there, and not of this version: nothing is stale
            first.ask(b"md k I C1\r\n", b"EX\r\n")
            second.ask(b"mg k v\r\n", b"VA 1\r\n3\r\n")
            direct.ask(b"delete k\r\n", b"DELETED\r\n")
            first.ask(b"md k I\r\n", b"NF\r\n")
            second.ask(b"mg k v\r\n", b"EN\r\n")
            # with T a get is l2's, but an empty item is made all the same
            first.ask(b"mg k v T100 N30\r\n", b"VA 0 W\r\n\r\n")
            second.ask(b"mg k v T100 N30\r\n", b"VA 0 Z\r\n\r\n")
            second.ask(b"delete k\r\n", b"NOT_FOUND\r\n")
            first.ask(b"mg k v\r\n", b"EN\r\n")


def test_a_version_of_what_only_l1_knows_fits_nothing_in_l2():
    with Memcached() as l2, Rend(before(l2.server)) as rend, rend.client(ONLINE) as c, Hot(rend) as hot:
        words = c.say(b"mg k c N30\r\n").line().split()
        stub = int(words[1][1:])
        assert words[0] == b"HD" and stub >> 63 == 1, words
        c.ask(b"ms k 1 C%d\r\n1\r\n" % stub, b"NF\r\n")
        c.ask(b"ms k 1\r\n1\r\n", b"HD\r\n")
        c.ask(b"ms k 1 C%d\r\n2\r\n" % stub, b"EX\r\n")
        assert not hot.has(b"k")                                # an answer of l2's, so the copy went
        c.ask(b"get k\r\n", hit(b"k", b"1"))
        wait_for("a promotion", lambda: hot.has(b"k"))
        c.ask(b"md k I\r\n", b"HD\r\n")
        stale = int(c.say(b"mg k c\r\n").line().split()[1][1:])
        assert stale >> 63 == 1 and stale != stub
        c.ask(b"ms k 1 C%d\r\n2\r\n" % stale, b"NF\r\n")


# ---- all at once ----


def test_no_read_is_older_than_a_write_that_was_acknowledged_before_it():
    """Writers count up, each its own keys; every reader, at either listener, must see at least what was acknowledged before it asked, or miss."""
    keys = [b"k%d" % n for n in range(6)]
    acknowledged = {key: 0 for key in keys}
    stop, faults, reads = threading.Event(), [], [0]

    def write(rend, mine, which, seed):
        dice = random.Random(seed)
        try:
            with rend.client(which) as c:
                number = 0
                while not stop.is_set():
                    key = dice.choice(mine)
                    number = acknowledged[key] + 1
                    how = dice.randrange(8)
                    if how == 0:
                        c.say(b"delete %s\r\n" % key).line()
                        c.ask(b"add %s 0 0 %d\r\n%d\r\n" % (key, len(str(number)), number), b"STORED\r\n")
                    elif how == 1:
                        c.say(b"touch %s 100\r\n" % key).line()
                        continue
                    elif how == 2:
                        c.say(b"incr %s 1\r\n" % key)
                        if c.line() == b"NOT_FOUND":
                            continue
                    else:
                        stored(c, key, b"%d" % number)
                    acknowledged[key] = number
        except (AssertionError, OSError, ValueError) as e:
            faults.append(repr(e))

    def read(rend, which, seed):
        dice = random.Random(seed)
        try:
            with rend.client(which) as c:
                while not stop.is_set():
                    key = dice.choice(keys)
                    least = acknowledged[key]
                    answer = c.say(b"gat 100 %s\r\n" % key if dice.randrange(10) == 0 else b"get %s\r\n" % key).until(b"END\r\n")
                    reads[0] += 1
                    if answer != b"END\r\n" and int(answer.split(b"\r\n")[1]) < least:
                        faults.append(f"{key}: {answer!r} after {least} at listener {which}")
        except (AssertionError, OSError, ValueError) as e:
            faults.append(repr(e))

    with Memcached() as l2, Rend(before(l2.server), workers=2) as rend:
        threads = [threading.Thread(target=write, args=(rend, keys[n::4], n % 2, n)) for n in range(4)]
        threads += [threading.Thread(target=read, args=(rend, n % 2, 100 + n)) for n in range(6)]
        for t in threads:
            t.start()
        stop.wait(4)
        wait_for("enough to have happened", lambda: faults or reads[0] > 500 and row(rend, "online.get.l1.yes") > 20 and
                 row(rend, "online.get.fill.no") + row(rend, "online.set.publish.no") > 0)
        stop.set()
        for t in threads:
            t.join(harness.PATIENCE)
        assert not faults, faults[:5]


def test_the_example_serves():
    with Memcached() as l2:
        rend = Rend(None, args=["-o", "listeners.0.port=0", "-o", "listeners.1.port=0", "-o", "handlers.all.servers=" + l2.server,
                                "-o", "plugin_dir=" + harness.PLUGINS, "-o", "user=" + harness.user_name()])
        with open(os.path.join(TOP, "etc", "rend-l1l2.conf")) as example, open(rend.conf_file, "w") as f:
            f.write(example.read())
        with rend, rend.client(ONLINE) as online, rend.client(BULK) as bulk, Hot(rend) as hot:
            stored(online, b"k", b"v")
            assert hot.has(b"k")
            stored(bulk, b"cold", b"v")
            assert not hot.has(b"cold")
            bulk.ask(b"delete k\r\n", b"DELETED\r\n")
            online.ask(b"get k\r\n", b"END\r\n")


def test_it_ends_although_l2_is_silent():
    """SIGTERM while gets share a question, and writes of all kinds, behind a lock and not, have no answer."""
    with Backend() as l2, Rend(hasty(l2.server, "60s"), fields='drain_timeout = "100ms";') as rend:
        clients = [rend.client(which) for which in (ONLINE, BULK) for _ in range(10)]
        for i, c in enumerate(clients):
            stored(c, b"k%d" % i, b"1")
        asked = []

        def silent(conn, request):
            if request.is_probe:
                return None
            asked.append(request.verb)
            return SILENCE

        l2.misbehave = silent
        commands = (b"get k\r\n", b"get k\r\n", b"set k%d 0 0 1\r\n2\r\n", b"touch k%d 9\r\n", b"gat 9 k%d\r\n", b"incr k%d 1\r\n",
                    b"delete k%d\r\n", b"md k%d I\r\n", b"append k%d 0 0 1\r\n2\r\n")
        for first in (0, 10):
            for i, command in enumerate(commands, first):
                clients[i].say(command % i if b"%d" in command else command)
        wait_for("each write to be asked, and one of the gets", lambda: len(asked) >= 15)
        for flusher in (clients[9], clients[19]):               # the first waits for all that is locked
            flusher.say(b"flush_all\r\n")
        wait_for("the other flush_all", lambda: "flush_all" in asked)
        rend.send_signal(signal.SIGTERM)
        status = rend.child.wait(harness.PATIENCE)
        assert status == 0, f"rend ended with {status}: {rend.tail()}"
        assert not rend.said("did not"), rend.tail()
        for c in clients:
            c.close()


if __name__ == "__main__":
    harness.main()
