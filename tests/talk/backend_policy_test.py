#!/usr/bin/python3
"""Every fault that a backend can have, under every policy.

    listener  one      online         bulk           and each of them under `locked`
    policy    l1only   l1l2 ────────► l1l2batch
                 │        │  hot         │  (inmem)
              solo      all ─────────────┘
                 └── backend ──┘

TABLE has a row for each fault and says under which policies it is tested; NOT_TESTED says why the other cells are empty.  What a fault
does to one backend is looked at through all listeners at once.
"""
import re
import signal
import socket
import subprocess
import threading
import time

import harness
from backends import BUSY, DOWN, QUICK, SLOW, TIMEOUT, Bystander, stop
from harness import Client, Memcached, Rend, wait_for
from scripted_backend import SILENCE, ScriptedBackend

# A connection is made again soon, and has proved itself soon.
NIMBLE = 'request_timeout = "1h"; connect_timeout = "1h"; retry_min = "5ms"; retry_max = "20ms";'
PROVED_S = 0.15

NO_ROOM = b"SERVER_ERROR out of memory storing object\r\n"

# Policy: its listener.  Listener 1 has values in memory, which no fault may disturb.
POLICIES = {"l1only": 0, "l1l2": 2, "l1l2batch": 3, "locked over l1only": 4, "locked over l1l2": 5, "locked over l1l2batch": 6}
ALL = tuple(POLICIES)
TIERED = tuple(name for name in ALL if "l1l2" in name)


def over(server, backend=SLOW, tiers=""):
    """backend, tiers: what else the blocks of the backend and of policies over two tiers say."""
    back = f'plugin = "memcached"; servers = [ "{server}" ]; {backend}'
    return f"""
handlers = {{ solo = {{ {back} }}; all = {{ {back} }}; hot = {{ plugin = "inmem"; }}; mem = {{ plugin = "inmem"; }}; }};
policies = {{
    one = {{ plugin = "l1only"; l1 = "solo"; }};
    local = {{ plugin = "l1only"; l1 = "mem"; }};
    online = {{ plugin = "l1l2"; l1 = "hot"; l2 = "all"; {tiers} }};
    bulk = {{ plugin = "l1l2batch"; l1 = "hot"; l2 = "all"; {tiers} }};
    locked_one = {{ plugin = "locked"; over = "one"; }};
    locked_online = {{ plugin = "locked"; over = "online"; }};
    locked_bulk = {{ plugin = "locked"; over = "bulk"; }};
}};
listeners = (
    {{ port = 0; policy = "one"; }}, {{ port = 0; policy = "local"; }}, {{ port = 0; policy = "online"; }}, {{ port = 0; policy = "bulk"; }},
    {{ port = 0; policy = "locked_one"; }}, {{ port = 0; policy = "locked_online"; }}, {{ port = 0; policy = "locked_bulk"; }}
);
"""


def hit(key, value):
    return b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (key, len(value), value)


MISS = b"END\r\n"


class Seat:
    """A client of one policy, and keys that are its own: hot is in l1, if there is one; kept as well, and nobody writes to it; cold is not."""

    def __init__(self, rend, policy):
        self.policy = policy
        self.tiered = policy in TIERED
        self.client = rend.client(POLICIES[policy])
        tag = b"%d" % POLICIES[policy]
        self.hot, self.kept, self.cold = b"hot" + tag, b"kept" + tag, b"cold" + tag

    def keys(self):
        return self.hot, self.kept, self.cold

    def hears(self, question):
        """One answer, whole."""
        first = self.client.say(question).line() + b"\r\n"
        return first + self.client.until(MISS) if first.startswith(b"VALUE") else first

    def expects(self, question, *answers):
        heard = self.hears(question)
        assert heard in answers, f"{self.policy}: {question!r}: expected one of {answers!r}, heard {heard!r}"
        return heard

    def gets(self, key, *answers):
        return self.expects(b"get %s\r\n" % key, *answers)

    def sets(self, key, value, *answers):
        return self.expects(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value), *answers)


class World:
    """rend before a backend that has a fault; afterwards everybody is served again, and has one truth.

    direct: a function that gives a client of the backend itself, past rend."""

    def __init__(self, conf, direct, policies=ALL):
        self.rend = Rend(conf, workers=1)
        self.direct = direct
        self.policies = policies
        self.seats = []

    def __enter__(self):
        self.rend.__enter__()
        self.seats = [Seat(self.rend, policy) for policy in self.policies]
        self.bystander = Bystander(self.rend)
        self.bystander.__enter__()
        return self

    def __exit__(self, *why):
        try:
            self.bystander.__exit__(*why)
        finally:
            for seat in self.seats:
                seat.client.close()
            self.rend.__exit__(*why)

    def put(self):
        """Values for all seats: all at the backend, hot and kept also in l1."""
        with self.direct() as direct, self.rend.client(POLICIES["l1l2"]) as online:
            for seat in self.seats:
                for key in seat.keys():
                    direct.ask(b"set %s 0 0 3\r\nold\r\n" % key, b"STORED\r\n")
                for key in (seat.hot, seat.kept) if seat.tiered else ():
                    online.ask(b"get %s\r\n" % key, hit(key, b"old"))
        self.fds = self.rend.fds()

    def is_away(self, *errors):
        """The backend answers nothing: what l1 has is served, whatever needs the backend is told so, and a refused write leaves nothing old."""
        for seat in self.seats:
            seat.gets(seat.cold, *errors)
            if seat.tiered:
                seat.gets(seat.kept, hit(seat.kept, b"old"))
                seat.gets(seat.hot, hit(seat.hot, b"old"))
            seat.sets(seat.hot, b"new", *errors)
            # l1 does not know what the backend has by now.  Nor does the key stay locked.
            seat.gets(seat.hot, *errors)
            for question in (b"delete %s\r\n", b"incr %s 1\r\n", b"touch %s 100\r\n", b"gat 100 %s\r\n"):
                seat.expects(question % seat.cold, *errors)
        self.bystander.is_served()

    def is_back(self):
        """Served without a restart; every policy says what the backend says, and nothing has leaked."""
        with self.direct() as direct:
            for seat in self.seats:
                def same(key):
                    direct.say(b"get %s\r\n" % key)
                    truth = direct.until(MISS)
                    return seat.hears(b"get %s\r\n" % key) == truth

                wait_for(f"{seat.policy} to be served", lambda: seat.hears(b"set up 0 0 1\r\nx\r\n") == b"STORED\r\n")
                for key in (seat.hot, seat.cold):
                    # A write whose answer was lost may come late; then once more.
                    wait_for(f"{seat.policy} and the backend to agree on {key}", lambda: same(key))
                seat.sets(b"up", b"up", b"STORED\r\n")
                for other in self.seats:
                    if other.tiered == seat.tiered:
                        other.gets(b"up", hit(b"up", b"up"))
        self.bystander.is_served()
        if hasattr(self, "fds"):
            assert self.rend.fds() <= self.fds + 2, (self.fds, self.rend.fds())

    def number(self, name):
        """Of both nodes that lead to the backend."""
        nodes = self.rend.stats("nodes")
        return sum(int(nodes.get(f"{node}.{name}", 0)) for node in ("solo", "all"))

    def settles(self, seat):
        """Its connection has worked for so long that it may break without being suspected."""
        begun = time.monotonic()
        wait_for(f"{seat.policy} to be served for a while", lambda: seat.hears(b"touch up 100\r\n") in (b"TOUCHED\r\n", b"NOT_FOUND\r\n") and
                 time.monotonic() - begun > PROVED_S)

    def logged(self, pattern, most):
        """Named, and not once for each request."""
        wait_for(f"the log to say {pattern}", lambda: self.rend.said(pattern))
        lines = [line for line in list(self.rend.lines) if re.search(pattern, line)]
        assert len(lines) <= most, lines


def behind_memcached(m, **kw):
    return World(over(m.server, **kw), lambda: Client(m.path))


class Direct:
    """A client of a scripted backend, which understands no classic text: looks at its values instead."""

    def __init__(self, backend):
        self.backend = backend

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def ask(self, question, _answer):
        words = question.split()
        with self.backend.lock:
            self.backend._store(words[1].decode(), words[5], 0)

    def say(self, question):
        key = question.split()[1]
        with self.backend.lock:
            found = self.backend.values.get(key.decode())
        self.said = MISS if found is None else hit(key, found[0])

    def until(self, _end):
        return self.said


def behind_script(b, **kw):
    return World(over(b.server, **kw), lambda: Direct(b))


# ---- the rows ----


def absent_at_start():
    m = Memcached()
    try:
        with behind_memcached(m, backend=SLOW) as w:
            for seat in w.seats:
                seat.gets(seat.cold, DOWN)
                seat.sets(seat.hot, b"new", DOWN)
                seat.gets(seat.hot, DOWN)
            w.logged("backend unix:.* is down", 2)
            assert w.number("connect_errors") >= 2
            m.__enter__()
            w.is_back()
            w.logged("backend unix:.* is up", 2)
    finally:
        m.__exit__()


def killed():
    with Memcached() as m, behind_memcached(m, backend=SLOW) as w:
        w.put()
        m.end(signal.SIGKILL)
        w.is_away(DOWN)
        w.logged("backend unix:.* is down", 2)
        m.restart()
        w.is_back()
        assert w.number("downs") == 2


def dies_in_the_middle_of_an_answer():
    broken = {"on": False}

    def half(conn, request):
        if not broken["on"] or not request.key.startswith("cold"):
            return None
        conn.send(b"VA 3 f0 c1 t-1 O%s\r\nol" % (request.opaque or b"0"))
        conn.reset()
        return SILENCE

    with ScriptedBackend(half) as b, behind_script(b, backend=NIMBLE) as w:
        w.put()
        broken["on"] = True
        for seat in w.seats:
            # Asked once more, over a new connection, and then no more.
            w.settles(seat)
            asked = len(b.requests)
            seat.gets(seat.cold, DOWN)
            assert len(b.requests) == asked + 2, (seat.policy, [r.line for r in b.requests[asked:]])
            w.settles(seat)
            # What was asked behind it is answered in its order: by its own value, or not.
            seat.client.say(b"get %s\r\nget %s\r\nmn\r\n" % (seat.cold, seat.kept))
            assert seat.client.line() + b"\r\n" == DOWN
            rest = seat.client.until(b"MN\r\n")
            assert rest in (hit(seat.kept, b"old") + b"MN\r\n", DOWN + b"MN\r\n"), (seat.policy, rest)
            assert not seat.tiered or rest != DOWN + b"MN\r\n", seat.policy
        w.bystander.is_served()
        broken["on"] = False
        w.is_back()
        assert w.number("disconnects") >= len(w.seats)


def hangs():
    with Memcached() as m, behind_memcached(m, backend=QUICK) as w:
        w.put()
        stop(m)
        w.is_away(TIMEOUT, DOWN)
        wait_for("it to be taken for down", lambda: all(seat.hears(b"get %s\r\n" % seat.cold) == DOWN for seat in w.seats))
        m.send_signal(signal.SIGCONT)
        w.is_back()
        assert w.number("timeouts") >= 2 and w.number("downs") == 2
        w.logged("backend unix:.* is down", 2)


def takes_no_connections():
    full = socket.socket()
    full.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    port = full.getsockname()[1]
    fillers = []
    for _ in range(4):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(full.getsockname())
        fillers.append(s)
    backend = ScriptedBackend(port=port)
    try:
        with World(over(backend.server, QUICK), lambda: Direct(backend)) as w:
            for seat in w.seats:
                seat.gets(seat.cold, TIMEOUT, DOWN)
                seat.sets(seat.hot, b"new", TIMEOUT, DOWN)
                seat.gets(seat.hot, TIMEOUT, DOWN)
            assert w.number("connect_timeouts") >= 2
            w.logged("is down: Connection timed out", 2)
            for s in fillers:
                s.close()
            full.close()
            backend.__enter__()
            w.is_back()
    finally:
        for s in fillers:
            s.close()
        full.close()
        if backend.listener is not None:
            backend.__exit__()


def is_slow():
    go, held = threading.Event(), {"on": False}

    def hold(conn, request):
        if held["on"] and not request.is_probe:
            go.wait(harness.PATIENCE)
        return None

    with ScriptedBackend(hold) as b, behind_script(b, backend=SLOW + "queue = 5;") as w:
        w.put()
        held["on"] = True
        with w.rend.client(POLICIES["l1only"]) as one, w.rend.client(POLICIES["l1l2batch"]) as bulk:
            for waits in (one, bulk):
                waits.say(b"".join(b"get slow%d\r\n" % i for i in range(5)))
            wait_for("both queues to be full", lambda: w.number("in_flight") == 10)
            # Nobody waits behind a full queue.
            w.is_away(BUSY)
            assert w.number("refused") > 0
            go.set()
            for waits in (one, bulk):
                waits.hear(MISS * 5)
        w.is_back()


def closes_what_is_idle():
    with ScriptedBackend() as b, behind_script(b, backend=NIMBLE) as w:
        w.put()
        for seat in w.seats:
            node = "all" if seat.tiered else "solo"
            w.settles(seat)
            # A read is asked again at once, if it was on its way just then.
            b.cut()
            seat.gets(b"other" + seat.cold, MISS)
            # A write is not; but that the connection has gone is known before anybody asks.
            w.settles(seat)
            gone = int(w.rend.stats("nodes")[f"{node}.disconnects"])
            b.cut()
            wait_for("it to be noticed", lambda: int(w.rend.stats("nodes")[f"{node}.disconnects"]) > gone)
            seat.sets(seat.hot, b"new", b"STORED\r\n")
            seat.gets(seat.hot, hit(seat.hot, b"new"))
        w.is_back()
        assert w.number("downs") == 0


LIES = {
    "noise": lambda r: b"\x80\x01\x02\xff" * 8,
    "another's opaque": lambda r: b"VA 3 f0 c1 t-1 O%d\r\nold\r\n" % (int(r.opaque) + 1),
    "a length over all limits": lambda r: b"VA 4294967295 f0 c1 t-1 O%s\r\nold\r\n" % r.opaque,
    "a value without an end": lambda r: b"VA 3 f0 c1 t-1 O%s\r\nold and more\r\n" % r.opaque,
    "no client flags": lambda r: b"VA 3 c1 t-1 O%s\r\nold\r\n" % r.opaque,
}


def lies():
    lie = {"is": None}

    def misbehave(conn, request):
        return lie["is"](request) if lie["is"] is not None and request.key.startswith("cold") else None

    with ScriptedBackend(misbehave) as b, behind_script(b, backend=NIMBLE) as w:
        w.put()
        for answer in LIES.values():
            for seat in w.seats:
                lie["is"] = answer
                seat.gets(seat.cold, DOWN)
                if seat.tiered:
                    seat.gets(seat.kept, hit(seat.kept, b"old"))
                lie["is"] = None
                wait_for(f"{seat.policy} to be served", lambda: seat.hears(b"get %s\r\n" % seat.cold) == hit(seat.cold, b"old"))
                # The copy of the true value, if one was made, is no matter of the next lie.
                seat.expects(b"delete %s\r\n" % seat.cold, b"DELETED\r\n")
                w.direct().ask(b"set %s 0 0 3\r\nold\r\n" % seat.cold, b"")
        assert w.number("garbage") == len(LIES) * len(w.seats)
        w.logged("sent what cannot be an answer", len(LIES) * len(w.seats))
        w.is_back()


def has_no_room():
    full = {"on": False}

    def refuse(conn, request):
        return NO_ROOM if full["on"] and request.verb == "ms" else None

    with ScriptedBackend(refuse) as b, behind_script(b) as w:
        w.put()
        full["on"] = True
        for seat in w.seats:
            for key in (seat.hot, seat.cold):
                seat.sets(key, b"new", NO_ROOM)
                # What was refused is nowhere, and the connection is as good as before.
                seat.gets(key, hit(key, b"old"))
        full["on"] = False
        w.is_back()
        assert w.number("disconnects") == 0


def flaps():
    with ScriptedBackend() as b, behind_script(b, backend=NIMBLE) as w:
        w.put()
        for _ in range(10):
            for seat in w.seats:
                wait_for(f"{seat.policy} to be served", lambda: seat.hears(b"get %s\r\n" % seat.cold) == hit(seat.cold, b"old"))
                seat.client.say(b"get %s\r\n" % seat.cold + b"set %s 0 0 3\r\nnew\r\n" % seat.hot + b"get %s\r\n" % seat.kept)
            b.cut()
            for seat in w.seats:
                heard = [seat.hears(b"") for _ in range(3)]
                assert heard[0] in (hit(seat.cold, b"old"), DOWN, TIMEOUT), (seat.policy, heard)
                assert heard[1] in (b"STORED\r\n", DOWN, TIMEOUT), (seat.policy, heard)
                assert heard[2] in (hit(seat.kept, b"old"), DOWN, TIMEOUT), (seat.policy, heard)
                assert not seat.tiered or heard[2] == hit(seat.kept, b"old"), (seat.policy, heard)
        w.is_back()
        assert w.number("disconnects") >= 2 * 10


def comes_back_empty():
    with Memcached() as m, behind_memcached(m, backend=SLOW) as w:
        w.put()
        m.end(signal.SIGKILL)
        m.restart()
        for seat in w.seats:
            wait_for(f"{seat.policy} to be served", lambda: seat.hears(b"get %s\r\n" % seat.cold) == MISS)
            seat.gets(seat.kept, hit(seat.kept, b"old") if seat.tiered else MISS)
            # Nobody has lost sight of who is right.
            seat.sets(seat.kept, b"new", b"STORED\r\n")
            seat.gets(seat.kept, hit(seat.kept, b"new"))
            seat.sets(seat.hot, b"new", b"STORED\r\n")
        # Everybody asks for what is hot no longer: who has a tier to fill asks the backend once.
        with w.direct() as direct:
            for seat in w.seats:
                direct.ask(b"set %s 0 0 3\r\nbig\r\n" % seat.cold, b"STORED\r\n")
        for seat in w.seats:
            crowd = [w.rend.client(POLICIES[seat.policy]) for _ in range(20)]
            joined, flying = w.number("joined"), w.number("in_flight")
            stop(m)
            for one in crowd:
                one.say(b"get %s\r\n" % seat.cold)
            wait_for("all to wait", lambda: w.number("in_flight") == flying + 20)
            assert w.number("joined") == joined + (19 if seat.tiered else 0), seat.policy
            m.send_signal(signal.SIGCONT)
            for one in crowd:
                one.hear(hit(seat.cold, b"big"))
                one.close()
        w.is_back()


def second_tier_is_away_and_a_miss_will_do():
    with Memcached() as m, World(over(m.server, SLOW, 'read_failure = "miss";'), lambda: Client(m.path), TIERED) as w:
        w.put()
        m.end(signal.SIGKILL)
        for seat in w.seats:
            seat.gets(seat.cold, MISS)
            seat.gets(seat.kept, hit(seat.kept, b"old"))
            seat.gets(seat.hot, hit(seat.hot, b"old"))
            # That is for reads: a write that was not carried out is no success, and no miss.
            seat.sets(seat.hot, b"new", DOWN)
            seat.gets(seat.hot, MISS)
            for question in (b"delete %s\r\n", b"incr %s 1\r\n", b"touch %s 100\r\n"):
                seat.expects(question % seat.cold, DOWN)
        m.restart()
        w.is_back()


# Number and name of a fault: what tests it, and under which policies.
TABLE = {
    (1, "the backend is absent at the start"): (absent_at_start, ALL),
    (2, "it refuses after it has worked"): (killed, ALL),
    (3, "it dies in the middle of an answer"): (dies_in_the_middle_of_an_answer, ALL),
    (4, "it hangs"): (hangs, ALL),
    (5, "it takes no connections"): (takes_no_connections, ALL),
    (6, "it is slow"): (is_slow, ALL),
    (7, "it closes connections that are idle"): (closes_what_is_idle, ALL),
    (8, "it lies"): (lies, ALL),
    (9, "it has no room for a value"): (has_no_room, ALL),
    (10, "it comes and goes"): (flaps, ALL),
    (11, "it comes back empty"): (comes_back_empty, ALL),
    (12, "the second tier is away, and reads may miss"): (second_tier_is_away_and_a_miss_will_do, TIERED),
}

NO_SECOND = "there is no second tier: rows 1 to 11 are about the only one"
NOT_TESTED = {
    (12, "l1only"): NO_SECOND,
    (12, "locked over l1only"): NO_SECOND,
}

ROWS = 12


def test_every_cell_of_the_table_is_tested_or_explained():
    assert sorted(number for number, _ in TABLE) == list(range(1, ROWS + 1))
    # A policy that comes to rend comes here.
    said = subprocess.run([harness.REND, "--list-plugins", "-o", f"plugin_dir={harness.PLUGINS}"], capture_output=True, text=True, check=True)
    there = set(re.findall(r"  policy (\S+) .* ok$", said.stdout, re.M))
    assert there == {name for policy in ALL for name in policy.split(" over ")}, there
    for number in range(1, ROWS + 1):
        tested = next(policies for (row, _), (_, policies) in TABLE.items() if row == number)
        for policy in ALL:
            assert (policy in tested) != ((number, policy) in NOT_TESTED), f"row {number} under {policy}: tested, or explained?"


def run_row(number, name, test):
    def run():
        test()
    run.__name__ = f"test_{number}_{name.replace(' ', '_').replace(',', '')}"
    return run


# A test for each row, by its name.
for (_number, _name), (_test, _) in TABLE.items():
    _run = run_row(_number, _name, _test)
    globals()[_run.__name__] = _run

if __name__ == "__main__":
    harness.main()
