#!/usr/bin/python3
"""A cache in another process before a store: a memcached, or another rend.  Clients see one cache, whatever becomes of the three.

Two listeners: the first is l1l2's, the second l1l2batch's, over the same tiers.
"""
import os
import signal
import struct
import threading

import differential_test
import harness
from backends import heard, stop
from harness import Client, Memcached, Rend, wait_for
from scripted_backend import SILENCE, ScriptedBackend
from tiers_test import BULK, DOWN, ONLINE, TOP, Gates, Plain, alternate, hit, left, node, on_each_worker, row, stored, there, version

TOKENS = 1 << 63
PROTOCOLS = {
    "confirm": ("", ""),
    "confirm, publish": ("publish = true;", ""),
    "aside": ('promote = "aside";', ""),
    "exclusive": ("", "exclusive = true;"),
    "exclusive, publish": ("publish = true;", "exclusive = true;"),
}


def apart(l1, l2, policy="", hot="", timeout="20s", listeners='{ port = 0; policy = "online"; }, { port = 0; policy = "bulk"; }'):
    """policy, hot: what else the blocks of both policies and of the first tier say."""
    return f"""
handlers = {{
    hot = {{ plugin = "memcached"; servers = [ "{l1}" ]; request_timeout = "{timeout}"; connect_timeout = "20s"; max_silence = "20s"; retry_max = "200ms"; {hot} }};
    all = {{ plugin = "memcached"; servers = [ "{l2}" ]; request_timeout = "20s"; connect_timeout = "20s"; }};
}};
policies = {{
    online = {{ plugin = "l1l2"; l1 = "hot"; l2 = "all"; {policy} }};
    bulk = {{ plugin = "l1l2batch"; l1 = "hot"; l2 = "all"; {policy} }};
}};
listeners = ( {listeners} );
"""


class Tiers:
    """Two memcacheds, or a rend that takes versions and a memcached, and clients that ask each of them directly."""

    def __init__(self, versions=False, *l1_args):
        self.l1 = Rend() if versions else Memcached("-o", "no_modern", *l1_args)
        self.l2 = Memcached("-o", "no_modern")

    def __enter__(self):
        self.l1.__enter__()
        self.l2.__enter__()
        at = self.l1.address() if isinstance(self.l1, Rend) else self.l1.path
        self.l1_server = "127.0.0.1:%d" % self.l1.port if isinstance(self.l1, Rend) else self.l1.server
        self.hot, self.all = Client(at), Client(self.l2.path)
        return self

    def __exit__(self, *what):
        self.hot.close()
        self.all.close()
        self.l2.__exit__(*what)
        self.l1.__exit__(*what)

    def conf(self, *args, **kw):
        return apart(self.l1_server, self.l2.server, *args, **kw)

    def is_hot(self, key):
        """Has l1 a value, other than an empty item that somebody has left?"""
        words = self.hot.say(b"mg %s f\r\n" % key).line().split()
        return words[0] == b"HD" and b"W" not in words and b"Z" not in words


# ---- one cache ----


def test_random_commands_through_both_listeners_are_one_memcacheds():
    for seed, (name, (policy, hot)) in enumerate(PROTOCOLS.items()):
        for versions in (False, True):
            with Memcached("-o", "no_modern") as memcached, Tiers(versions) as tiers, Rend(tiers.conf(policy, hot)) as rend:
                alternate(memcached, rend, seed, 1000)
                assert row(rend, "online.get.l1.yes") > 5 and row(rend, "online.get.fill.yes") > 5, name


def test_text_meta_and_binary_commands_are_a_memcacheds():
    """Versions too: they are l2's, whoever answers."""
    for stream, policy, hot, versions in (("text", "", "", False), ("binary", "publish = true;", "", True), ("binary", "", "exclusive = true;", True)):
        for which in ("online", "bulk"):
            with Tiers(versions) as tiers:
                differential_test.SERVER_CONF = tiers.conf(policy, hot, listeners='{ path = "rend.sock"; policy = "%s"; }' % which)
                found = differential_test.Comparison(stream, 13)
                if stream == "text":
                    found.stream = Plain
                found.go(500 if harness.sanitized() else 1500)
                assert not found.differences, f"{which}, {stream}: {len(found.differences)} answers differ:\n" + "\n".join(found.differences)


def test_what_is_hot_and_what_is_not():
    for name, (policy, hot) in PROTOCOLS.items():
        with Tiers() as tiers, Rend(tiers.conf(policy, hot)) as rend, rend.client(ONLINE) as online, rend.client(BULK) as bulk:
            published = "publish" in policy
            stored(online, b"k", b"1", 5, 100)
            wait_for("what was written", lambda: tiers.is_hot(b"k") == published)
            online.ask(b"get k\r\n", hit(b"k", b"1", 5))
            wait_for("a promotion", lambda: tiers.is_hot(b"k"))
            assert 98 <= left(tiers.hot, b"k") <= 100, name
            stored(bulk, b"k", b"2", 6, 0)
            if published:
                wait_for("what was hot to be so again", lambda: tiers.is_hot(b"k"))
                assert left(tiers.hot, b"k") == -1
            else:
                assert not tiers.is_hot(b"k"), name
            online.ask(b"get k\r\n", hit(b"k", b"2", 6))
            # A bulk load warms nothing, and leaves nothing.
            stored(bulk, b"b", b"1")
            bulk.ask(b"get b none\r\n", hit(b"b", b"1"))
            assert tiers.hot.say(b"mg b\r\n").line() == tiers.hot.say(b"mg none\r\n").line() == b"EN", name
            # All that is a look at l2 takes l1's copy away.
            for question, answer in ((b"append k 0 0 1\r\nx\r\n", b"STORED\r\n"), (b"incr k 1\r\n", b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"),
                                     (b"cas k 0 0 1 9999\r\nx\r\n", b"EXISTS\r\n"), (b"touch k 50\r\n", b"TOUCHED\r\n"), (b"gat 60 k\r\n", hit(b"k", b"2x", 6)),
                                     (b"delete k\r\n", b"DELETED\r\n")):
                online.say(b"get k\r\n").until(b"END\r\n")
                wait_for("a promotion", lambda: tiers.is_hot(b"k"))
                (bulk if question.startswith(b"i") else online).ask(question, answer)
                assert not tiers.is_hot(b"k"), (name, question)
            # So does a flush.
            stored(online, b"k", b"3")
            online.ask(b"get k\r\n", hit(b"k", b"3"))
            wait_for("a promotion", lambda: tiers.is_hot(b"k"))
            online.ask(b"flush_all\r\nget k\r\n", b"OK\r\nEND\r\n")
            tiers.all.ask(b"get k\r\n", b"END\r\n")
            # What l2 has lost, a delete takes from l1.
            stored(online, b"k", b"4")
            online.ask(b"get k\r\n", hit(b"k", b"4"))
            wait_for("a promotion", lambda: tiers.is_hot(b"k"))
            tiers.all.ask(b"delete k\r\n", b"DELETED\r\n")
            bulk.ask(b"delete k\r\nget k\r\n", b"NOT_FOUND\r\nEND\r\n")


def test_versions_are_l2s():
    for versions in (False, True):
        for policy, hot in PROTOCOLS.values():
            with Tiers(versions) as tiers, Rend(tiers.conf(policy, hot)) as rend, rend.client(ONLINE) as online, rend.client(BULK) as bulk:
                tiers.hot.ask(b"set other 0 0 1\r\nx\r\n" * 5, b"STORED\r\n" * 5)        # l1 counts otherwise
                stored(online, b"k", b"1")
                true = version(tiers.all, b"k")
                online.ask(b"get k\r\n", hit(b"k", b"1"))
                wait_for("a promotion", lambda: tiers.is_hot(b"k"))
                looks = node(rend, "all.get.OK")
                assert version(online, b"k") == version(bulk, b"k") == true
                if versions:
                    assert node(rend, "all.get.OK") == looks                            # l1 knew
                online.ask(b"cas k 0 0 1 %s\r\n2\r\n" % true, b"STORED\r\n")
                bulk.ask(b"cas k 0 0 1 %s\r\n3\r\n" % true, b"EXISTS\r\n")
                assert version(online, b"k") == version(tiers.all, b"k") != true


class Binary:
    def __init__(self, address):
        self.client = Client(address)

    def ask(self, opcode, key, extras=b"", value=b"", cas=0):
        """Status, version and value of the answer."""
        self.client.say(struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0, len(extras) + len(key) + len(value), 7, cas) + extras + key + value)
        while len(self.client.heard) < 24:
            self.client._more()
        _, _, _, extra, _, status, length, _, version = struct.unpack(">BBHBBHIIQ", self.client.heard[:24])
        while len(self.client.heard) < 24 + length:
            self.client._more()
        body, self.client.heard = self.client.heard[24:24 + length], self.client.heard[24 + length:]
        return status, version, body[extra:]

    def get(self, key):
        return self.ask(0x00, key)

    def set(self, key, value, cas=0):
        return self.ask(0x01, key, bytes(8), value, cas)[:2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()


def test_a_binary_get_is_told_a_version_that_fits_nothing():
    """Its answer has a place for one, and l1 cannot tell the right one."""
    exists = 2
    for name, (policy, hot) in PROTOCOLS.items():
        with Tiers() as tiers, Rend(tiers.conf(policy, hot)) as rend, rend.client(ONLINE) as online:
            for which in (ONLINE, BULK):
                with Binary(rend.address(which)) as c:
                    online.ask(b"set k 0 0 1\r\n1\r\n", b"STORED\r\n")

                    def promoted():
                        online.ask(b"get k\r\n", hit(b"k", b"1"))
                        return tiers.is_hot(b"k")
                    # A single get need not promote: others may have been there first.
                    wait_for("a promotion", promoted)
                    looks = node(rend, "all.get.OK")
                    status, told, value = c.get(b"k")
                    assert (status, value) == (0, b"1") and told >= TOKENS and node(rend, "all.get.OK") == looks, (name, told)
                    assert c.set(b"k", b"2", told)[0] == exists
                    assert not tiers.is_hot(b"k")
                    status, told, value = c.get(b"k")
                    assert (status, value) == (0, b"1") and told == int(version(tiers.all, b"k")), (name, told)
                    status, new = c.set(b"k", b"2", told)
                    assert status == 0 and new == int(version(tiers.all, b"k")), (name, status, new)


def test_who_fills_it_is_said_by_l2():
    """mg N, mg R, md I: l2 has the marks, and no copy hides them."""
    for policy, hot in PROTOCOLS.values():
        with Tiers() as tiers, Rend(tiers.conf(policy, hot)) as rend, rend.client(ONLINE) as online, rend.client(BULK) as bulk:
            online.ask(b"mg k N30 v\r\n", b"VA 0 W\r\n\r\n")
            bulk.ask(b"mg k N30 v\r\n", b"VA 0 Z\r\n\r\n")
            online.ask(b"ms k 1\r\n1\r\nmg k v\r\n", b"HD\r\nVA 1\r\n1\r\n")
            wait_for("a promotion", lambda: tiers.is_hot(b"k"))
            bulk.ask(b"md k I T30\r\n", b"HD\r\n")
            assert not tiers.is_hot(b"k")
            for signs in ({b"W", b"X"}, {b"Z", b"X"}):
                assert set(online.say(b"mg k v\r\n").line().split()[2:]) == signs
                online.hear(b"1\r\n")
            assert not tiers.is_hot(b"k")
            online.ask(b"ms k 1 T30\r\n2\r\nmg k v R20\r\n", b"HD\r\nVA 1\r\n2\r\n")
            online.ask(b"mg k v R50\r\nmg k v R50\r\n", b"VA 1 W\r\n2\r\nVA 1 Z\r\n2\r\n")


# ---- what goes over the wire ----


def asked(backend, key="k"):
    said = [r.line.rsplit(b" O", 1)[0] for r in backend.requests if r.key == key]
    backend.requests.clear()
    return said


def test_what_l1_is_asked():
    with ScriptedBackend(sets_cas=True) as l1, Memcached() as l2, Rend(apart(l1.server, l2.server), workers=1) as rend, \
            rend.client(ONLINE) as online, rend.client(BULK) as bulk, Client(l2.path) as direct:
        stored(online, b"k", b"v", 7)
        assert asked(l1) == [b"md k"]
        true = version(direct, b"k")
        online.ask(b"get k\r\n", hit(b"k", b"v", 7))
        get, fill = asked(l1)
        token = get.split(b" E")[1].split()[0]
        assert get == b"mg k N30 E%s v f c t" % token and int(token) >= TOKENS, get
        assert fill == b"ms k 1 F7 C%s E%s c" % (token, true), fill
        online.ask(b"gets k\r\n", b"VALUE k 7 1 %s\r\nv\r\nEND\r\n" % true)
        bulk.ask(b"get k\r\n", hit(b"k", b"v", 7))
        assert [line.split(b" E")[0].split(b" v")[0] for line in asked(l1)] == [b"mg k N30", b"mg k"]
        online.ask(b"delete k\r\nget k\r\n", b"DELETED\r\nEND\r\n")
        drop, get, kill = asked(l1)
        assert drop == b"md k" and kill == b"md k C" + get.split(b" E")[1].split()[0], (get, kill)
        assert "k" not in l1.values


def test_the_copy_of_another_rend_is_the_answer():
    """The lease is gone when l2 has answered."""
    other = b"another's"
    for what, heard, after in (("nothing", b"old", None), ("a value", other, other), ("a lease", b"old", None)):
        for listener in (ONLINE, BULK):
            with ScriptedBackend(sets_cas=True) as l1, ScriptedBackend() as l2, Rend(apart(l1.server, l2.server)) as rend, rend.client(listener) as c:
                gates = Gates(l2)
                l2.values["k"] = (b"old", 0, 5)
                rule = gates.hold("mg", "k")
                c.say(b"get k\r\n")
                there(rule)
                with l1.lock:
                    l1.values.pop("k", None)
                    l1.sent.discard("k")
                    if what == "a value":
                        l1._store("k", other, 0, 6)
                    if what == "a lease":
                        l1._store("k", b"", 0, TOKENS + 1)
                        l1.sent.add("k")
                rule["go"].set()
                c.hear(hit(b"k", heard))
                with l1.lock:
                    assert l1.values.get("k", (None,))[0] == after, (what, l1.values)


def pieces_apart(l1, l2):
    """What is hot is kept in pieces."""
    return apart(l1, l2).replace("handlers = {", 'handlers = {\n    big = { plugin = "chunked"; over = "hot"; };').replace('l1 = "hot"', 'l1 = "big"')


def test_a_copy_that_is_only_being_written_is_not_nothing():
    """In pieces it takes a while, and it is of what a write has replaced meanwhile.  Who reads beside it must not be contradicted by it."""
    for listener, leased in ((ONLINE, False), (ONLINE, True), (BULK, False)):
        with ScriptedBackend(sets_cas=True) as l1, ScriptedBackend() as l2, Rend(pieces_apart(l1.server, l2.server), workers=2) as rend:
            # Each worker has a connection to l1 of its own: the filler's waits.
            with rend.client(ONLINE) as filler, rend.client(ONLINE) as third, on_each_worker(rend, listener)[1] as reader:
                hot, all_ = Gates(l1), Gates(l2)
                l2.values["k"] = (b"old", 0, 5)
                piece, read = hot.hold("ms", "k-0"), all_.hold("mg", "k")
                filler.say(b"get k\r\n")
                there(read)
                with l2.lock:
                    l2._store("k", b"new", 0)
                if leased:  # it has the same lease, and finds the claim when it comes to use it
                    beside = all_.hold("mg", "k")
                    reader.say(b"get k\r\n")
                    there(beside)
                read["go"].set()
                there(piece)
                if leased:
                    beside["go"].set()
                else:
                    reader.say(b"get k\r\n")
                reader.hear(hit(b"k", b"new"))
                piece["go"].set()
                filler.hear(hit(b"k", b"old"))
                third.ask(b"get k\r\n", hit(b"k", b"new"))


def test_a_claim_has_a_version_that_no_copy_has():
    """Else the meta of an older value, whose claim is gone, could take the place of a newer one's."""
    with ScriptedBackend(sets_cas=True) as l1, ScriptedBackend() as l2, Rend(pieces_apart(l1.server, l2.server), workers=2) as rend:
        with rend.client(ONLINE) as filler, rend.client(ONLINE) as other:
            hot = Gates(l1)
            l2.values["k"] = (b"old", 0, 5)
            claim = hot.hold("ms", "k-meta")
            filler.say(b"get k\r\n")
            there(claim)
            with l2.lock:  # what is stored next has the version that l1 would have given the claim
                l2.cas = l1.cas - 1
            stored(other, b"k", b"new")
            other.ask(b"get k\r\n", hit(b"k", b"new"))
            claim["go"].set()
            filler.hear(hit(b"k", b"old"))
            other.ask(b"get k\r\n", hit(b"k", b"new"))


def test_a_read_joins_none_whose_lease_came_before_l1_began_anew():
    """Both have the same number: l1 has counted from the beginning again, and what l2 said to the first was true before a write."""
    for policy in ("", PROTOCOLS["aside"][0]):
        with ScriptedBackend() as l1, ScriptedBackend() as l2, Rend(apart(l1.server, l2.server, policy), workers=2) as rend:
            # They take turns on the two workers.
            first, writer, second, another, beside = (rend.client(ONLINE) for _ in range(5))
            with first, writer, second, another, beside:
                hot, gates = Gates(l1), Gates(l2)
                l2.values["k"] = (b"old", 0, 5)
                stored(writer, b"other", b"x")  # its connections are there
                before = l1.cas
                rule = gates.hold("mg", "k")
                first.say(b"get k\r\n")
                there(rule)
                with l1.lock:
                    l1.values.clear()
                    l1.sent.clear()
                    l1.cas = before
                l1.cut()
                wait_for("both workers to have it again", lambda: l1.connected >= 4 and node(rend, "hot.links_up") == 2)
                stored(writer, b"k", b"new")
                with l1.lock:
                    l1.cas = before
                second.say(b"get k\r\n")
                wait_for("the second to ask l1", lambda: hot.count("mg", "k") >= 2)
                for _ in range(20):  # its worker comes to that
                    beside.ask(b"mn\r\n", b"MN\r\n")
                rule["go"].set()
                second.hear(hit(b"k", b"new"))
                first.hear(hit(b"k", b"old"))


def test_what_l1_has_no_room_for():
    """It refuses the copy, and the read is answered all the same, each time."""
    for policy, hot in PROTOCOLS.values():
        with Tiers(False, "-I", "128k", "-o", "slab_chunk_max=65536") as tiers, Rend(tiers.conf(policy, hot)) as rend, rend.client(ONLINE) as online:
            large = b"x" * 200000
            stored(online, b"k", large)
            for _ in range(3):
                online.ask(b"get k\r\n", hit(b"k", large))
            assert not tiers.is_hot(b"k")


def test_an_l1_without_leases():
    """Classic text: nothing comes there; what is there for other reasons is deleted by each write."""
    with ScriptedBackend(meta=False) as l1, Memcached() as l2, Rend(apart(l1.server, l2.server)) as rend, rend.client(ONLINE) as online:
        for n in range(3):
            stored(online, b"k", b"%d" % n)
            online.ask(b"get k\r\ngets none\r\n", hit(b"k", b"%d" % n) + b"END\r\n")
        assert {r.verb for r in l1.requests if not r.is_probe} == {"delete"}, [r.line for r in l1.requests]
        wait_for("the log to say so", lambda: rend.said(r"hot: backend .* is up \(classic text, no leases"))


def test_a_thousand_clients_and_a_cold_key():
    """Each worker asks l2 once; who joined gets the copy that comes into l1."""
    for name in ("confirm", "aside", "exclusive"):
        policy, hot = PROTOCOLS[name]
        with Memcached() as l1, ScriptedBackend() as l2, Rend(apart(l1.server, l2.server, policy, hot)) as rend:
            gates = Gates(l2)
            l2.values["k"] = (b"v", 0, 5)
            rules = [gates.hold("mg", "k"), gates.hold("mg", "k")]
            clients = [rend.client(ONLINE) for _ in range(200)]
            for c in clients:
                c.say(b"get k\r\n")
            for rule in rules:
                there(rule)
            wait_for("the others to join", lambda: node(rend, "all.joined") >= 198)
            for rule in rules:
                rule["go"].set()
            for c in clients:
                c.hear(hit(b"k", b"v"))
                c.close()
            assert gates.count("mg", "k") == 2, name


# ---- when l1 cannot be reached ----


def silent(backend, verb):
    """From now on it says nothing to this.  Returns what was asked."""
    heard = []

    def misbehave(conn, request):
        if request.verb != verb:
            return None
        heard.append(request.key)
        return SILENCE

    backend.misbehave = misbehave
    return heard


def made_hot(tiers, client, value):
    """k has this value, in both tiers, although l1 is given up soon, even where it is only late."""
    wait_for("it to be stored", lambda: heard(client, b"set k 0 0 %d\r\n%s\r\n" % (len(value), value)) == b"STORED\r\n")
    wait_for("a promotion", lambda: heard(client, b"get k\r\n") == hit(b"k", value) and tiers.is_hot(b"k"))


def test_a_delete_that_is_not_answered():
    """The client is told that the outcome is open; until a later one is answered, no copy is believed here."""
    with ScriptedBackend(sets_cas=True) as l1, Memcached() as l2, Rend(apart(l1.server, l2.server, timeout="2s"), workers=1) as rend, \
            rend.client(ONLINE) as online, rend.client(BULK) as bulk:
        stored(online, b"k", b"old")
        online.ask(b"get k\r\n", hit(b"k", b"old"))
        silent(l1, "md")
        answer = online.say(b"set k 0 0 3\r\nnew\r\n").line()
        assert answer.startswith(b"SERVER_ERROR"), answer
        assert l1.values["k"][0] == b"old" and node(rend, "hot.in_doubt") == 1
        for c in (online, bulk):
            answer = c.say(b"get k\r\n").line()
            assert answer.startswith(b"SERVER_ERROR"), answer      # it cannot be repaired yet
        l1.misbehave = None
        l1.requests.clear()

        def served():
            if online.say(b"get k\r\n").line().startswith(b"SERVER_ERROR"):
                return False
            online.hear(b"new\r\nEND\r\n")
            return True

        wait_for("it to be repaired", served)
        assert [line.split()[0] for line in asked(l1)][-3:] == [b"md", b"mg", b"ms"] and node(rend, "hot.in_doubt") == 0
        online.ask(b"get k\r\n", hit(b"k", b"new"))
        assert len(asked(l1)) == 1


def test_reads_from_l2_while_l1_is_away():
    for policy in ('when_l1_away = "l2";', 'when_l1_away = "go_on"; l1_max_ttl = "100s";'):
        with Tiers() as tiers, Rend(tiers.conf(policy, timeout="1s")) as rend, rend.client(ONLINE) as online, rend.client(BULK) as bulk:
            made_hot(tiers, online, b"1")
            assert left(tiers.hot, b"k") == (-1 if "go_on" not in policy else left(tiers.hot, b"k"))
            assert "go_on" not in policy or 95 <= left(tiers.hot, b"k") <= 100
            stop(tiers.l1)
            for c in (online, bulk):
                c.ask(b"get k none\r\n", hit(b"k", b"1"))
            answer = online.say(b"set k 0 0 1\r\n2\r\n").line()
            if "go_on" in policy:
                assert answer == b"STORED", answer
                for c in (online, bulk):
                    c.ask(b"get k\r\n", hit(b"k", b"2"))
            else:
                assert answer.startswith(b"SERVER_ERROR"), answer
            tiers.l1.send_signal(signal.SIGCONT)
            now = version(tiers.all, b"k")
            wait_for("l1 to be there again", lambda: version(online, b"k") == now and node(rend, "hot.in_doubt") == 0)
            true = tiers.all.say(b"get k\r\n").until(b"END\r\n")
            wait_for("the value", lambda: heard(online, b"get k\r\n") == true)


def test_an_l1_that_is_stopped_and_comes_back_with_old_values():
    for name, (policy, hot) in PROTOCOLS.items():
        with Tiers() as tiers, Rend(tiers.conf(policy, hot, timeout="1s")) as rend, rend.client(ONLINE) as online, rend.client(BULK) as bulk:
            made_hot(tiers, online, b"old")
            stop(tiers.l1)
            answer = bulk.say(b"set k 0 0 3\r\nnew\r\n").line()
            if "exclusive" in name:
                assert answer == b"STORED", answer
                online.ask(b"get k\r\n", hit(b"k", b"new"))        # l2's
            else:
                assert answer.startswith(b"SERVER_ERROR"), answer
                assert online.say(b"get k\r\n").line().startswith(b"SERVER_ERROR"), name
            true = tiers.all.say(b"get k\r\n").until(b"END\r\n")
            tiers.l1.send_signal(signal.SIGCONT)

            def served():
                answer = online.say(b"get k\r\n").line()
                if answer.startswith(b"SERVER_ERROR"):
                    return False
                online.hear(true[len(answer) + 2:])
                assert true.startswith(answer), (name, answer, true)
                return True

            wait_for("l1 to be there again", served)
            wait_for("a promotion", lambda: served() and tiers.is_hot(b"k"))


def test_an_l1_that_is_known_to_be_away():
    """Nothing is written that others could not see."""
    for name, (policy, hot) in PROTOCOLS.items():
        with Tiers() as tiers, Rend(tiers.conf(policy, hot)) as rend, rend.client(ONLINE) as online:
            stored(online, b"k", b"1")
            tiers.l1.end(signal.SIGKILL)
            wait_for("it to be known", lambda: rend.said("hot: backend .* is down"))
            wait_for("all to know", lambda: online.say(b"touch none 1\r\n").line() in (DOWN[:-2], b"NOT_FOUND"))
            if "exclusive" in name:
                online.ask(b"set k 0 0 1\r\n2\r\nget k\r\ndelete k\r\n", b"STORED\r\n" + hit(b"k", b"2") + b"DELETED\r\n")
                tiers.all.ask(b"get k\r\n", b"END\r\n")
            else:
                online.ask(b"set k 0 0 1\r\n2\r\nget k\r\ndelete k\r\nflush_all\r\n", 4 * DOWN)
                tiers.all.ask(b"get k\r\n", hit(b"k", b"1"))
            tiers.l1.restart()
            tiers.hot.close()
            tiers.hot = Client(tiers.l1.path)
            wait_for("l1 to be used again", lambda: online.say(b"set k 0 0 1\r\n3\r\n").line() == b"STORED")
            online.ask(b"get k\r\n", hit(b"k", b"3"))
            wait_for("a promotion", lambda: online.say(b"get k\r\n").hear(hit(b"k", b"3")) and tiers.is_hot(b"k"))


def test_too_many_keys_in_doubt():
    """Then all are, until a flush_all is answered, which rend sends by itself."""
    deletes = 4097
    with ScriptedBackend(sets_cas=True) as l1, Memcached() as l2, Rend(apart(l1.server, l2.server, 'when_l1_away = "l2";'), workers=1) as rend, \
            rend.client(ONLINE) as online:
        l1.values["old"] = (b"old", 0, 1)
        l1.misbehave = lambda conn, r: b"SERVER_ERROR out of order\r\n" if r.verb in ("md", "flush_all") else None
        for n in range(0, deletes, 64):
            online.say(b"".join(b"delete k%d\r\n" % i for i in range(n, min(n + 64, deletes))))
            for _ in range(n, min(n + 64, deletes)):
                assert online.line().startswith(b"SERVER_ERROR")
        wait_for("all to be in doubt", lambda: node(rend, "hot.in_doubt") == deletes)
        wait_for("that to be said", lambda: rend.said("hot: more than 4096 deletes were not answered"))
        online.ask(b"get old\r\n", b"END\r\n")                       # l2's answer
        l1.misbehave = None
        wait_for("all to be believed", lambda: rend.said("hot: flushed: what it has from here on is believed"), 30)
        assert node(rend, "hot.in_doubt") == 0 and "old" not in l1.values
        online.ask(b"get old\r\n", b"END\r\n")
        assert node(rend, "hot.in_doubt_total") >= deletes


def test_an_exclusive_l1_begins_empty():
    """What happened before this rend began, nobody knows."""
    with Tiers() as tiers:
        tiers.hot.ask(b"set k 0 0 3\r\nold\r\nset gone 0 0 3\r\nold\r\n", b"STORED\r\n" * 2)
        tiers.all.ask(b"set k 0 0 3\r\nnew\r\n", b"STORED\r\n")
        with Rend(tiers.conf("", "exclusive = true;")) as rend, rend.client(ONLINE) as online, rend.client(BULK) as bulk:
            bulk.ask(b"get k gone\r\n", hit(b"k", b"new"))
            online.ask(b"get k gone\r\n", hit(b"k", b"new"))
            wait_for("it to be flushed", lambda: rend.said("hot: flushed, because we began"))
            online.ask(b"get k gone\r\n", hit(b"k", b"new"))
            wait_for("a promotion", lambda: online.say(b"get k\r\n").hear(hit(b"k", b"new")) and tiers.is_hot(b"k"))


# ---- the example ----


def test_the_example_serves():
    with Tiers() as tiers:
        rend = Rend(None, args=["-o", "listeners.0.port=0", "-o", "listeners.1.port=0", "-o", "handlers.hot.servers=" + tiers.l1_server,
                                "-o", "handlers.all.servers=" + tiers.l2.server,
                                "-o", "plugin_dir=" + harness.PLUGINS, "-o", "user=" + harness.user_name()])
        with open(os.path.join(TOP, "etc", "rend-memcached-l1l2.conf")) as example, open(rend.conf_file, "w") as f:
            f.write(example.read())
        with rend, rend.client(ONLINE) as online, rend.client(BULK) as bulk:
            stored(online, b"k", b"v")
            online.ask(b"get k\r\n", hit(b"k", b"v"))
            assert tiers.is_hot(b"k")
            stored(bulk, b"cold", b"v")
            bulk.ask(b"get cold\r\n", hit(b"cold", b"v"))
            assert not tiers.is_hot(b"cold")
            bulk.ask(b"delete k\r\n", b"DELETED\r\n")
            online.ask(b"get k\r\n", b"END\r\n")


def test_it_ends_although_l1_is_silent():
    with ScriptedBackend(sets_cas=True) as l1, Memcached() as l2, Rend(apart(l1.server, l2.server), fields='drain_timeout = "100ms";') as rend:
        clients = [rend.client(which) for which in (ONLINE, BULK) for _ in range(5)]
        stored(clients[0], b"k", b"1")
        lock, waiting = threading.Lock(), []

        def misbehave(conn, request):
            if request.is_probe:
                return None
            with lock:
                waiting.append(request.verb)
            return SILENCE

        l1.misbehave = misbehave
        for c, question in zip(clients, (b"get k\r\n", b"set k 0 0 1\r\n1\r\n", b"delete k\r\n", b"flush_all\r\n", b"gat 9 k\r\n") * 2):
            c.say(question)
        wait_for("l1 to have all", lambda: len(waiting) >= 10)
        for c in clients:
            c.close()


if __name__ == "__main__":
    harness.main(1200)
