#!/usr/bin/python3
"""The stats command: what it says, to whom, in what order, and how much of it to those who do not read."""
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading

import harness
from harness import INMEM, PLUGINS, Client, Memcached, Rend, behind, wait_for
from ssd_large_test import take

TOOL = "/usr/share/memcached/scripts/memcached-tool"
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MIB = 1024

# A TCP, an IPv6 and a unix listener.
THREE = """
handlers = {{ mem = {{ plugin = "inmem"; memory = "64MiB"; }}; }};
policies = {{ main = {{ plugin = "l1only"; l1 = "mem"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }}, {{ address = "::1"; port = 0; policy = "main"; }},
              {{ path = "{path}"; mode = "0666"; policy = "main"; }} );
"""


def lines(c, command):
    """All lines up to END."""
    c.say(command + b"\r\n")
    return c.until(b"END\r\n").split(b"\r\n")[:-2]


def conns(rend, c):
    """Descriptor to its lines; each line comes once."""
    found = {}
    for line in lines(c, b"stats conns"):
        word, name, value = line.decode().split(" ", 2)
        assert word == "STAT", line
        fd, what = name.split(":")
        of = found.setdefault(int(fd), {})
        assert what not in of, line
        of[what] = value
    return found


def same(got, expected):
    assert got == expected, f"expected {expected!r}, got {got!r}"


# ---- what is counted ----

COMMANDS = [
    b"get a\r\n", b"get a b c\r\n", b"gets a x\r\n", b"gat 100 a\r\n", b"gat 100 x\r\n", b"touch a 100\r\n", b"touch x 100\r\n",
    b"set a 0 0 1\r\n1\r\n", b"add a 0 0 1\r\n1\r\n", b"add b 0 0 1\r\n1\r\n", b"replace x 0 0 1\r\n1\r\n", b"append a 0 0 1\r\n1\r\n",
    b"prepend x 0 0 1\r\n1\r\n", b"cas a 0 0 1 1\r\n1\r\n", b"cas x 0 0 1 1\r\n1\r\n", b"incr a 1\r\n", b"incr x 1\r\n", b"decr a 1\r\n",
    b"decr x 1\r\n", b"delete b\r\n", b"delete x\r\n", b"mg a v\r\n", b"mg x v\r\n", b"ms a 1\r\n1\r\n", b"md x\r\n", b"ma a\r\n", b"ma x\r\n",
    b"set a 0 0 2000000\r\n" + b"x" * 2000000 + b"\r\nset a 0 0 1\r\n1\r\n", b"flush_all 100000\r\nset a 0 0 1\r\n1\r\n",
]
COUNTED = ["cmd_get", "cmd_set", "cmd_flush", "cmd_touch", "get_hits", "get_misses", "delete_misses", "delete_hits", "incr_misses",
           "incr_hits", "decr_misses", "decr_hits", "cas_misses", "cas_hits", "cas_badval", "touch_hits", "touch_misses", "store_too_large"]


def test_commands_are_counted_as_memcached_does():
    rng = random.Random(1)
    with Memcached() as memcached, Rend() as rend, Client(memcached.path) as theirs, rend.client() as ours:
        for step in range(150):
            command = rng.choice(COMMANDS)
            before = [{name: int(c.stats()[name]) for name in COUNTED} for c in (theirs, ours)]
            for c in (theirs, ours):
                c.say(command + b"mn\r\n").until(b"MN\r\n")
            after = [{name: int(c.stats()[name]) for name in COUNTED} for c in (theirs, ours)]
            grown = [{name: a[name] - b[name] for name in COUNTED} for a, b in zip(after, before)]
            assert grown[0] == grown[1], (command[:40], {n: (grown[0][n], grown[1][n]) for n in COUNTED if grown[0][n] != grown[1][n]})


def test_names_are_memcacheds():
    # Ours alone: what memcached has no word for.
    own = {"idle_kicks", "stall_kicks", "cmd_refused", "socket_reads", "socket_writes", "detail_missed", "log_dropped", "policy"}
    own_settings = {"client_flags_size", "request_timeout", "drain_timeout", "disk_threads", "listener:0"}
    with Memcached() as memcached, Rend() as rend, Client(memcached.path) as theirs, rend.client() as ours:
        same(set(ours.stats()) - set(theirs.stats()), own)
        same(set(ours.stats("settings")) - set(theirs.stats("settings")), own_settings)
        for group in ("items", "slabs"):
            for c in (theirs, ours):
                c.ask(b"set a 0 0 1\r\n1\r\n", b"STORED\r\n")
            more = {name.split(":")[-1] for name in ours.stats(group)} - {name.split(":")[-1] for name in theirs.stats(group)}
            same(more, set() if group == "items" else {"mem_requested"})
        same(ours.stats("sizes"), {"sizes_status": "disabled"})
        for word in ("cmd_get", "bytes", "curr_items", "limit_maxbytes", "uptime", "threads", "evictions", "rusage_user", "connection_structures"):
            assert word in ours.stats(), word


def test_what_cannot_be_said_is_refused_as_memcached_does():
    odd = [b"bogus", b"detail", b"detail bogus", b"detailed", b"slabsx", b"noreply", b"SETTINGS", b"x" * 500, b"detail_dump"]
    # Words behind a group that takes none do not matter.
    fine = [b"reset x", b"reset", b"sizes x", b"detail on x", b"detail off", b" reset  "]
    with Memcached() as memcached, Rend() as rend, Client(memcached.path) as theirs, rend.client() as ours:
        for group in odd + fine:
            said = []
            for c in (theirs, ours):
                c.say(b"stats " + group + b"\r\nmn\r\n")
                said.append(c.until(b"MN\r\n"))
            assert said[0] == said[1], (group, said)
        for group in (b"node", b"node nonesuch", b"node me"):
            ours.ask(b"stats " + group + b"\r\n", b"ERROR\r\n")
    # A memcached that was told not to.
    with Memcached("-X") as memcached, Client(memcached.path) as theirs, Rend() as rend, rend.client() as ours:
        theirs.say(b"stats cachedump 1 0\r\n")
        ours.ask(b"stats cachedump 1 0\r\n", theirs.line() + b"\r\n")


def test_reset():
    with Rend() as rend, rend.client() as c:
        c.ask(b"set a:b 0 0 1\r\n1\r\n", b"STORED\r\n").ask(b"stats detail on\r\n", b"OK\r\n").ask(b"get a:b\r\n", b"VALUE a:b 0 1\r\n1\r\nEND\r\n")
        assert c.stats()["get_hits"] == "1"
        c.ask(b"stats reset\r\n", b"RESET\r\n")
        found = c.stats()
        for name in COUNTED + ["cmd_meta", "total_connections", "rejected_connections"]:
            assert found[name] == "0", (name, found[name])
        same((found["curr_connections"], found["curr_items"]), ("1", "1"))
        same(lines(c, b"stats detail dump"), [])


def test_pauses_of_listening_are_timed():
    import resource
    with Rend() as rend, rend.client() as first:
        resource.prlimit(rend.child.pid, resource.RLIMIT_NOFILE, (rend.fds() + 2, 4096))
        many = [rend.client() for _ in range(6)]
        wait_for("a pause", lambda: int(first.stats()["listen_disabled_num"]) > 1)
        assert first.stats()["accepting_conns"] == "0" or int(first.stats()["time_in_listen_disabled_us"]) > 0
        resource.prlimit(rend.child.pid, resource.RLIMIT_NOFILE, (1024, 4096))
        wait_for("all to be taken in", lambda: first.stats()["curr_connections"] == "7")
        found = first.stats()
        same(found["accepting_conns"], "1")
        # Each is a tenth of a second, or more when the process gets no time.
        assert int(found["time_in_listen_disabled_us"]) >= 100_000 * int(found["listen_disabled_num"]), found
        for c in many:
            c.close()


# ---- connections ----

def three():
    folder = harness.tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
    os.chmod(folder, 0o755)
    return folder, Rend(THREE.format(path=os.path.join(folder, "r.sock")), workers=3)


def test_every_connection_of_every_worker_is_listed():
    folder, rend = three()
    path = os.path.join(folder, "r.sock")
    with rend, rend.client(0) as c:
        six, unnamed, bound, abstract = rend.client(1), Client(path), socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        bound.bind(os.path.join(folder, "a b\n%.sock"))
        bound.connect(path)
        abstract.bind(b"\0rend test\0" + str(rend.child.pid).encode())
        abstract.connect(path)
        half = rend.client(0).say(b"set a 0 0 1000\r\nabc")
        dropped = rend.client(0).say(b"set a 0 0 3000000\r\nabc")
        wait_for("all to be there", lambda: c.stats()["curr_connections"] == "7")
        wait_for("the halves to be read", lambda: [x.get("state") for x in conns(rend, c).values()].count("conn_nread") == 1)
        found = conns(rend, c)
        ours = {f"tcp:127.0.0.1:{s.sock.getsockname()[1]}": s for s in (c, half, dropped)}
        by_addr = {of["addr"]: of for of in found.values()}
        same(len(found), 10)
        tcp, tcp6 = f"tcp:127.0.0.1:{rend.address(0)[1]}", f"tcp6:[::1]:{rend.address(1)[1]}"
        for addr in (tcp, tcp6, "unix:" + path):
            same(by_addr[addr]["state"], "conn_listening")
            assert "listen_addr" not in by_addr[addr]
        for addr in ours:
            same(by_addr[addr]["listen_addr"], tcp)
        same(by_addr[f"tcp6:[::1]:{six.sock.getsockname()[1]}"]["listen_addr"], tcp6)
        same(by_addr[f"unix:{folder}/a%20b%0A%25.sock"]["listen_addr"], "unix:" + path)
        same(by_addr[f"unix:@rend%20test%00{rend.child.pid}"]["listen_addr"], "unix:" + path)
        same(by_addr["unix:<unnamed>"]["listen_addr"], "unix:" + path)
        same(by_addr[f"tcp:127.0.0.1:{half.sock.getsockname()[1]}"]["state"], "conn_nread")
        same(by_addr[f"tcp:127.0.0.1:{dropped.sock.getsockname()[1]}"]["state"], "conn_swallow")
        same(by_addr[f"tcp6:[::1]:{six.sock.getsockname()[1]}"]["state"], "conn_read")
        for fd, of in found.items():
            assert os.path.exists(f"/proc/{rend.child.pid}/fd/{fd}"), fd
            assert 0 <= int(of["secs_since_last_cmd"]) < 60, of
        for s in (six, unnamed, bound, abstract, half, dropped):
            s.close()
        wait_for("them to be gone", lambda: len(conns(rend, c)) == 4)
    shutil.rmtree(folder)


def test_memcached_has_the_same_lines():
    with Memcached() as memcached, Rend() as rend, Client(memcached.path) as theirs, rend.client() as ours:
        shapes = []
        for c in (theirs, ours):
            said = [re.sub(r"\d+", "#", line.decode()) for line in lines(c, b"stats conns")]
            shapes.append([re.sub(r" (tcp|unix|\?|conn_).*", "", line) for line in said])
        same(shapes[1], shapes[0])


def test_many_connections_are_listed_once_each_while_others_come_and_go():
    with Rend(fields="max_connections = 2000;", workers=3) as rend, rend.client() as c:
        stay = [rend.client() for _ in range(700)]
        wait_for("all to be there", lambda: c.stats()["curr_connections"] == "701")
        names = {f"tcp:127.0.0.1:{s.sock.getsockname()[1]}" for s in stay}
        done = threading.Event()

        def come_and_go():
            while not done.is_set():
                for s in [rend.client() for _ in range(10)]:
                    s.close()

        other = threading.Thread(target=come_and_go)
        other.start()
        try:
            for _ in range(10):
                # A descriptor may be given again while the list is made; an address may not.
                listed = [line.decode().split(" ", 2)[2] for line in lines(c, b"stats conns") if b":addr " in line]
                same(len(listed), len(set(listed)))
                same(names - set(listed), set())
        finally:
            done.set()
            other.join()
        # In its place in the order, however many workers it takes.
        c.say(b"version\r\nget x\r\nstats conns\r\nstats ops\r\nstats\r\nmn\r\n")
        said = c.until(b"MN\r\n")
        assert re.match(rb"VERSION \S+\r\nEND\r\nSTAT \d+:addr (?s:.*)\r\nEND\r\nSTAT 0:in_flight 0\r\nSTAT 1:in_flight 0\r\n"
                        rb"STAT 2:in_flight 0\r\nEND\r\nSTAT pid (?s:.*)\r\nEND\r\nMN\r\n$", said), said[:300]
        same(said.count(b"END\r\n"), 4)
        for s in stay:
            s.close()


def fill_prefixes(c, count, length):
    """So many prefixes, some of them as long as keys get."""
    for first in range(0, count, 500):
        keys = [b"%06d" % i + b"p" * (length - 8) + b":k" for i in range(first, min(first + 500, count))]
        c.ask(b"get " + b" ".join(keys) + b"\r\n", b"END\r\n")


def test_a_client_that_does_not_read_costs_little():
    with Rend() as rend, rend.client() as c:
        c.ask(b"stats detail on\r\n", b"OK\r\n")
        fill_prefixes(c, 10000, 240)
        whole = lines(c, b"stats detail dump")
        same(len(whole), 10000)
        before = rend.rss_kb()
        lazy = [rend.client() for _ in range(8)]
        for s in lazy:
            s.say(b"stats detail dump\r\n" * 30 + b"mn\r\n")
        # Each is owed 80 MB; the kernel takes some.
        wait_for("them to be written to until no more goes", lambda: sum(of["state"] == "conn_mwrite" for of in conns(rend, c).values()) == 8)
        c.ask(b"get a\r\n", b"END\r\n")
        assert rend.rss_kb() - before < 32 * MIB, rend.rss_kb() - before
        # One reads after all: nothing is missing.  The others go.
        dump = b"\r\n".join(whole) + b"\r\nEND\r\n"
        for _ in range(30):
            same(take(lazy[0], len(dump)), dump)
        lazy[0].hear(b"MN\r\n")
        for s in lazy:
            s.close()
        wait_for("them to be gone", lambda: c.stats()["curr_connections"] == "1")


def test_clients_that_go_while_they_are_being_answered():
    with Rend(workers=3) as rend, rend.client() as c:
        for i in range(300):
            s = rend.client()
            s.say(b"stats conns\r\nstats ops\r\n" * (i % 5 + 1))
            if i % 2:
                s.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()

        def gone():
            """Those that closed before they were accepted are still to come."""
            got = c.stats()
            return got["total_connections"] == "301" and got["curr_connections"] == "1"

        wait_for("them to have come and gone", gone)
        wait_for("none of them to be listed", lambda: len(conns(rend, c)) == 2)


def hammer(rend, groups, done):
    try:
        with rend.client() as c:
            while not done.is_set():
                for group in groups:
                    c.stats(group)
    except (OSError, AssertionError):
        pass


def test_the_end_comes_while_all_workers_ask_each_other():
    for _ in range(4):
        done = threading.Event()
        with Rend(workers=3) as rend:
            lazy = rend.client()
            lazy.say(b"stats conns\r\nstats\r\nstats latency\r\n" * 4000)
            groups = ("conns", "ops", "", "nodes", "latency", "policy", "items", "slabs", "settings")
            threads = [threading.Thread(target=hammer, args=(rend, groups, done)) for _ in range(6)]
            for t in threads:
                t.start()
            wait_for("them to be answered", lambda: int(rend.stats()["bytes_written"]) > 100_000)
            rend.send_signal(signal.SIGTERM)
            wait_for("it to be heard", lambda: rend.said("signal 15: no connection"))
            rend.send_signal(signal.SIGTERM)  # cuts those that do not read
            wait_for("the end", lambda: not rend.alive())
            done.set()
            for t in threads:
                t.join()
            lazy.close()


# ---- what is under way ----

def test_ops_under_way_are_shown():
    conf = lambda memcached: behind(memcached.server)
    with Memcached() as memcached, Rend(conf(memcached), workers=2) as rend, rend.client() as c:
        wait_for("both workers' connections", lambda: rend.stats("nodes").get("back.links_up") == "2")
        memcached.send_signal(signal.SIGSTOP)
        waiting = [rend.client() for _ in range(4)]
        waiting[0].say(b"get plain%key\r\n")
        waiting[1].say(b"set " + b"L" * 250 + b" 0 0 1\r\nx\r\n")
        key = b"a b\n\xff"
        waiting[2].say(struct.pack(">BBHBBHIIQ", 0x80, 0, len(key), 0, 0, 0, len(key), 0, 0) + key)
        waiting[3].say(b"get " + b" ".join(b"m%d" % i for i in range(40)) + b"\r\n")

        def shown():
            ops = [value for name, value in c.stats("ops").items() if "key=" in value]
            return {re.search("key=(.*)", op).group(1): op for op in ops}

        total = lambda: sum(int(value) for name, value in c.stats("ops").items() if name.endswith(":in_flight"))
        wait_for("all of them", lambda: total() == 43)
        ops = shown()
        same(sum("verb=get" in op or "verb=set" in op for op in ops.values()), len(ops))
        longest = "L" * 64 + "..."
        for key, verb in (("plain%25key", "get"), (longest, "set"), ("a%20b%0A%FF", "get")):
            if key in ops:
                assert re.fullmatch(rf"age_ms=\d+\.\d\d\d of=client verb={verb} node=back via=main row=- key={re.escape(key)}", ops[key]), ops[key]
        assert {"plain%25key", longest, "a%20b%0A%FF"} & set(ops)
        # At most so many of each node on each worker: the many are one worker's.
        assert 32 <= len(ops) <= 35, len(ops)
        age = lambda: max(float(re.search(r"age_ms=([\d.]+)", op).group(1)) for op in shown().values())
        first = age()
        wait_for("them to grow old", lambda: age() > first)
        same(c.stats("node back")["back.in_flight"], "43")
        memcached.send_signal(signal.SIGCONT)
        waiting[1].hear(b"STORED\r\n")
        waiting[0].hear(b"END\r\n")
        waiting[3].hear(b"END\r\n")
        same(total(), 0)
        found = c.stats("latency")
        assert float(found["node.back.max"]) > first * 1000, (found["node.back.max"], first)
        for whose in ("client.get", "client.store", "node.back", "node.main"):
            row = [float(found[f"{whose}.{q}"]) for q in ("p50", "p90", "p99", "p99.9", "p99.99", "max")]
            same(row, sorted(row))
        same([found[f"{w}.count"] for w in ("client.get", "client.store", "node.back", "node.main", "client.gat")], ["42", "1", "43", "43", "0"])
        for s in waiting:
            s.close()


def test_nodes_and_rows_are_counted():
    with Rend() as rend, rend.client() as c:
        c.ask(b"set a 0 0 1\r\n1\r\n", b"STORED\r\n").ask(b"get a b\r\n", b"VALUE a 0 1\r\n1\r\nEND\r\n")
        policy = c.stats("policy")
        same((policy["main.set.l1.yes"], policy["main.get.l1.yes"], policy["main.get.l1.no"], policy["main.get.l1.fail"]), ("1", "1", "1", "0"))
        same({k: v for k, v in c.stats("nodes").items() if k.startswith("mem.")}, c.stats("node mem"))
        assert set(c.stats("node main")) >= {"main.set.OK", "main.get.OK", "main.get.MISS", "main.in_flight", "main.late", "main.refused"}
        same(c.stats("node  main")["main.get.MISS"], "1")


HANG = r"""
#include <fcntl.h>
#include <unistd.h>
#include "rend/plugin.h"
struct conf { const char *gate; };
static const struct rend_option options[] = { REND_OPTION("gate", REND_STRING, conf, gate, NULL, NULL, "A FIFO."), { .name = NULL } };
static void
get(void *inst, struct rend_op *op)
{
	const struct conf *c = inst;
	close(open(c->gate, O_RDONLY));
	rend_done(op, REND_MISS);
}
static const struct rend_handler hang = { .name = "hang", .doc = "Blocks its worker until somebody opens the gate.", .conf_size = sizeof(struct conf),
	.options = options, .on = { [REND_GET] = get } };
REND_PLUGIN(.version = "1", .handler = &hang);
"""


def test_a_worker_that_hangs_is_left_out():
    folder = harness.tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
    os.chmod(folder, 0o755)
    source, gate = os.path.join(folder, "hang.c"), os.path.join(folder, "gate")
    with open(source, "w") as f:
        f.write(HANG)
    os.mkfifo(gate)
    subprocess.run(["cc", "-D_GNU_SOURCE", "-fPIC", "-shared", "-fvisibility=hidden", "-I", os.path.join(SOURCE, "core"), "-o",
                    os.path.join(folder, "hang.so"), source], check=True)
    shutil.copy(os.path.join(PLUGINS, "l1only.so"), folder)
    conf = f"""
handlers = {{ h = {{ plugin = "hang"; gate = "{gate}"; }}; }};
policies = {{ main = {{ plugin = "l1only"; l1 = "h"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""
    with Rend(conf, args=("-o", f"plugin_dir={folder}"), workers=2) as rend:
        # Connections go to the workers in turn.
        a, b, c = rend.client(), rend.client(), rend.client()
        for s in (a, b, c):
            s.ask(b"mn\r\n", b"MN\r\n")
        b.say(b"get x\r\n")
        hung = wait_for("it to hang", lambda: os.path.exists(gate) and not a.say(b"stats ops\r\n").until(b"END\r\n").count(b"1:in_flight"))
        assert hung
        a.say(b"stats ops\r\nstats conns\r\nmn\r\n")
        said = a.until(b"MN\r\n")
        same(said.count(b"STAT worker:1 silent\r\n"), 2)
        assert said.startswith(b"STAT 0:in_flight 0\r\nSTAT worker:1 silent\r\nEND\r\nSTAT "), said
        # A client that goes meanwhile, and one whose visit is out when the worker is back.
        c.say(b"stats ops\r\n")
        c.close()
        a.say(b"stats ops\r\n")
        os.close(os.open(gate, os.O_WRONLY))
        b.hear(b"END\r\n")
        a.until(b"END\r\n")
        wait_for("an answer from both", lambda: a.say(b"stats ops\r\n").until(b"END\r\n").count(b"in_flight") == 2)
        a.close()
        b.close()
    shutil.rmtree(folder)


# ---- prefixes ----

def test_prefixes_are_counted_as_memcached_does():
    rng = random.Random(2)
    keys = [b"a:1", b"a:2", b"b:1:2", b":x", b"plain", b"c\xff%:z", b"long" * 50 + b":1"]
    commands = [b"get K\r\n", b"get K K\r\n", b"set K 0 0 1\r\n1\r\n", b"add K 0 0 1\r\n1\r\n", b"cas K 0 0 1 1\r\n1\r\n", b"delete K\r\n",
                b"incr K 1\r\n", b"touch K 0\r\n", b"gat 0 K\r\n", b"append K 0 0 1\r\n1\r\n"]
    with Memcached() as memcached, Rend() as rend, Client(memcached.path) as theirs, rend.client() as ours:
        both = (theirs, ours)
        for c in both:
            c.ask(b"get off:1\r\n", b"END\r\n").ask(b"stats detail dump\r\n", b"END\r\n").ask(b"stats detail on\r\n", b"OK\r\n")
        for _ in range(400):
            command = rng.choice(commands).replace(b"K", rng.choice(keys))
            for c in both:
                c.say(command + b"mn\r\n").until(b"MN\r\n")
        dumps = [sorted(lines(c, b"stats detail dump")) for c in both]
        same(dumps[1], dumps[0])
        assert len(dumps[0]) == 5, dumps[0]
        same(ours.stats("settings")["detail_enabled"], "yes")
        for c in both:
            c.ask(b"stats detail off\r\n", b"OK\r\n").ask(b"get off:1\r\n", b"END\r\n")
        same(sorted(lines(ours, b"stats detail dump")), sorted(lines(theirs, b"stats detail dump")))
        same(sorted(lines(ours, b"stats detail dump")), dumps[0])


def test_prefixes_are_bounded():
    with Rend() as rend, rend.client() as c:
        c.ask(b"stats detail on\r\n", b"OK\r\n")
        fill_prefixes(c, 10300, 20)
        c.ask(b"set 000007pppppppppppp:k 0 0 1\r\n1\r\n", b"STORED\r\n")
        dump = lines(c, b"stats detail dump")
        same(len(dump), 10000)
        same(dump[7], b"PREFIX 000007pppppppppppp get 1 hit 0 set 1 del 0")
        same(c.stats()["detail_missed"], "300")
        c.ask(b"stats reset\r\n", b"RESET\r\n").ask(b"get new:1\r\n", b"END\r\n")
        same(lines(c, b"stats detail dump"), [b"PREFIX new get 1 hit 0 set 0 del 0"])
        same(c.stats()["detail_missed"], "0")


def test_prefixes_while_all_workers_count_and_others_reset():
    with Rend(workers=3) as rend:
        with rend.client() as c:
            c.ask(b"stats detail on\r\n", b"OK\r\n")

        def work(seed):
            rng = random.Random(seed)
            with rend.client() as w:
                for i in range(150):
                    w.say(b"".join(b"get p%d:x\r\n" % rng.randrange(2000) for _ in range(20)))
                    for _ in range(20):
                        w.hear(b"END\r\n")
                    if seed == 0 and i % 10 == 9:
                        w.ask(b"stats reset\r\n", b"RESET\r\n")
                    if seed == 1:
                        for line in lines(w, b"stats detail dump"):
                            assert re.fullmatch(rb"PREFIX p\d+ get \d+ hit 0 set 0 del 0", line), line
                    if seed == 2 and i % 5 == 0:
                        w.ask(b"stats detail %s\r\n" % (b"off" if i % 2 else b"on"), b"OK\r\n")

        failed = []

        def run(seed):
            try:
                work(seed)
            except BaseException as e:
                failed.append(e)

        threads = [threading.Thread(target=run, args=(seed,)) for seed in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not failed, failed[0]


# ---- the binary protocol ----

def binary_stats(c, group):
    """All packets: (status, name, value)."""
    c.say(struct.pack(">BBHBBHIIQ", 0x80, 0x10, len(group), 0, 0, 0, len(group), 7, 0) + group)
    found = []
    while True:
        while len(c.heard) < 24:
            c._more()
        magic, opcode, keylen, extlen, _, status, length, opaque, _ = struct.unpack(">BBHBBHIIQ", c.heard[:24])
        same((magic, opcode, extlen, opaque), (0x81, 0x10, 0, 7))
        while len(c.heard) < 24 + length:
            c._more()
        body, c.heard = c.heard[24:24 + length], c.heard[24 + length:]
        found.append((status, body[:keylen], body[keylen:]))
        if status != 0 or length == 0:
            return found


def test_binary_clients_get_the_same():
    with Memcached() as memcached, Rend(workers=3) as rend, rend.client() as text:
        theirs, ours = Client(memcached.path), rend.client()
        for group in (b"detail on", b"detail dump", b"sizes", b"reset", b"reset x", b"bogus", b"detail bogus", b"cachedump 1 0", b"detail off"):
            same(binary_stats(ours, group), binary_stats(theirs, group))
        text.ask(b"stats detail on\r\n", b"OK\r\n").ask(b"get a:1 b:2\r\n", b"END\r\n")
        dump = b"".join(line + b"\r\n" for line in lines(text, b"stats detail dump")) + b"END\r\n"
        same(binary_stats(ours, b"detail dump"), [(0, b"detailed", dump), (0, b"", b"")])
        for group in (b"", b"settings", b"items", b"slabs", b"nodes", b"node mem", b"policy", b"latency", b"conns", b"ops"):
            said = binary_stats(ours, group)
            same(said[-1], (0, b"", b""))
            same([name for _, name, _ in said[:-1]], [line.split(b" ")[1] for line in lines(text, b"stats " + group)])
        fill_prefixes(text, 3000, 240)
        said = binary_stats(ours, b"detail dump")
        assert len(said) > 3
        same({name for _, name, _ in said[:-1]}, {b"detailed"})
        same(b"".join(value for _, _, value in said), b"".join(line + b"\r\n" for line in lines(text, b"stats detail dump")) + b"END\r\n")
        theirs.close()
        ours.close()


# ---- tools, as they are ----

def run_tool(*argv, **kw):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, **kw)
    assert done.returncode == 0, (argv, done)
    return done.stdout


def test_memcached_tool():
    with Rend(INMEM.replace("64MiB", "16MiB")) as rend, rend.client() as c:
        address = f"127.0.0.1:{rend.port}"
        for i in range(1500):
            c.say(b"set k%d 0 0 20000 noreply\r\n" % i + b"v" * 20000 + b"\r\n")
        c.ask(b"mn\r\n", b"MN\r\n")
        found = c.stats()
        assert int(found["evictions"]) > 0
        display = run_tool("perl", TOOL, address, "display").splitlines()
        same(len(display), 2)
        number, size, age, pages, count, full, evicted, evict_time, oom = display[1].split()
        same((number, age, count, evicted, evict_time, oom), ("1", "0s", found["curr_items"], found["evictions"], "0", "0"))
        same(size, f"{int(c.stats('slabs')['1:chunk_size']) / 1024:.1f}K")
        assert 10 <= int(pages) <= 16 and full in ("yes", "no"), display
        for mode, group in (("stats", ""), ("settings", "settings"), ("sizes", "sizes")):
            rows = [line.split(None, 1) for line in run_tool("perl", TOOL, address, mode).splitlines()[1:]]
            same({name for name, _ in rows}, set(c.stats(group)))
        rows = dict(line.split() for line in run_tool("perl", TOOL, address, "stats").splitlines()[1:])
        same(rows["evictions"], found["evictions"])


def test_memcstat():
    with Rend() as rend, rend.client() as c:
        c.ask(b"set a 0 0 1\r\n1\r\n", b"STORED\r\n").ask(b"get a x\r\n", b"VALUE a 0 1\r\n1\r\nEND\r\n")
        server = f"--servers=127.0.0.1:{rend.port}"
        for args in ((), ("--binary",)):
            said = run_tool("memcstat", server, *args)
            rows = dict(re.findall(r"^\s*(\S+): (.*)$", said, re.M))
            same({n: rows[n] for n in ("get_hits", "get_misses", "curr_items", "pid")},
                 {"get_hits": "1", "get_misses": "1", "curr_items": "1", "pid": str(rend.child.pid)})
            same(set(c.stats()) - set(rows), set())
        rows = dict(re.findall(r"^\s*(\S+): (.*)$", run_tool("memcstat", server, "--args=settings"), re.M))
        same(rows["maxconns"], "1024")


@harness.only_long
def test_collectd():
    """Its memcached plugin, unchanged."""
    with Rend() as rend, rend.client() as c:
        c.ask(b"set a 0 0 1\r\n1\r\n", b"STORED\r\n").ask(b"get a x\r\n", b"VALUE a 0 1\r\n1\r\nEND\r\n")
        conf = os.path.join(rend.folder, "collectd.conf")
        with open(conf, "w") as f:
            f.write(f"""
Hostname "here"
FQDNLookup false
BaseDir "{rend.folder}"
PIDFile "{rend.folder}/pid"
TypesDB "/usr/share/collectd/types.db"
Interval 1
LoadPlugin memcached
LoadPlugin csv
<Plugin memcached>
  <Instance "rend">
    Address "127.0.0.1"
    Port "{rend.port}"
  </Instance>
</Plugin>
<Plugin csv>
  DataDir "{rend.folder}/csv"
</Plugin>
""")
        collectd = subprocess.Popen(["/usr/sbin/collectd", "-f", "-C", conf], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            folder = os.path.join(rend.folder, "csv", "here", "memcached-rend")

            def values(name):
                """The newest row of a file whose name begins so, by column."""
                for file in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
                    if file.startswith(name + "-20"):
                        with open(os.path.join(folder, file)) as f:
                            rows = [line.rstrip("\n").split(",") for line in f if line.endswith("\n")]
                        if len(rows) > 1:
                            return dict(zip(rows[0], rows[-1]))
                return None

            for name, column, value in (("memcached_connections-current", "value", 2), ("memcached_items-current", "value", 1),
                                        ("ps_count", "threads", 2)):
                row = wait_for(name, lambda: values(name))
                same((name, float(row[column])), (name, value))

            def hit_ratio():
                """Of the last second, so there has to be something in it."""
                c.ask(b"get a x\r\n", b"VALUE a 0 1\r\n1\r\nEND\r\n")
                row = values("percent-hitratio")
                return row and row["value"] != "nan" and float(row["value"])

            assert 40 < wait_for("the ratio of hits", hit_ratio) < 60
            files = os.listdir(folder)
            for name in ("df-cache", "memcached_command-get", "memcached_command-set", "memcached_ops-hits", "memcached_ops-misses", "memcached_ops-evictions",
                         "memcached_octets", "ps_cputime"):
                assert any(f.startswith(name + "-20") for f in files), (name, files)
        finally:
            collectd.terminate()
            said = collectd.communicate(timeout=300)[0].decode()
        complaints = [line for line in said.splitlines() if line.startswith("memcached plugin") and "connection established" not in line]
        assert not complaints, complaints


if __name__ == "__main__":
    harness.main()
