#!/usr/bin/python3
"""rend-load check: no read is stale, at a real memcached, at rend, at rend's two tiers whose second one is slow, stopped and killed; and
each of the variants in tests/faults, which have one thing wrong, is found out.

With REND_TEST_LONG=1 each set-up is asked two million times.
"""
import contextlib
import glob
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from loading import Load, harness, load, wait_for  # noqa: E402

FAULTS = os.path.join(os.path.dirname(harness.REND), "tests", "faults")
ONLINE, BULK = 0, 1
PROTOCOLS = ("text", "binary", "meta")
LONG = 2_000_000
SLOW_REND = harness.sanitized()


class Slow:
    """Between rend and a memcached: what goes to it and what comes back waits now and then, each connection for itself.

    to, back: how often a piece waits, and how long at the most, in seconds.
    """

    def __init__(self, path, seed, to=(0, 0), back=(0, 0)):
        self.server, self.to, self.back = path, to, back
        self.dice = random.Random(seed)
        self.folder = tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
        self.path = os.path.join(self.folder, "slow.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        self.over = threading.Event()
        self.open = []

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.open:
            self._end(sock)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            self.open += [client, server]
            try:
                server.connect(self.server)
            except OSError:
                client.close()
                continue
            threading.Thread(target=self._pass_on, args=(client, server, self.to), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, self.back), daemon=True).start()

    @staticmethod
    def _end(sock):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _pass_on(self, source, sink, how):
        often, most = how
        try:
            while data := source.recv(65536):
                if self.dice.random() < often:
                    self.over.wait(self.dice.random() * most)
                sink.sendall(data)
        except OSError:
            pass
        self._end(sink)
        self._end(source)


def tiers(path, l1="64MiB", evict="true", timeout="20s", silence="20s", online="online", bulk="bulk", wrap=""):
    """Two listeners: l1l2's and l1l2batch's, or what wrap says is over them."""
    return f"""
handlers = {{
    hot = {{ plugin = "inmem"; memory = "{l1}"; evict = {evict}; }};
    all = {{ plugin = "memcached"; servers = [ "unix:{path}" ]; request_timeout = "{timeout}"; connect_timeout = "1s"; max_silence = "{silence}";
             retry_max = "200ms"; }};
}};
policies = {{
    online = {{ plugin = "l1l2"; l1 = "hot"; l2 = "all"; }};
    bulk = {{ plugin = "l1l2batch"; l1 = "hot"; l2 = "all"; }};
    {wrap}
}};
listeners = ( {{ port = 0; policy = "{online}"; }}, {{ port = 0; policy = "{bulk}"; }} );
"""


# Both listeners, each under `locked`: one set of locks, for it is that of the l1 beneath.
LOCKED = dict(online="one_by_one", bulk="bulk_too", wrap='one_by_one = { plugin = "locked"; over = "online"; };\n'
              '    bulk_too = { plugin = "locked"; over = "bulk"; };')


def both(rend):
    return ("--also", "127.0.0.1:%d" % rend.address(BULK)[1])


def tell(name, run):
    print("     %s: %s" % (name, " / ".join(line for line in run.out.splitlines() if line.startswith(("check (", "violations:")))), flush=True)


def enough(run, least):
    """Were so many values looked at?"""
    return run.json["check"]["values_checked"] >= (least // 5 if SLOW_REND else least)


def sound(name, run, least=0):
    """Nothing was wrong, and so many values were looked at."""
    said = run.json["check"]
    assert said["violations"] == 0 and run.json["wrong"] == 0, run.err
    assert enough(run, least), said
    assert said["unjudged"] == 0, said
    tell(name, run)


def amount(short):
    return LONG if harness.LONG else short // 4 if SLOW_REND else short


# ---- what is right ----

def test_memcached():
    with harness.Memcached() as server:
        for protocol in PROTOCOLS:
            run = load("check", server, "--protocol", protocol, "-n", LONG if harness.LONG else 20000, "--width", "1:3,2-5:1", "--no-evictions")
            sound("memcached, " + protocol, run, 5000)
            assert run.json["check"]["writes_unknown"] == 0 < run.json["check"]["removals"]
            assert set(run.json["commands"]) == {"get", "gets", "gat", "gats", "set", "add", "replace", "cas", "delete", "touch", "flush_all"}


def test_inmem():
    with harness.Rend() as server:
        for protocol in PROTOCOLS:
            sound("l1only, inmem, " + protocol, load("check", server, "--protocol", protocol, "-n", amount(20000), "--no-evictions"), 5000)
    with harness.Rend(harness.INMEM.replace("64MiB", "2MiB")) as server:
        run = load("check", server, "-n", amount(20000), "--keys", 3000, "--size", "1KiB-4KiB", "--mix", "get:3,set:2,delete:0.1")
        sound("l1only, inmem, evicting", run, 2000)
        assert int(server.stats()["evictions"]) > 0


def test_times_to_live():
    """TTLs pass meanwhile, by touches, too."""
    with harness.Memcached() as l2, harness.Rend(tiers(l2.path)) as rend:
        for server, more in ((l2, ()), (rend, both(rend))):
            run = load("check", server, *more, "--rate", 5000, "--seconds", 6, "--keys", 200, "--ttl", "0:1,1-2:1", "--mix",
                       "get:20,gat:1,touch:2,set:2,delete:0.1")
            sound("TTLs", run, 5000)


def test_two_rends_over_one_memcached():
    with harness.Memcached() as l2, harness.Rend(harness.behind(l2.server)) as one, harness.Rend(harness.behind(l2.server)) as other:
        address = "127.0.0.1:%d" % other.port
        run = load("check", one, "--also", address, "--also", l2.path, "-n", amount(20000), "--no-evictions", "--may-fail")
        sound("l1only over one memcached, two rends, and beside them", run, 5000)
        assert run.json["also"] == [address, "unix:" + l2.path]
        assert int(other.stats()["cmd_get"]) > 100


def test_a_server_that_is_killed():
    """It begins again with nothing: misses are right, and what had no answer is of unknown outcome."""
    with harness.Memcached() as server:
        with Load("check", server, "--rate", 5000, "--seconds", 600, "--promise", "fresh", "--may-lose", "--may-fail") as run:
            def busy(least):
                with harness.Client(server.path) as client:
                    return int(client.stats()["cmd_get"]) > least

            wait_for("load", lambda: busy(2000))
            server.end(signal.SIGKILL)
            server.restart()
            wait_for("more load", lambda: busy(2000))
            run.child.terminate()
            assert run.wait() == 143, run.err
            sound("memcached, killed", run, 1000)
            assert run.json["check"]["promise"] == "fresh"
            assert run.json["connections"]["closed"] > 0


def test_what_it_cannot_judge():
    with harness.Memcached() as server:
        for options, why in ((("--mix", "get:1,incr:1"), "the mix can have"), (("--preload",), "no --preload")):
            run = load("check", server, *options, status=64)
            assert why in run.err, run.err


class Trouble:
    """What happens to a memcached while a load goes on: it is killed and started again, it is stopped and goes on."""

    def __init__(self, run, rend, l2, pause=800 if SLOW_REND else 2000):
        """pause: so many requests are answered between two of them."""
        self.run, self.rend, self.l2, self.pause = run, rend, l2, pause
        self.killed = self.stopped = 0

    def _over(self):
        return self.run.child.poll() is not None

    def _go_on(self, requests):
        """Until so many more were answered."""
        def answered():
            stats = self.rend.stats()
            return int(stats["cmd_get"]) + int(stats["cmd_set"])

        begun = answered()
        wait_for("the load to go on", lambda: self._over() or answered() >= begun + requests)

    def once(self):
        """What the load did not go on under is not counted."""
        self._go_on(self.pause)
        self.l2.end(signal.SIGKILL)
        self._go_on(self.pause // 10)
        self.killed += not self._over()
        self.l2.restart()
        self._go_on(self.pause)
        self.l2.send_signal(signal.SIGSTOP)
        self._go_on(self.pause // 20)
        self.stopped += not self._over()
        self.l2.send_signal(signal.SIGCONT)

    def go_on(self):
        while not self._over():
            self.once()


def troubled_for(name, options, seed, how_long, **kw):
    """None: on a slow machine there was not time for all that is to happen."""
    with harness.Memcached() as l2, Slow(l2.path, seed, to=(0.02, 0.01), back=(0.02, 0.01)) as slow:
        # A rend that is slow itself would take the slow second tier for one that is away, most of the time.
        patience = "400ms" if SLOW_REND else "100ms"
        with harness.Rend(tiers(slow.path, timeout=patience, silence=patience, **kw)) as rend:
            with Load("check", rend, *both(rend), *how_long, "--may-fail", "--seed", seed, *options) as run:
                trouble = Trouble(run, rend, l2)
                trouble.go_on()
                assert run.wait() == 0, run.err
                sound(name, run)
                over = trouble.killed > 0 < trouble.stopped and run.json["check"]["writes_unknown"] > 0 and enough(run, 1000)
                return rend.stats() if over else None


def troubled(name, options, seed=1, seconds=8, **kw):
    """Both listeners, a slow second tier, and trouble."""
    # At a rate: while l2 is away, errors come fast.
    if harness.LONG:
        stats = troubled_for(name, options, seed, ("--rate", 10000, "-n", LONG), **kw)
    else:
        tried = (troubled_for(name, options, seed, ("--rate", 4000, "--seconds", s), **kw) for s in (seconds, 4 * seconds, 12 * seconds))
        stats = next((stats for stats in tried if stats), None)
    assert stats is not None
    return stats


def test_two_tiers():
    with harness.Memcached() as l2, harness.Rend(tiers(l2.path)) as rend:
        sound("l1l2 and l1l2batch", load("check", rend, *both(rend), "-n", amount(30000)), 5000)


def test_two_tiers_in_trouble():
    troubled("l1l2 and l1l2batch, few keys, in trouble", ())


def test_two_tiers_that_evict_in_trouble():
    stats = troubled("l1l2 and l1l2batch, evicting, in trouble", ("--keys", 2000, "--size", "8KiB-32KiB", "--dist", "zipf:0.5", "--mix",
                      "get:20,gets:4,gat:2,set:10,add:4,cas:2,delete:2,touch:2,flush_all:0.01"), l1="1MiB")
    assert int(stats["evictions"]) > 0, stats


def locked_over_l1only(handler):
    return f"""
handlers = {{ back = {{ {handler} }}; }};
policies = {{
    plain = {{ plugin = "l1only"; l1 = "back"; }};
    one = {{ plugin = "locked"; over = "plain"; }};
    other = {{ plugin = "locked"; over = "plain"; readers = "single"; }};
}};
listeners = ( {{ port = 0; policy = "one"; }}, {{ port = 0; policy = "other"; }} );
"""


def test_locked_over_one_tier():
    """Two listeners, one set of locks."""
    with harness.Memcached() as memcached:
        for name, handler in (("inmem", 'plugin = "inmem";'), ("memcached", f'plugin = "memcached"; servers = [ "{memcached.server}" ]; {harness.PATIENT}')):
            with harness.Rend(locked_over_l1only(handler)) as rend:
                sound("locked over l1only, " + name, load("check", rend, *both(rend), "-n", amount(15000), "--no-evictions"), 3000)


def test_locked_over_two_tiers():
    with harness.Memcached() as l2, harness.Rend(tiers(l2.path, **LOCKED)) as rend:
        sound("locked over l1l2 and over l1l2batch", load("check", rend, *both(rend), "-n", amount(20000)), 4000)
        nodes = rend.stats("nodes")
        assert all(int(nodes[node + ".get.OK"]) > 100 for node in ("one_by_one", "bulk_too", "online", "bulk")), nodes


def test_locked_over_two_tiers_in_trouble():
    troubled("locked over l1l2 and over l1l2batch, in trouble", (), seconds=5, **LOCKED)


# ---- what is wrong ----

@contextlib.contextmanager
def variant(number):
    """rend with one thing wrong; None: as it is."""
    planted = os.path.join(FAULTS, str(number))
    program = os.path.join(planted, "rend")
    right = harness.REND, harness.PLUGINS
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        os.chmod(folder, 0o755)
        for so in glob.glob(os.path.join(harness.PLUGINS, "*.so")) + glob.glob(os.path.join(planted, "*.so")):
            shutil.copy(so, folder)
        harness.REND, harness.PLUGINS = program if os.path.exists(program) else harness.REND, folder
        try:
            yield
        finally:
            harness.REND, harness.PLUGINS = right


def checked(rend, seed, *options):
    with Load("check", rend, *both(rend), "--seed", seed, "--may-fail", *options) as run:
        run.wait()
        return run


def slow_answers(seed):
    """What l2 says comes late now and then."""
    with harness.Memcached() as l2, Slow(l2.path, seed, back=(0.05, 0.02)) as slow, harness.Rend(tiers(slow.path)) as rend:
        return checked(rend, seed, "-n", 15000, "--keys", 4, "--mix", "get:20,set:2,delete:4,gat:1")


def late_answers(seed):
    """l1 is full, so all ask l2, and what that says to one worker comes late, often; others write meanwhile, and there are clients left
    who ask again."""
    with harness.Memcached() as l2, Slow(l2.path, seed, back=(0.1, 0.05)) as slow:
        with harness.Rend(tiers(slow.path, l1="1MiB", evict="false")) as rend, rend.client(ONLINE) as client:
            for size in (200000, 20000, 2000, 200, 20):
                for n in range(12):
                    client.ask(b"set full.%d.%d 0 0 %d\r\n%s\r\n" % (size, n, size, b"x" * size), b"STORED\r\n")
            return checked(rend, seed, "--rate", 2000, "--seconds", 3, "-w", 200, "--keys", 4, "--mix", "get:4,set:1")


def forgetful(seed):
    """l2 loses all it has, again and again."""
    with harness.Memcached() as l2, harness.Rend(tiers(l2.path)) as rend, harness.Client(l2.path) as beside:
        with Load("check", rend, *both(rend), "--seed", seed, "--rate", 5000, "--seconds", 3, "--keys", 50, "--mix", "get:10,set:2,delete:2") as run:
            while run.child.poll() is None:
                begun = int(rend.stats()["cmd_get"])
                wait_for("gets", lambda: run.child.poll() is not None or int(rend.stats()["cmd_get"]) > begun + 100)
                beside.ask(b"flush_all\r\n", b"OK\r\n")
            run.wait()
            return run


def crowded(seed):
    """Two writes of a key at once, often."""
    with harness.Memcached() as l2, Slow(l2.path, seed, to=(0.3, 0.003)) as slow, harness.Rend(tiers(slow.path)) as rend:
        return checked(rend, seed, "-n", 15000, "--keys", 4, "--mix", "get:4,set:1")


def short_lived(seed):
    with harness.Memcached() as l2, harness.Rend(tiers(l2.path)) as rend:
        return checked(rend, seed, "--rate", 8000, "--seconds", 7, "--keys", 2000, "--ttl", "0:1,1:1", "--mix", "get:10,touch:0.5,set:0.5")


def impatient(seed):
    """Clients do not wait for l2 as long as it may take; what is given up still happens."""
    wrap = 'hasty = { plugin = "locked"; over = "online"; request_timeout = "20ms"; };'
    with harness.Memcached() as l2, Slow(l2.path, seed, to=(0.01, 0.3)) as slow:
        with harness.Rend(tiers(slow.path, timeout="60s", silence="60s", online="hasty", wrap=wrap)) as rend:
            return checked(rend, seed, "--rate", 2000, "--seconds", 4, "-w", 64, "--keys", 10, "--mix", "get:10,set:2,gat:2")


# Number: what brings it to light, and what it is seen as.
SEEN = {
    1: (slow_answers, ("stale", "resurrected", "inversion")),
    2: (forgetful, ("resurrected",)),
    3: (crowded, ("stale", "inversion")),
    4: (short_lived, ("expired",)),
    5: (late_answers, ("stale", "resurrected", "inversion")),
    6: (impatient, ("stale", "resurrected", "inversion")),
}
SEEDS = 6


def find_faults(seen):
    assert glob.glob(os.path.join(FAULTS, "[0-9]*")), FAULTS
    for number, (workload, kinds) in seen.items():
        with variant(number):
            for seed in range(1, SEEDS + 1):
                run = workload(seed)
                found = run.json["check"]["kinds"]
                if any(found[k] for k in kinds):
                    break
        assert any(found[k] for k in kinds), f"fault {number} is not found: {found}\n{run.err}"
        assert run.child.returncode == 1
        line = next(line for line in run.err.splitlines() if any(k + ": in [" in line for k in kinds))
        print(f"     fault {number}, seed {seed}: {found}\n         {line}", flush=True)


def find_nothing(seen):
    """The same workloads, and nothing wrong."""
    for workload in dict.fromkeys(w for w, _ in seen.values()):
        run = workload(1)
        assert run.json["check"]["violations"] == 0, run.err
        tell(workload.__name__, run)


# A sanitizer looks for another kind of fault, and is so slow that these may not come about.
if not SLOW_REND:
    def test_each_fault_is_found():
        find_faults(SEEN)

    def test_without_a_fault_none_is_found():
        find_nothing(SEEN)


if __name__ == "__main__":
    harness.main(3600 if harness.LONG else 1200)
