#!/usr/bin/python3
"""rend over a disk is killed with SIGKILL under load and started again on the same folder, again and again; what is found then is what
plugins/ssd/README.md promises.

	clients ── set, cas, delete, touch, get ──► rend ──► ssd		each key is changed by one client, and what it was answered is noted
	   └─ flush_age: all that was answered before then is on the disk		│
	                                                    SIGKILL, start ◄─────┘		each key is asked for

Of each key this is right: a state that it had at some moment since the last flush that is known of; a value that is its own, bit for bit, with its
exptime and its version.  Versions are unique, and rise from life to life.  A cache may lose a value, so misses are only counted; they are few,
since clients store faster than segments are freed.

With REND_TEST_LONG=1 there are 200 lives of each set-up.
"""
import collections
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from check_test import variant  # noqa: E402
from loading import Load, harness, load, wait_for  # noqa: E402

FSCK = os.path.join(os.path.dirname(harness.REND), "rend-fsck")
SLOW = harness.sanitized()

CLIENTS = 3
KEYS = 150  # of each client
BATCH = 12  # requests that a client says at once; it says the next ones before it hears the answers

HOUR, DAY = 3600, 86400
NEVER, ALWAYS = float("inf"), float("-inf")


# ---- values ----

PATTERN = random.Random(7).randbytes(3 << 20)
LARGEST = 2 << 20


def value(key, n, size):
    """Version n of a key's value: it says so, and the rest follows from that."""
    begin = (zlib.crc32(key) + n * 7919) % (len(PATTERN) - LARGEST)
    body = PATTERN[begin:begin + size]
    return b"%s %d %d %08x\n%s" % (key, n, size, zlib.crc32(body), body)


def version(key, data):
    """Which version this is; None: it is no value of this key."""
    words = data.split(b"\n", 1)[0].split(b" ")
    if len(words) != 4 or words[0] != key:
        return None
    n, size = int(words[1]), int(words[2])
    return n if size <= LARGEST and data == value(key, n, size) else None


# ---- what a key was ----

class Wrong(AssertionError):
    pass


# What was done, when it was said and answered (NEVER: it was not), and what the key may be afterwards: versions with their exptimes, None for nothing.
# states are known when the answer is.
Moment = collections.namedtuple("Moment", "said answered states what")


class Request:
    """One of a client's."""

    def __init__(self, verb, key, n=0, exptime=0, cas=0):
        self.verb, self.key, self.n, self.exptime, self.cas = verb, key, n, exptime, cas
        self.said = 0

    def bytes(self, size):
        name = self.key.name
        if self.verb in ("set", "cas"):
            data = value(name, self.n, size)
            cas = b" C%d" % self.cas if self.verb == "cas" else b""
            return b"ms %s %d T%d c%s\r\n%s\r\n" % (name, len(data), self.exptime, cas, data)
        if self.verb == "get":
            return b"mg %s v c t\r\n" % name
        if self.verb == "delete":
            return b"md %s\r\n" % name
        return b"touch %s %d\r\n" % (name, self.exptime)

    def success(self, before):
        """What the key is if this was done."""
        if self.verb in ("set", "cas"):
            return {(self.n, self.exptime)}
        if self.verb == "delete":
            return {None}
        if self.verb == "touch":
            return {state and (state[0], self.exptime) for state in before}
        return before

    def __str__(self):
        return f"{self.verb} {self.n} until {self.exptime}"


class Key:
    def __init__(self, name):
        self.name = name
        self.n = 0
        self.versions = {}  # n: cas
        self.flying = 0
        self.begin({None})

    def begin(self, states):
        """A new life, in which it is one of these."""
        self.moments = [Moment(ALWAYS, ALWAYS, states, "as it was found")]
        self.unanswered = []
        newest = max((state[0] for state in states if state), default=0)
        self.versions = {n: cas for n, cas in self.versions.items() if n >= newest}

    def now(self):
        return self.moments[-1].states

    def becomes(self, request, states):
        self.moments.append(Moment(request.said, time.monotonic(), states, str(request)))

    def may_be(self, flushed):
        """All that it may be if whatever was answered before then has happened."""
        first = max(i for i, m in enumerate(self.moments) if m.answered <= flushed)
        may = set().union(*(m.states for m in self.moments[first:]))
        states = self.now()
        for request in self.unanswered:
            states = request.success(states)
            may |= states
        return may

    def story(self):
        return "".join(f"\n    {m.said:.6f} to {m.answered:.6f}: {m.what}: {m.states}" for m in self.moments[-12:]) + "".join(
            f"\n    {r.said:.6f}: {r}, not answered" for r in self.unanswered)


def same(state, n, exptime):
    """rend tells how many seconds are left, and it is noted some time later.  Different times lie 20 apart."""
    if state is None or state[0] != n:
        return False
    return state[1] == exptime if 0 in (state[1], exptime) else abs(state[1] - exptime) <= 9


def one_of(states, n, exptime):
    return next((state for state in states if same(state, n, exptime)), None)


class Versions:
    """All cas numbers there ever were."""

    def __init__(self):
        self.of = {}
        self.floor = self.highest = 0

    def learn(self, key, n, cas, new):
        whose = self.of.setdefault(cas, (key.name, n))
        if whose != (key.name, n):
            raise Wrong(f"cas {cas} is of {key.name} {n}, and of {whose}")
        if key.versions.setdefault(n, cas) != cas:
            raise Wrong(f"{key.name} {n} has cas {cas}, and had {key.versions[n]}")
        if new and cas <= self.floor:
            raise Wrong(f"{key.name} {n}: cas {cas} is not above {self.floor}, which there was before the crash")
        self.highest = max(self.highest, cas)


# ---- clients ----

class Stream:
    """A connection: lines and values that come."""

    def __init__(self, address):
        self.client = harness.Client(address)
        self.file = self.client.sock.makefile("rb")

    def say(self, data):
        self.client.sock.sendall(data)

    def line(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed")
        return line[:-2]

    def body(self, size):
        data = self.file.read(size + 2)
        if len(data) != size + 2:
            raise ConnectionError("closed")
        return data[:-2]

    def close(self):
        self.file.close()
        self.client.close()

    def got(self):
        """What an mg is answered: None, or version's bytes, cas, exptime."""
        line = self.line()
        if line == b"EN":
            return None
        words = line.split()
        if words[0] != b"VA":
            raise Refused(line)
        data = self.body(int(words[1]))
        flags = {word[:1]: int(word[1:]) for word in words[2:]}
        return data, flags[b"c"], 0 if flags[b"t"] == -1 else int(time.time()) + flags[b"t"]


class Refused(Exception):
    """The server could not."""


class Writer(threading.Thread):
    """A client; its keys are nobody else's."""

    def __init__(self, address, keys, versions, lock, seed):
        super().__init__(daemon=True)
        self.address, self.keys, self.versions, self.lock = address, keys, versions, lock
        self.dice = random.Random(seed)
        self.answered = self.refused = self.missed = 0
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.parked = threading.Event()
        self.error = None

    def run(self):
        stream, flying = None, collections.deque()
        try:
            stream = Stream(self.address)
            while True:
                while self.goes_on.is_set() or flying:
                    if self.goes_on.is_set():
                        flying.append(collections.deque(self.request() for _ in range(BATCH)))
                        self.say(stream, flying[-1])
                    if len(flying) > 1 or not self.goes_on.is_set():
                        self.hear(stream, flying[0])
                        flying.popleft()
                self.parked.set()
                self.goes_on.wait()
        except (ConnectionError, OSError):
            pass
        except BaseException as e:
            self.error = e
        finally:
            for batch in flying:
                for request in batch:
                    request.key.unanswered.append(request)
            if stream is not None:
                stream.close()
            self.parked.set()

    def say(self, stream, batch):
        said = time.monotonic()
        for request in batch:
            request.said = said
        stream.say(b"".join(request.bytes(self.size()) for request in batch))

    def size(self):
        """Some are larger than a segment."""
        if self.dice.random() < 0.001:
            return self.dice.randrange(400_000, 1_800_000)
        return self.dice.choice((20, 200, 200, 1000, 1000, 3000, 3000, 9000 if self.dice.random() < 0.9 else 60000))

    def exptime(self):
        """Of every stream, and so far apart that each is its own."""
        now = int(time.time())
        return self.dice.choice((0, 0, 0, now + 900 + 20 * self.dice.randrange(100), now + 5000 + 20 * self.dice.randrange(3000),
                                 now + 2 * DAY + 20 * self.dice.randrange(10000)))

    def request(self):
        key = self.dice.choice(self.keys)
        verb = self.dice.choices(("set", "cas", "delete", "touch", "get"), (10, 2, 4, 3, 4))[0]
        known = [state for state in key.now() if state] if len(key.now()) == 1 and key.flying == 0 else []
        if verb == "cas" and not (known and known[0][0] in key.versions):
            verb = "set"
        key.flying += 1
        cas = key.versions[known[0][0]] if verb == "cas" else 0
        if verb in ("set", "cas"):
            key.n += 1
        return Request(verb, key, key.n, self.exptime(), cas)

    def hear(self, stream, batch):
        while batch:
            self.answer(stream, batch[0])
            batch[0].key.flying -= 1
            batch.popleft()
            self.answered += 1

    def answer(self, stream, request):
        key, before = request.key, request.key.now()
        try:
            if request.verb == "get":
                self.see(request, stream.got())
                return
            line = stream.line()
            if line.startswith((b"SERVER_ERROR", b"NS")):
                raise Refused(line)
        except Refused:
            self.refused += 1
            key.becomes(request, before | request.success(before) | {None})
            return
        if line.split()[0] in (b"NF", b"NOT_FOUND"):
            self.missed += None not in before
            key.becomes(request, {None} if request.verb == "delete" else before | {None})
            return
        if line not in (b"TOUCHED", b"HD") and not line.startswith(b"HD c"):
            raise Wrong(f"{key.name}: {request} was answered {line}: {key.story()}")
        if request.verb not in ("set",) and before == {None}:
            raise Wrong(f"{key.name}: {request} was answered {line}, but there is nothing: {key.story()}")
        if request.verb in ("set", "cas"):
            with self.lock:
                self.versions.learn(key, request.n, int(line[4:]), new=True)
        key.becomes(request, {state for state in request.success(before) if state} if request.verb == "touch" else request.success(before))

    def see(self, request, got):
        key, before = request.key, request.key.now()
        if got is None:
            self.missed += None not in before
            key.becomes(request, before | {None})
            return
        data, cas, exptime = got
        state = one_of(before, version(key.name, data), exptime)
        if state is None:
            raise Wrong(f"{key.name}: a get found {data[:60]} until {exptime}: {key.story()}")
        with self.lock:
            self.versions.learn(key, state[0], cas, new=False)
        key.becomes(request, {state})


# ---- lives ----

def one_tier(path, how):
    return f"""
handlers = {{ disk = {{ plugin = "ssd"; path = "{path}"; size = "32MiB"; segment = "1MiB"; timeout = "20s"; objects = 20000; {how} }}; }};
policies = {{ main = {{ plugin = "l1only"; l1 = "disk"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""


def two_tiers(path, how):
    """Little memory, and small segments that are freed all the time."""
    return f"""
handlers = {{
    mem = {{ plugin = "inmem"; memory = "1MiB"; }};
    disk = {{ plugin = "ssd"; path = "{path}"; size = "12MiB"; segment = "512KiB"; timeout = "20s"; objects = 20000; {how} }};
}};
policies = {{ online = {{ plugin = "l1l2"; l1 = "mem"; l2 = "disk"; }}; bulk = {{ plugin = "l1l2batch"; l1 = "mem"; l2 = "disk"; }}; }};
listeners = ( {{ port = 0; policy = "online"; }}, {{ port = 0; policy = "bulk"; }} );
"""


class Lives:
    """One folder, and what was in it from life to life."""

    def __init__(self, conf, seed, noise=False):
        self.path = os.path.join(tempfile.mkdtemp(dir=os.environ.get("TMPDIR")), "disk")
        self.conf, self.noise, self.dice = conf, noise, random.Random(seed)
        self.clients = [[Key(b"key%d.%d" % (c, k)) for k in range(KEYS)] for c in range(CLIENTS)]
        self.versions, self.lock = Versions(), threading.Lock()
        self.flushed, self.flush, self.kills = NEVER, None, 0
        self.counts = collections.Counter()
        self.longest = 0

    def keys(self):
        return [key for keys in self.clients for key in keys]

    def look(self, rend):
        """What is there now, held against what may be."""
        stream = Stream(rend.address())
        for key in self.keys():
            stream.say(b"mg %s v c t\r\n" % key.name)
            got, may = stream.got(), key.may_be(self.flushed)
            if self.flush is not None:
                may |= {None}
            if got is None:
                self.counts["missed"] += None not in may
                key.begin({None} | may if None not in may else {None})
                continue
            data, cas, exptime = got
            n = version(key.name, data)
            state = one_of(may, n, exptime)
            if n is None:
                raise Wrong(f"{key.name} has {len(data)} bytes that nobody stored: {data[:60]}")
            if state is None:
                raise Wrong(f"{key.name} has version {n} until {exptime}, flushed was {self.flushed:.6f}: {key.story()}")
            self.versions.learn(key, n, cas, new=False)
            self.counts["found"] += 1
            self.counts["certain"] += len(may) == 1 and key.moments[-1].said > ALWAYS
            self.counts["undone"] += state not in key.now()
            key.begin({state})
            key.n = max(key.n, n)
        stream.close()
        self.versions.floor = self.versions.highest
        self.flush = None
        if self.noise:
            run = load("run", rend, "-n", 2000, "--keys", 3000, "--set-share", "0", "--size", "100-3000", "--prefix", "noise.")
            self.counts["noise found"] += run.json["hits"]

    def flushes(self, rend):
        """What was answered before this moment is on the disk."""
        asked = time.monotonic()
        self.flushed = max(self.flushed, asked - int(rend.stats("node disk")["disk.flush_age"]) / 1e6)
        return self.flushed

    def until(self, what, rend, writers, condition):
        def holds():
            for w in writers:
                if w.error is not None:
                    raise w.error
            self.flushes(rend)
            return condition()

        wait_for(what, holds)

    def flush_all(self, rend, writers, hear):
        """While nobody writes; without the answer it may have happened or not."""
        for w in writers:
            w.goes_on.clear()
        self.until("clients to wait", rend, writers, lambda: all(w.parked.is_set() for w in writers))
        stream = Stream(rend.address())
        said = time.monotonic()
        stream.say(b"flush_all\r\n")
        if not hear:
            self.flush = said
            return
        assert stream.line() == b"OK"
        stream.close()
        for key in self.keys():
            key.moments.append(Moment(said, time.monotonic(), {None}, "flush_all"))
        self.counts["flushes"] += 1
        for w in writers:
            w.parked.clear()
            w.goes_on.set()

    def load(self, rend, freed):
        """Clients store until it is killed; freed: not before segments were freed."""
        writers = [Writer(rend.address(i % rend.conf_listeners()), keys, self.versions, self.lock, self.dice.random())
                   for i, keys in enumerate(self.clients)]
        self.flushed = ALWAYS
        for key in self.keys():
            key.flying = 0
        for w in writers:
            w.start()

        def answered():
            return sum(w.answered for w in writers)

        def more(n):
            goal = answered() + (n // 4 if SLOW else n)
            self.until("load", rend, writers, lambda: answered() >= goal)

        more(self.dice.randrange(500, 5000))
        if self.dice.random() < 0.2:
            self.flush_all(rend, writers, hear=True)
            more(self.dice.randrange(1, 1000))
        begun = time.monotonic()
        self.until("a flush", rend, writers, lambda: self.flushed > begun)
        if freed:
            self.until("segments to be freed", rend, writers, lambda: int(rend.stats("node disk").get("disk.freed_segments", 0)) > 0)
        more(self.dice.randrange(1, 1000))
        if self.dice.random() < 0.1:
            self.flush_all(rend, writers, hear=False)
        stats = rend.stats("node disk")
        self.longest = max(self.longest, time.monotonic() - self.flushed)
        rend.kill()
        for w in writers:
            w.goes_on.set()
            w.join(harness.PATIENCE)
            if w.error is not None:
                raise w.error
        # Told once a second, so of short lives they are not known.
        for name in ("evictions", "moves", "freed_segments", "check_errors", "read_errors"):
            self.counts[name] += int(stats.get("disk." + name, 0))
        self.counts["answered"] += answered()
        self.counts["refused"] += sum(w.refused for w in writers)
        self.counts["missed in life"] += sum(w.missed for w in writers)
        flying = sum(r.verb != "get" for key in self.keys() for r in key.unanswered) + (self.flush is not None)
        assert flying > 0, "nothing was under way when it was killed"
        self.counts["not answered"] += flying

    def how(self):
        """What may be another each time."""
        return "".join(f'{name} = {self.dice.choice(values)}; ' for name, values in (
            ("engine", ('"auto"', '"threads"')), ("flush", ('"1ms"', '"10ms"', '"50ms"')), ("sync", ('"seal"', '"seal"', '"flush"', '"none"')),
            ("reinsert", ("0", "30", "80"))))

    def rend(self):
        return harness.Rend(self.conf(self.path, self.how()), fields='item_size_max = "4MiB";')

    def life(self, freed=False):
        with self.rend() as rend:
            if self.kills > 0:
                assert rend.said("rebuilt"), rend.tail()
            self.look(rend)
            if not self.noise:
                self.load(rend, freed)
            else:
                with Load("run", rend, "--rate", 500 if SLOW else 4000, "--seconds", 600, "--keys", 3000, "--set-share", "90%", "--size",
                          "100-3000", "--prefix", "noise.", "--may-lose", "--may-fail") as run:
                    # Nobody else stores yet.  One that finds no server when it begins has nothing to report.
                    wait_for("noise", lambda: int(rend.stats()["cmd_set"]) > 0)
                    self.load(rend, freed)
                    run.child.terminate()
                    run.wait()
                    assert run.json is not None and run.json["wrong"] == 0, run.err
                    self.counts["noise"] += run.json["requests"]
        self.kills += 1
        if self.kills % 4 == 0:
            fsck = subprocess.run([FSCK, self.path], capture_output=True, text=True, timeout=120)
            assert fsck.returncode == 0, fsck.stdout + fsck.stderr

    def end(self):
        """A last look, and a proper end: then everything is there, but for what noise pushed out: segments may be freed until the end."""
        with self.rend() as rend:
            self.look(rend)
        with self.rend() as rend:
            assert rend.said("as they were left"), rend.tail()
            missed, self.flushed = self.counts["missed"], NEVER
            self.look(rend)
            assert self.noise or self.counts["missed"] == missed

    def tell(self):
        said = ", ".join(f"{n} {name}" for name, n in sorted(self.counts.items()))
        print(f"     killed {self.kills} times: {said}; at most {self.longest * 1000:.0f} ms not flushed", flush=True)


def lives(conf, seed, **kw):
    few = 4 if SLOW else 8
    l = Lives(conf, seed, **kw)
    print(f"     seed {seed}", flush=True)
    for n in range(200 if harness.LONG else few):
        l.life(freed=n % few == few - 1)
    l.end()
    l.tell()
    assert l.counts["certain"] > l.kills * 5 and l.counts["not answered"] >= l.kills
    assert l.counts["check_errors"] == l.counts["read_errors"] == 0
    assert l.counts["refused"] < l.counts["answered"] / 2 and l.counts["missed"] < l.counts["found"]


def test_one_tier_that_is_killed():
    lives(one_tier, random.randrange(1 << 30))


def test_two_tiers_that_are_killed():
    lives(two_tiers, random.randrange(1 << 30), noise=True)


# ---- what is wrong ----

# Number: how it is seen.
SEEN = {
    10: "has version",
    11: "cas [0-9]+ is of|is not above",
}


# A sanitizer looks for another kind of fault.
if not SLOW:
    def test_each_fault_is_found():
        for number, words in SEEN.items():
            l = Lives(one_tier, number)
            try:
                with variant(number):
                    while l.kills < 10:
                        l.life()
                raise AssertionError(f"fault {number} is not found")
            except Wrong as e:
                assert re.search(words, str(e)), e
                print(f"     fault {number} is found in life {l.kills + 1}: {str(e).splitlines()[0]}", flush=True)


if __name__ == "__main__":
    harness.main(3600 if harness.LONG else 1200)
