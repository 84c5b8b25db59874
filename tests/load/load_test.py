"""rend-load against rend and against a real memcached, as a user would run it."""
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from loading import LOAD, PATIENCE, Load, harness, load, slower, wait_for, where  # noqa: E402

PROTOCOLS = ("text", "binary", "meta")


def servers():
    yield harness.Rend()
    yield harness.Memcached()


def clean(run):
    for kind in ("wrong", "lost", "protocol", "server_errors"):
        assert run.json[kind] == 0, run.err
    assert run.err == "", run.err


def each(tool, *options):
    """The runs of a tool against each server in each protocol; all is well in each."""
    for server in servers():
        with server:
            for protocol in PROTOCOLS:
                run = load(tool, server, "--protocol", protocol, *options)
                clean(run)
                yield run


def test_run():
    for run in each("run", "-n", 3000, "--preload", "--keys", 500, "-w", 5):
        assert run.json["requests"] == run.json["hits"] == 3000
        assert set(run.json["commands"]) == {"get", "set"}
        assert sum(n for _, n in run.json["commands"]["get"]["histogram"]) == run.json["commands"]["get"]["requests"]
        assert sum(i["requests"] for i in run.json["intervals"]) == 3000
        assert sum(n for i in run.json["intervals"] for _, n in i["histogram"]) == 3000
        assert 0 < run.json["intervals_from"] < time.monotonic()
        assert "p99.99" in run.out and "##" in run.out


def test_blast():
    for run in each("blast", "-n", 5000, "--keys", 300, "--depth", 4):
        assert set(run.json["commands"]) == {"get", "gets", "gat", "gats", "set", "add", "replace", "append", "prepend", "cas",
                                             "delete", "incr", "decr", "touch", "version", "noop"}
        assert run.json["keys"] > run.json["requests"] == 5000
        for command in ("get", "set", "append", "delete", "incr", "touch"):
            assert run.json["commands"][command]["hits"] > 0, command


def test_setget():
    for options in ((), ("--depth", 8)):
        for run in each("setget", "-n", 2000, *options):
            get, sets = run.json["commands"]["get"], run.json["commands"]["set"]
            assert get["hits"] == get["requests"] and sets["hits"] == sets["requests"]
            # The end may come between the two.
            assert 0 <= sets["requests"] - get["requests"] <= 10 and run.json["requests"] == 2000


def test_setops():
    for options in ((), ("--depth", 8)):
        for run in each("setops", "-n", 5000, "--keys", 200, *options):
            assert run.json["requests"] == 5000
            assert len(run.json["commands"]) == 14
            assert run.json["commands"]["cas"]["hits"] > 0 < run.json["commands"]["cas"]["misses"]


def test_sizes():
    for run in each("sizes", "--step", 30000):
        sizes = run.json["sizes"]
        assert sizes["limit"] == 1 << 20
        assert 1_000_000 <= sizes["largest_stored"] < sizes["smallest_refused"] <= (1 << 20) + 30000, sizes
        assert run.json["ended_by"] == "done"
        assert run.json["commands"]["set"]["requests"] == sizes["tried"] == run.json["commands"]["get"]["requests"]


def test_sizes_that_are_refused_too_soon():
    """A server whose limit is below the one that is claimed."""
    with harness.Memcached("-I", "512k") as server:
        run = load("sizes", server, "--step", 50000, "--limit", "1MiB", status=1)
        assert re.search(r"set \S+: expected ok, heard too large", run.err), run.err
        clean(load("sizes", server, "--step", 50000))


def test_fill():
    with harness.Memcached("-m", "16") as server:
        for protocol in PROTOCOLS:
            run = load("fill", server, "-n", 3000, "--protocol", protocol)
            clean(run)
            row = run.json["server_stats"][-1]
            assert row["sets"] >= 3000 and row["evictions"] > 0 and row["items"] > 0 and row["limit"] == 16 << 20, row
            assert "evictions/s" in run.out


def test_fill_at_a_rate():
    with harness.Rend() as server:
        run = load("fill", server, "--seconds", 1, "--rate", 500, "--size", 100)
        clean(run)
        assert run.json["requests"] + run.json["unsent"] == 500


def test_fill_asks_now_and_then():
    with harness.Rend() as server, Load("fill", server, "--seconds", 600, "--rate", 500, "--interval", "200ms", "--size", 100) as run:
        wait_for("stats to be asked for", lambda: int(server.stats()["cmd_set"]) >= 300)
        run.child.send_signal(signal.SIGINT)
        assert run.wait() == 130, run.err
        clean(run)
        assert len(run.json["server_stats"]) >= 2


def test_many_keys_in_one_get():
    for run in each("run", "-n", 1000, "--preload", "--keys", 300, "--width", 10, "--depth", 3):
        get = run.json["commands"]["get"]
        assert get["keys"] == 10 * get["requests"] == get["hits"]


def test_misses_are_counted():
    for run in each("run", "-n", 1000, "--prefix", "nobody.", "--mix", "get:1,delete:1,touch:1"):
        assert run.json["hits"] == 0 and run.json["misses"] == 1000 and run.json["hit_ratio"] == 0


def test_gete_of_rend():
    with harness.Rend() as server:
        run = load("run", server, "--binary", "-n", 500, "--preload", "--keys", 50, "--mix", "gete", "--width", "1-4")
        clean(run)
        assert run.json["hit_ratio"] == 1


def test_the_flags_of_the_first_rend():
    with harness.Memcached() as server:
        for options in (("--binary", "-n", "500", "-w", "3", "-kl", "2"), ("-b", "-num-ops=500", "-workers=3", "-key-length", "2"),
                        ("--text", "--num-ops", "500", "--workers", "3", "--key-length=2")):
            run = load("setget", server, *options)
            assert run.json["requests"] == 500
            assert run.json["settings"]["connections"] == 3
            assert run.json["settings"]["key_length"] == 2 and run.json["settings"]["keys"] == 26 * 26
            assert run.json["settings"]["protocol"] == ("text" if options[0] == "--text" else "binary")


def test_only_binary_is_let_in():
    conf = harness.INMEM.replace("port = 0;", 'port = 0; protocol = "binary";')
    with harness.Rend(conf) as server:
        clean(load("setops", server, "--binary", "-n", 2000, "--keys", 100))


def test_the_seed_repeats():
    with harness.Memcached() as server:
        runs = [load("run", server, "-n", 2000, "-w", 1, "--seed", seed, "--mix", "get:3,gets:2,version:1") for seed in (7, 7, 8)]
    counts = [{name: c["requests"] for name, c in run.json["commands"].items()} for run in runs]
    assert counts[0] == counts[1] != counts[2]
    assert runs[0].json["settings"]["seed"] == 7


def test_evictions_may_be():
    with harness.Memcached("-m", "8") as server:
        options = ("-n", 20000, "--keys", 4000, "--size", "4KiB-8KiB")
        run = load("setops", server, *options, status=1)
        assert "the server has evicted" in run.out
        run = load("setops", server, *options, "--may-evict")
        clean(run)


# ---- connections ----

def test_sources_idle_and_churn():
    with harness.Rend(workers=1) as server:
        with Load("run", server, "-w", 30, "--idle", 12, "--churn", 200, "--seconds", 60, "--sources", "127.0.0.1-127.0.0.3",
                  "--preload", "--keys", 100) as run:
            def from_all():
                stats = server.stats("conns")
                return {m.group(1) for v in stats.values() for m in [re.match(r"tcp:(127\.0\.0\.\d+):\d+", v)] if m} >= {
                    "127.0.0.1", "127.0.0.2", "127.0.0.3"}

            asked = []

            def opened():
                """Connections so far, but for those of this test."""
                asked.append(1)
                return int(server.stats()["total_connections"]) - len(asked)

            wait_for("load", lambda: asked.append(1) or busy(server))
            wait_for("clients from three addresses", lambda: asked.append(1) or from_all())
            wait_for("churn", lambda: opened() > 42 + 20)
            run.child.send_signal(signal.SIGINT)
            assert run.wait() == 130, run.err
            clean(run)
            assert run.json["connections"]["opened"] > 42
            assert run.json["connections"]["closed"] == 0


def test_a_thousand_connections():
    with harness.Rend() as server:
        run = load("run", server, "-w", 1000, "-n", 20000, "--preload", "--keys", 100)
        clean(run)
        assert run.json["connections"] == {"opened": 1000, "refused": 0, "closed": 0}


def test_more_connections_than_the_server_takes():
    """It closes those that are too many, again and again; that must not go on for ever."""
    with harness.Rend(fields="max_connections = 20;") as server:
        with Load("run", server, "-w", 40, "--timeout", "5s", "-n", 100) as run:
            # Whether it sees that before all are there, or only then, is a matter of luck.
            assert run.wait() in (1, 69), run.err
            assert "Too many open connections" in run.err, run.err


def test_a_server_that_goes_away():
    server = harness.Memcached()
    with server, Load("run", server, "--seconds", 60, "--timeout", "5s") as run:
        wait_for("load", lambda: busy(server))
        server.end(signal.SIGKILL)
        assert run.wait() == 1, run.err
        assert run.json["ended_by"] == "server", run.json["ended_by"]
        assert "takes no connections any more" in run.err, run.err


def test_no_server():
    with Load("run", None, "--socket", "/nowhere/at/all") as run:
        assert run.wait() == 69
        assert "No such file" in run.err, run.err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with Load("run", None, "-h", "127.0.0.1", "-p", taken.getsockname()[1]) as run:
            assert run.wait() == 69
            assert "Connection refused" in run.err, run.err


def test_a_server_whose_stats_never_end():
    """They are asked for beside the load, which goes on without them."""
    loaded, over = threading.Event(), threading.Event()

    def serve(sock):
        question = sock.recv(1000)
        if question.startswith(b"version"):
            sock.sendall(b"VERSION 1\r\n")
        elif question.startswith(b"stats"):
            while not over.wait(0.2):
                sock.sendall(b"STAT a 1\r\n")
        elif question:
            loaded.set()

    def accept(listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=quietly, args=(serve, sock), daemon=True).start()

    def quietly(what, sock):
        with sock:
            try:
                what(sock)
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        with Load("setget", None, "-h", "127.0.0.1", "-p", listener.getsockname()[1], "--timeout", "1s"):
            assert loaded.wait(PATIENCE)
        over.set()
        listener.shutdown(socket.SHUT_RDWR)


# ---- time ----

def busy(server, least=200):
    client = harness.Client(server.path if isinstance(server, harness.Memcached) else server.address())
    with client:
        return int(client.stats()["cmd_get"]) >= least


def stopped_for_a_second(*options):
    """Runs against a memcached that is stopped for a second in the middle, and goes on for as many requests as it had before."""
    with harness.Memcached() as server:
        with Load("run", server, "-w", 10, "--mix", "get", "--keys", 100, "--seconds", 600, *options) as run:
            wait_for("load", lambda: busy(server))
            server.send_signal(signal.SIGSTOP)
            end = time.monotonic() + 1
            wait_for("a second", lambda: time.monotonic() > end)
            server.send_signal(signal.SIGCONT)
            wait_for("load", lambda: busy(server, 2000))
            run.child.send_signal(signal.SIGINT)
            assert run.wait() == 130, run.err
            clean(run)
            return run


def test_open_loop_tells_all_that_had_to_wait():
    """1,000 requests a second, and none could be answered for a second: some 900 waited for more than 0.1 s."""
    run = stopped_for_a_second("--rate", 1000)
    slow = slower(run, 100_000_000)
    print(f"     open loop: {slow} of {run.json['requests']} took longer than 100 ms")
    assert slow >= 700, slow


def test_closed_loop_does_not():
    """It asks nothing while it waits: about as many as there are connections."""
    run = stopped_for_a_second()
    slow = slower(run, 500_000_000)
    print(f"     closed loop: {slow} of {run.json['requests']} took longer than 500 ms")
    assert 1 <= slow <= 40, slow


def test_poisson():
    with harness.Memcached() as server:
        run = load("run", server, "--rate", 2000, "--arrivals", "poisson", "--seconds", 2, "--mix", "get")
        assert 3500 <= run.json["requests"] + run.json["unsent"] <= 4500
        assert run.json["settings"]["arrivals"] == "poisson"


def test_warmup_is_not_counted():
    with harness.Rend() as server:
        run = load("run", server, "--warmup", "300ms", "-n", 1000, "--mix", "get")
        assert run.json["requests"] == 1000
        assert int(server.stats()["cmd_get"]) > 1000


# ---- what is said ----

def test_processes():
    with harness.Rend() as server:
        run = load("run", server, "--preload", "--keys", 100, "--seconds", 1, "--pid", server.child.pid, "--idle", 5)
        process = run.json["processes"][0]
        assert process["pid"] == server.child.pid and process["name"] == "rend"
        assert 0 < process["cpu_seconds"] < 4
        assert process["rss_end"] > 1 << 20
        assert abs(run.json["cpu_us_per_request"] - process["cpu_seconds"] * 1e6 / run.json["requests"]) < 0.01
        assert 0 < run.json["client"]["cpu_seconds"] < 2
        assert "us CPU per request" in run.out
    load("run", None, "--pid", 2 ** 22 + 5, "-p", "1", status=69)


def test_a_process_that_ends():
    """There is no telling what it used, and all is not well."""
    with harness.Rend() as server, subprocess.Popen(["sleep", "1000"]) as child:
        with Load("run", server, "--seconds", 60, "--pid", child.pid) as run:
            wait_for("load", lambda: busy(server))
            child.kill()
            child.wait()
            run.child.send_signal(signal.SIGINT)
            assert run.wait() == 1, run.err
        assert f"process {child.pid}, of --pid, has ended" in run.err, run.err
        assert run.json["processes"][0]["cpu_seconds"] == 0 and run.json["processes"][0]["name"] == ""


def test_assertions():
    with harness.Memcached() as server:
        run = load("run", server, "-n", 500, "--preload", "--keys", 50, "--assert", "p99<10s,errors=0,get.hits>0")
        assert all(a["holds"] for a in run.json["assertions"]) and len(run.json["assertions"]) == 3
        run = load("run", server, "-n", 500, "--assert", "requests=500,p50<1ns", "--assert", "hits>=0", status=2)
        assert [a["holds"] for a in run.json["assertions"]] == [True, False, True]
        assert "not true: p50<1ns: it is" in run.err and "requests=500" not in run.err, run.err


def test_what_cannot_be_meant():
    for options in (("--assert", "p98<1"), ("--assert", "p99"), ("--size", "5kg"), ("--mix", "frob"), ("--mix", "gete"), ("--depth", "0"),
                    ("--frob",), ("stray",), ("--keys", "100", "-kl", "1"), ("--prefix", "a b"), ("--sources", "localhost"),
                    ("--dist", "zipf:x"), ("--rate",), ("--also", "nowhere"), ("--also", ":1"), ("--promise", "much"), ("--quiet=1",), ("--ttl", "2592001"),
                    ("--width", "lognormal:2:1:0"), ("--assert", ",".join(["errors=0"] * 257))):
        with Load("run", None, *options) as run:
            assert run.wait() == 64, (options, run.err)
            assert run.err.startswith("rend-load: ") and run.err.count("\n") == 1, run.err
            assert run.out == ""
    assert subprocess.run([LOAD], capture_output=True).returncode == 64
    assert subprocess.run([LOAD, "frob"], capture_output=True).returncode == 64


def test_help_names_every_option_once():
    text = subprocess.run([LOAD, "--help"], capture_output=True, check=True, text=True).stdout
    names = re.findall(r"^  (?:-\S+, )*(--[a-z-]+)", text, re.M)
    assert len(names) == len(set(names)) > 30
    for tool in ("run", "blast", "setget", "sizes", "fill", "setops", "check"):
        assert re.search(rf"^  {tool} ", text, re.M)
    manual = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "rend-load.md")
    with open(manual) as f:
        told = f.read()
    for name in names:
        assert f"`{name}" in told, f"{name} is not in the manual"


def test_signals_print_what_there_is():
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with harness.Memcached() as server, Load("run", server, "--seconds", 60, "--preload", "--keys", 100) as run:
            wait_for("load", lambda: busy(server))
            run.child.send_signal(number)
            assert run.wait() == status, run.err
            clean(run)
            assert run.json["ended_by"] == "signal" and run.json["requests"] > 0
            assert "ended by a signal" in run.out and "p99.9" in run.out


def test_a_signal_waits_for_what_is_under_way():
    with harness.Memcached() as server, Load("run", server, "--seconds", 60, "--preload", "--keys", 100) as run:
        wait_for("load", lambda: busy(server))
        server.send_signal(signal.SIGSTOP)
        run.child.send_signal(signal.SIGINT)
        end = time.monotonic() + 1
        wait_for("a second", lambda: time.monotonic() > end)
        assert run.child.poll() is None
        server.send_signal(signal.SIGCONT)
        assert run.wait() == 130, run.err
        clean(run)


def test_a_second_signal_ends_it_at_once():
    """What is under way is waited for, and here nobody answers it."""
    with harness.Memcached() as server, Load("run", server, "--seconds", 60, "--preload", "--keys", 100, "--timeout", "3600s") as run:
        wait_for("load", lambda: busy(server))
        server.send_signal(signal.SIGSTOP)
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                run.child.send_signal(number)
            assert run.wait() in (130, 143), run.err
        finally:
            server.send_signal(signal.SIGCONT)
        assert run.json["ended_by"] == "signal"


def test_progress_is_for_terminals():
    with harness.Memcached() as server:
        ours, theirs = pty.openpty()
        with Load("run", server, "--seconds", "1.5", "--preload", "--keys", 100, stderr=theirs) as run:
            os.close(theirs)
            assert run.wait() == 0
        shown = b""
        try:
            while data := os.read(ours, 65536):
                shown += data
        except OSError:
            pass
        os.close(ours)
        assert b"requests/s" in shown and shown.endswith(b"\r\x1b[K"), shown
        clean(load("run", server, "--seconds", "1.5", "--preload", "--keys", 100))


def test_json_alone_on_the_output():
    import json
    with harness.Memcached() as server:
        done = subprocess.run([LOAD, "run", *where(server), "-n", "100", "--json", "-"], capture_output=True, timeout=PATIENCE)
        assert done.returncode == 0 and json.loads(done.stdout)["requests"] == 100
        done = subprocess.run([LOAD, "run", *where(server), "-n", "100", "--json", "/nowhere/file"], capture_output=True, timeout=PATIENCE)
        assert done.returncode == 73 and done.stdout == b"", done
        done = subprocess.run([LOAD, "run", *where(server), "-n", "100", "--quiet"], capture_output=True, timeout=PATIENCE)
        assert done.returncode == 0 and done.stdout == b""


harness.main(limit=1200)
