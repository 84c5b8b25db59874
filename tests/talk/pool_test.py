#!/usr/bin/python3
"""Several servers behind rend: keys are where a twemproxy looks for them, one server that is killed takes its keys with it and no others, and rends
behind a twemproxy are servers like any."""
import os
import shutil
import signal
import socket
import threading

import harness
from backends import DOWN, QUICK, TcpMemcached, said
from harness import Client, Memcached, Process, Rend, wait_for
from scripted_backend import SILENCE, ScriptedBackend

PATIENT = harness.PATIENT + ' retry_max = "200ms";'
NUTCRACKER = shutil.which("nutcracker", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin")


def pool(servers, more=""):
    listed = ", ".join(f'"{s}"' for s in servers)
    return f"""
handlers = {{ back = {{ plugin = "memcached"; servers = [ {listed} ]; {PATIENT} {more} }}; }};
policies = {{ main = {{ plugin = "l1only"; l1 = "back"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""


class Several:
    """with Several(TcpMemcached, 3) as servers: ..."""

    def __init__(self, kind, count, *args):
        self.all = [kind("-m", "16", *args) for _ in range(count)]

    def __enter__(self):
        for s in self.all:
            s.__enter__()
        return self.all

    def __exit__(self, *why):
        for s in self.all:
            s.__exit__(*why)


class Nutcracker(Process):
    """A twemproxy before these servers ("host:port:weight" and perhaps a name), on a unix socket."""

    def __init__(self, servers, hash_name, more=()):
        super().__init__(None)
        self.path = os.path.join(self.folder, "nutcracker.sock")
        with socket.socket() as s:  # it wants a port for its stats
            s.bind(("127.0.0.1", 0))
            stats = s.getsockname()[1]
        conf = os.path.join(self.folder, "nutcracker.yml")
        with open(conf, "w") as f:
            f.write("\n  ".join(["pool:", f"listen: {self.path} 0666", f"hash: {hash_name}", "distribution: ketama", "timeout: 5000", *more,
                                 "servers:", *(f" - {s}" for s in servers)]) + "\n")
        self.argv = [NUTCRACKER, "-c", conf, "-a", "127.0.0.1", "-s", str(stats)]

    def __enter__(self):
        self.start()
        wait_for("nutcracker to listen", self._up)
        return self

    def _up(self):
        assert self.alive(), self.tail()
        try:
            Client(self.path).close()
            return True
        except OSError:
            return False

    def client(self):
        return Client(self.path)

    def __exit__(self, *_):
        self.end(signal.SIGKILL)
        self.remove()


def key(i):
    return b"key-%d-%d" % (i, i * 7919 % 10007)


def fill(client, keys):
    for k in keys:
        client.ask(b"set %s 0 0 %d\r\n%s\r\n" % (k, len(k), k), b"STORED\r\n")


def hits(client, keys):
    """Those that are there; what is there is right."""
    found = set()
    for k in keys:
        answer = client.say(b"get %s\r\n" % k).line()
        if answer == b"END":
            continue
        assert answer == b"VALUE %s 0 %d" % (k, len(k)), (k, answer)
        client.hear(k + b"\r\nEND\r\n")
        found.add(k)
    return found


# ---- where keys are ----


def same_places(count, key_hash, weights=None, names=False, more="", nutcracker_more=()):
    keys = [key(i) for i in range(300)]
    with Several(TcpMemcached, count) as servers:
        listed, theirs = [], []
        for i, s in enumerate(servers):
            weight = weights[i] if weights else 1
            name = f"shard-{i}" if names else ""
            listed.append(f"{s.server} weight={weight}" + (f" name={name}" if name else ""))
            theirs.append(f"{s.server}:{weight}" + (f" {name}" if name else ""))
        with Rend(pool(listed, f'key_hash = "{key_hash}"; {more}')) as rend, Nutcracker(theirs, key_hash, nutcracker_more) as proxy:
            with rend.client() as ours, proxy.client() as other:
                fill(ours, keys)
                assert hits(other, keys) == set(keys), "what rend stored is not where twemproxy looks"
                ours.ask(b"flush_all\r\n", b"OK\r\n")
                assert hits(ours, keys) == set()
                for s in servers:
                    with Client(("127.0.0.1", int(s.server.split(":")[1]))) as c:
                        assert hits(c, keys) == set()
                fill(other, keys)
                assert hits(ours, keys) == set(keys), "what twemproxy stored is not where rend looks"
                for s in servers:
                    with Client(("127.0.0.1", int(s.server.split(":")[1]))) as c:
                        # The 15 bits of crc32 all lie before the first point.
                        assert len(hits(c, keys)) < len(keys) or key_hash == "crc32"


def test_keys_are_where_twemproxy_has_them():
    assert NUTCRACKER, "no nutcracker is installed (./dev packages)"
    for count, key_hash in ((2, "md5"), (3, "fnv1a_64"), (5, "one_at_a_time"), (4, "murmur"), (3, "jenkins"), (3, "hsieh"), (3, "crc16"), (3, "crc32")):
        same_places(count, key_hash)
    same_places(4, "fnv1a_64", weights=(1, 2, 3, 10))
    same_places(3, "md5", weights=(1, 5, 1), names=True)


def test_keys_with_a_tag_are_together():
    with Several(Memcached, 5) as servers:
        with Rend(pool([s.server for s in servers], 'hash_tag = "{}";')) as rend, rend.client() as c:
            for n in range(10):
                keys = [b"%d-{user%d}-%d" % (i, n, i) for i in range(10)]
                fill(c, keys)
                owners = [s for s in servers if hits(Client(s.path), keys)]
                assert len(owners) == 1, owners


def test_a_prefix_that_is_not_hashed():
    """A key is where libmemcached has it, which leaves the prefix out."""
    keys = [key(i) for i in range(40)]
    with Several(Memcached, 3, "-t", "1") as servers:
        with Rend(pool([s.server for s in servers], 'hash_skip = "p:";')) as rend, rend.client() as c:
            fill(c, keys + [b"p:"])
            bare = {k: s for s in servers for k in hits(Client(s.path), keys)}
            fill(c, [b"p:" + k for k in keys])
            found = {k[2:]: s for s in servers for k in hits(Client(s.path), [b"p:" + k for k in keys])}
            assert found == bare and len(set(bare.values())) > 1


def test_names_and_weights_that_cannot_be_are_refused():
    for servers, more, sentence in ((("h:1", "h:1"), "", "is there twice"), (("h:1 name=a", "h:2 name=a"), "", "another one is called a, too"),
                                    (("h:11211", "i:1 name=h"), "", "another one is called h, too"),
                                    (("i:1 name=h", "h:11211"), "", "another one is called h, too"),
                                    (("h:1 weight=0", "h:2"), "", "weight= is a number"),
                                    (("h:1 wait=3", "h:2"), "", "weight=NUMBER and name=NAME"), (("h:1 weight=2", "h:2"), 'hash = "ketama";', "no weights"),
                                    (("h:1", "h:2"), 'hash = "evcache";', "needs name="), (("h:1", "h:2"), 'hash_tag = "{";', "two characters"),
                                    (tuple(f"h:{i + 1}" for i in range(65)), "exclusive = true;", "servers: are 65; with exclusive there may be 64"),
                                    (("h:1", "h:2"), 'exclusive = true; failure_mode = "next";', "needs failure_mode"),
                                    (("h:1", "h"), "", "needs a port")):
        rend = Rend(pool(servers, more))
        rend.start()
        assert rend.child.wait(harness.PATIENCE) != 0, sentence
        rend.reader.join(harness.PATIENCE)
        assert rend.said(sentence), (sentence, rend.tail())
        rend.remove()


def test_evcaches_names():
    with Several(Memcached, 3) as servers:
        listed = [f"{s.server} name=host-{i}/10.0.0.{i}:11211" for i, s in enumerate(servers)]
        keys = [key(i) for i in range(200)]
        with Rend(pool(listed, 'hash = "evcache";')) as rend, rend.client() as c:
            fill(c, keys)
            assert hits(c, keys) == set(keys)
            assert all(10 < len(hits(Client(s.path), keys)) < 150 for s in servers)


# ---- a server that goes ----


def placed(servers, keys):
    owner = {}
    for s in servers:
        with Client(s.path) as c:
            for k in hits(c, keys):
                assert k not in owner, k
                owner[k] = s
    assert len(owner) == len(keys)
    return owner


def test_one_of_sixteen_is_killed_under_load():
    keys = [key(i) for i in range(400)]
    with Several(Memcached, 16, "-t", "1") as servers, Rend(pool([s.server for s in servers])) as rend:
        with rend.client() as c:
            fill(c, keys)
        owner = placed(servers, keys)
        victim = servers[7]
        over, faults, rounds = threading.Event(), [], [0, 0]

        def load(me):
            """All keys again and again, gets and sets; those of the others never fail."""
            try:
                with rend.client() as c:
                    while not over.is_set():
                        for k in keys:
                            answer = said(c, b"set %s 0 0 %d\r\n%s\r\n" % (k, len(k), k))
                            if answer == b"STORED\r\n":
                                answer = said(c, b"get %s\r\n" % k)
                                if answer.startswith(b"VALUE"):
                                    c.hear(k + b"\r\nEND\r\n")
                                    continue
                            assert owner[k] is victim, (k, answer)
                            assert answer.startswith(b"SERVER_ERROR") or answer == b"END\r\n", (k, answer)
                        rounds[me] += 1
            except (AssertionError, OSError) as e:
                faults.append(e)

        threads = [threading.Thread(target=load, args=(me,), daemon=True) for me in range(2)]
        for t in threads:
            t.start()
        further = lambda: faults or min(rounds) >= base + 2  # noqa: E731
        base = 0
        wait_for("load", further)
        victim.end(signal.SIGKILL)
        base = max(rounds)
        wait_for("load while it is away", further)
        with rend.client() as c:
            mine = [k for k in keys if owner[k] is victim]
            assert mine and all(said(c, b"get %s\r\n" % k) == DOWN for k in mine)
            assert int(rend.stats("nodes")["back.servers_up"]) == 15
            victim.restart()
            wait_for("it to be asked again", lambda: said(c, b"set %s 0 0 1\r\nx\r\n" % mine[0]) == b"STORED\r\n")
            wait_for("all that say it is up", lambda: int(rend.stats("nodes")["back.servers_up"]) == 16)
            base = max(rounds)
            wait_for("load when it is back", further)
        over.set()
        for t in threads:
            t.join(harness.PATIENCE)
        assert not faults, faults
        with rend.client() as c:
            fill(c, keys)
            assert hits(c, keys) == set(keys)
        assert placed(servers, keys) == owner


def away(mode):
    """What is answered for keys of a server that is down."""
    keys = [key(i) for i in range(120)]
    with Several(Memcached, 4, "-t", "1") as servers, Rend(pool([s.server for s in servers], f'failure_mode = "{mode}";'), workers=1) as rend:
        with rend.client() as c:
            fill(c, keys)
            owner = placed(servers, keys)
            mine, others = ([k for k in keys if (owner[k] is servers[2]) == is_mine] for is_mine in (True, False))
            servers[2].end(signal.SIGKILL)
            down = DOWN if mode == "error" else b"END\r\n"
            wait_for("it to be taken for down", lambda: said(c, b"get %s\r\n" % mine[0]) == down)
            yield c, mine, others
            assert hits(c, others) == set(others)
            servers[2].restart()
            wait_for("it to be back", lambda: int(rend.stats("nodes")["back.servers_up"]) == 4)
            fill(c, keys)
            assert placed(servers[2:3], mine).keys() == set(mine)


def test_errors_for_what_is_down():
    for c, mine, others in away("error"):
        for k in mine:
            c.ask(b"get %s\r\n" % k, DOWN)
            c.ask(b"set %s 0 0 1\r\nx\r\n" % k, DOWN)
        c.ask(b"flush_all\r\n", DOWN)
        fill(c, others)


def test_misses_for_what_is_down():
    for c, mine, others in away("miss"):
        assert hits(c, mine) == set()
        for k in mine:
            c.ask(b"set %s 0 0 1\r\nx\r\n" % k, DOWN)
            c.ask(b"delete %s\r\n" % k, DOWN)


def test_another_one_for_what_is_down():
    for c, mine, others in away("next"):
        fill(c, mine)
        assert hits(c, mine) == set(mine)
        c.ask(b"delete %s\r\n" % mine[0], b"DELETED\r\n")
        assert hits(c, mine) == set(mine[1:])


def test_one_link_of_a_server_is_away():
    """As when one thread of a memcached hangs: what becomes of the keys that go over it is failure_mode's to say, too."""
    keys = [key(i) for i in range(60)]
    for mode in ("miss", "next"):
        way, well = {}, []

        def misbehave(conn, request):
            if request.is_probe:
                return None if not well or conn in well else SILENCE
            way[request.key.encode()] = conn
            return None

        with ScriptedBackend(misbehave) as a, ScriptedBackend() as b:
            conf = pool([a.server, b.server], f'failure_mode = "{mode}"; links = 2;').replace(PATIENT, QUICK)
            with Rend(conf, workers=1) as rend, rend.client() as c:
                wait_for("all links", lambda: number(rend, "back.links_up") == 4)
                fill(c, keys)
                first = way[min(way)]
                mine = [k for k in keys if way.get(k) is first]
                others = [k for k in keys if k not in mine]
                assert mine and set(way.values()) > {first}
                well.extend(conn for conn in a.connections if conn is not first)
                first.close()
                wait_for("the link to be down", lambda: said(c, b"get %s\r\n" % mine[0]) == b"END\r\n")
                assert hits(c, keys) == set(others)
                for k in mine:
                    c.ask(b"set %s 0 0 %d\r\n%s\r\n" % (k, len(k), k), DOWN if mode == "miss" else b"STORED\r\n")
                assert hits(c, keys) == set(others if mode == "miss" else keys)


def test_a_first_tier_of_several_needs_errors():
    """A copy that could not be dropped would be there again when its server is."""
    with Several(Memcached, 3) as servers:
        conf = f"""
handlers = {{ hot = {{ plugin = "memcached"; servers = [ "{servers[0].server}", "{servers[1].server}" ]; failure_mode = "%s"; {PATIENT} }};
             all = {{ plugin = "memcached"; servers = [ "{servers[2].server}" ]; {PATIENT} }}; }};
policies = {{ main = {{ plugin = "l1l2"; l1 = "hot"; l2 = "all"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""
        for mode in ("miss", "next"):
            rend = Rend(conf % mode)
            rend.start()
            assert rend.child.wait(harness.PATIENCE) != 0
            rend.reader.join(harness.PATIENCE)
            assert rend.said("cannot keep copies"), rend.tail()
            rend.remove()
        with Rend(conf % "error") as rend, rend.client() as c:
            keys = [key(i) for i in range(50)]
            fill(c, keys)
            assert hits(c, keys) == hits(c, keys) == set(keys)
            with Client(servers[0].path) as a, Client(servers[1].path) as b:
                assert hits(a, keys) and hits(b, keys)


# ---- a first tier of several, of which one is away ----

AWAY_TOO_LONG = 4097  # what is in doubt when all keys of one server are


def tier(servers, l2, policy="", hot="", timeout="60s"):
    listed = ", ".join(f'"{s.server}"' for s in servers)
    return f"""
handlers = {{ hot = {{ plugin = "memcached"; servers = [ {listed} ]; request_timeout = "{timeout}"; connect_timeout = "60s"; retry_max = "200ms"; {hot} }};
             all = {{ plugin = "memcached"; servers = [ "{l2.server}" ]; {PATIENT} }}; }};
policies = {{ main = {{ plugin = "l1l2"; l1 = "hot"; l2 = "all"; {policy} }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""


def number(rend, name):
    return int(rend.stats("nodes")[name])


def of(server, name):
    with Client(server.path) as c:
        return int(c.stats()[name])


def put(client, keys, value):
    for k in keys:
        client.ask(b"set %s 0 0 %d\r\n%s\r\n" % (k, len(value), value), b"STORED\r\n")


def got(client, keys, value):
    for k in keys:
        client.ask(b"get %s\r\n" % k, b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (k, len(value), value))


def answered_by_l1(rend):
    return int(rend.stats("policy")["main.get.l1.yes"])


def hot_there(rend, client, servers, keys, value):
    """They come to these servers, and are answered from there."""
    def all_hot():
        got(client, keys, value)
        return sum(len(hot(s, keys)) for s in servers) == len(keys)

    wait_for("them to be hot", all_hot)
    before = answered_by_l1(rend)
    got(client, keys, value)
    assert answered_by_l1(rend) == before + len(keys)


def hot(server, keys):
    """Those of which it has a copy, not an empty item that somebody has left."""
    with Client(server.path) as c:
        words = {k: c.say(b"mg %s f\r\n" % k).line().split() for k in keys}
    return {k for k in keys if words[k][0] == b"HD" and b"W" not in words[k] and b"Z" not in words[k]}


def ticks(rend):
    """A second and more passes by rend's clock, as long as so many pauses are."""
    tries = number(rend, "hot.connect_errors") + 25
    wait_for("it to be tried again and again", lambda: number(rend, "hot.connect_errors") >= tries)


def test_copies_are_hits_while_one_server_of_theirs_is_away():
    """It is stopped, so it comes back with old values.  Writes go on meanwhile, also a flush_all, which it does not hear."""
    keys = [key(i) for i in range(60)]
    with Several(Memcached, 3, "-t", "1") as servers, Memcached("-t", "1") as all_:
        conf = tier(servers, all_, 'when_l1_away = "go_on"; l1_max_ttl = "1000s";', "max_timeouts = 3;", timeout="2s")
        with Rend(conf, workers=1) as rend, rend.client() as c:
            put(c, keys, b"old")
            hot_there(rend, c, servers, keys, b"old")
            owner = {k: s for s in servers for k in hot(s, keys)}
            victim = servers[1]
            others = [k for k in keys if owner[k] is not victim]
            well = [s for s in servers if s is not victim]
            mine = [k for k in keys if owner[k] is victim]
            assert mine and others
            victim.send_signal(signal.SIGSTOP)

            def known():
                got(c, mine[:1], b"old")
                return rend.said("hot: backend .* is down")

            wait_for("it to be known", known)
            c.ask(b"flush_all\r\n", b"OK\r\n")
            wait_for("the others to be believed again", lambda: AWAY_TOO_LONG <= number(rend, "hot.in_doubt") < 2 * AWAY_TOO_LONG)
            put(c, keys, b"new")
            hot_there(rend, c, well, others, b"new")
            got(c, mine, b"new")
            victim.send_signal(signal.SIGCONT)
            got(c, keys, b"new")
            wait_for("it to be believed", lambda: number(rend, "hot.in_doubt") == 0)
            got(c, keys, b"new")
            hot_there(rend, c, servers, keys, b"new")


def test_what_cannot_be_said_to_a_server_is_not_done_in_the_second_tier():
    keys = [key(i) for i in range(60)]
    for policy in ("", 'when_l1_away = "l2";', 'publish = true;'):
        with Several(Memcached, 3, "-t", "1") as servers, Memcached("-t", "1") as all_, Client(all_.path) as direct:
            with Rend(tier(servers, all_, policy), workers=1) as rend, rend.client() as c:
                put(c, keys, b"1")
                hot_there(rend, c, servers, keys, b"1")
                victim = servers[1]
                mine = sorted(hot(victim, keys))
                others = sorted(set(keys) - set(mine))
                assert mine and others
                victim.end(signal.SIGKILL)
                wait_for("it to be known", lambda: rend.said("hot: backend .* is down"))
                for _ in range(10):
                    c.ask(b"incr %s 1\r\n" % mine[0], DOWN)
                for change in (b"set %s 0 0 1\r\n9\r\n", b"delete %s\r\n", b"touch %s 0\r\n", b"append %s 0 0 1\r\n9\r\n"):
                    c.ask(change % mine[0], DOWN)
                c.ask(b"flush_all\r\n", DOWN)
                got(direct, keys, b"1")
                for k in others[:10]:
                    c.ask(b"incr %s 1\r\n" % k, b"2\r\n")
                got(c, others[:10], b"2")
                got(c, others[10:], b"1")
                if "l2" in policy:
                    got(c, mine, b"1")
                else:
                    c.ask(b"get %s\r\n" % mine[0], DOWN)
                victim.restart()
                wait_for("it to be asked again", lambda: said(c, b"incr %s 1\r\n" % mine[0]) != DOWN)
                assert direct.say(b"get %s\r\n" % mine[0]).until(b"END\r\n").endswith(b"\r\n2\r\nEND\r\n")
                got(c, mine[:1], b"2")


def test_only_who_is_back_is_flushed():
    keys = [key(i) for i in range(60)]
    with Several(Memcached, 3, "-t", "1") as servers, Memcached("-t", "1") as all_:
        victim, well = servers[1], [servers[0], servers[2]]
        victim.end(signal.SIGKILL)
        with Rend(tier(servers, all_, hot="exclusive = true;"), workers=1) as rend, rend.client() as c:
            # All was in doubt, because it began.
            wait_for("the others to be believed", lambda: number(rend, "hot.in_doubt") == AWAY_TOO_LONG)
            put(c, keys, b"1")
            got(c, keys, b"1")
            others = [k for s in well for k in hot(s, keys)]
            assert others
            hot_there(rend, c, well, others, b"1")
            flushes = [of(s, "cmd_flush") for s in well]
            ticks(rend)
            assert [of(s, "cmd_flush") for s in well] == flushes == [1, 1]
            assert number(rend, "hot.in_doubt") == AWAY_TOO_LONG
            victim.restart()
            wait_for("it to be believed", lambda: number(rend, "hot.in_doubt") == 0)
            hot_there(rend, c, servers, keys, b"1")
            assert [of(s, "cmd_flush") for s in servers] == [1, 1, 1]


# ---- behind a proxy ----


def test_three_rends_behind_a_twemproxy():
    assert NUTCRACKER, "no nutcracker is installed (./dev packages)"
    keys = [key(i) for i in range(300)]
    with Rend() as a, Rend() as b, Rend() as c:
        rends = [a, b, c]
        with Nutcracker([f"127.0.0.1:{r.port}:1" for r in rends], "fnv1a_64", ("auto_eject_hosts: false",)) as proxy, proxy.client() as client:
            fill(client, keys)
            assert hits(client, keys) == set(keys)
            counts = []
            for r in rends:
                with r.client() as direct:
                    counts.append(len(hits(direct, keys)))
            assert sum(counts) == len(keys) and min(counts) > 30, counts
            client.say(b"get " + b" ".join(keys[:50]) + b"\r\n")
            answer = client.until(b"END\r\n")
            assert all(b"VALUE %s 0 %d\r\n%s\r\n" % (k, len(k), k) in answer for k in keys[:50])
            client.ask(b"gets nothing\r\n", b"END\r\n")
            client.ask(b"set n 3 0 2\r\n41\r\n", b"STORED\r\n")
            client.ask(b"incr n 1\r\n", b"42\r\n")
            client.ask(b"append n 0 0 1\r\n0\r\n", b"STORED\r\n")
            client.ask(b"get n\r\n", b"VALUE n 3 3\r\n420\r\nEND\r\n")
            client.ask(b"touch n 100\r\n", b"TOUCHED\r\n")
            client.ask(b"delete n\r\n", b"DELETED\r\n")


if __name__ == "__main__":
    harness.main()
