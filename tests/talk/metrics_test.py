#!/usr/bin/python3
"""/metrics: every number is what was done, and Prometheus's own tool finds nothing to say about any of it."""
import os
import re
import struct
import subprocess
import tempfile
import threading

import harness
from conf_test import TOP, TWO_TIERS, Folder
from harness import Client, wait_for
from scripted_backend import ScriptedBackend
from watcher import Watched, fixture, promtool

TWO_LISTENERS = """
handlers = { mem = { plugin = "inmem"; memory = "64MiB"; }; };
policies = { main = { plugin = "l1only"; l1 = "mem"; }; };
listeners = ( { port = 0; policy = "main"; }, { port = 0; policy = "main"; } );
"""


def label(rend, which=0):
    return rend.names()[which]


class Counting(Client):
    """A client that knows how many bytes it has said and heard."""

    def __init__(self, address):
        super().__init__(address)
        self.out = self.into = 0

    def ask(self, question, answer):
        self.out += len(question)
        self.into += len(answer)
        return super().ask(question, answer)


def text_session(c):
    """Commands of the classic protocol; returns how they must be counted."""
    c.ask(b"set a 0 0 1\r\n1\r\n", b"STORED\r\n")
    c.ask(b"add a 0 0 1\r\n1\r\n", b"NOT_STORED\r\n")
    c.ask(b"get a\r\nget b\r\nget a b c a\r\n", b"VALUE a 0 1\r\n1\r\nEND\r\nEND\r\n" + b"VALUE a 0 1\r\n1\r\n" * 2 + b"END\r\n")
    c.ask(b"incr a 2\r\nincr b 1\r\ndecr a 1\r\n", b"3\r\nNOT_FOUND\r\n2\r\n")
    c.ask(b"set w 0 0 1\r\nx\r\nincr w 1\r\n", b"STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n")
    c.ask(b"cas b 0 0 1 1\r\n1\r\n", b"NOT_FOUND\r\n")
    c.ask(b"cas a 0 0 1 999999\r\n1\r\n", b"EXISTS\r\n")
    c.ask(b"touch a 0\r\ntouch b 0\r\ngat 0 a b\r\n", b"TOUCHED\r\nNOT_FOUND\r\nVALUE a 0 1\r\n2\r\nEND\r\n")
    c.ask(b"delete w\r\ndelete w\r\n", b"DELETED\r\nNOT_FOUND\r\n")
    c.ask(b"set big 0 0 2000000\r\n" + b"x" * 2000000 + b"\r\n", b"SERVER_ERROR object too large for cache\r\n")
    c.ask(b"append a 0 0 1\r\n3\r\nprepend b 0 0 1\r\n3\r\nreplace a 0 0 1\r\n4\r\n", b"STORED\r\nNOT_STORED\r\nSTORED\r\n")
    c.ask(b"nonsense\r\n", b"ERROR\r\n")
    c.ask(b"version\r\n", b"VERSION " + c.version + b"\r\n")
    c.ask(b"flush_all\r\nget a\r\n", b"OK\r\nEND\r\n")
    return {("get", "ok"): 3, ("get", "miss"): 4, ("gat", "ok"): 1, ("gat", "miss"): 1,
            ("store", "ok"): 4, ("store", "not_stored"): 2, ("store", "too_big"): 1,
            ("cas", "miss"): 1, ("cas", "exists"): 1,
            ("incr", "ok"): 1, ("incr", "miss"): 1, ("incr", "not_a_number"): 1, ("decr", "ok"): 1,
            ("touch", "ok"): 1, ("touch", "miss"): 1, ("delete", "ok"): 1, ("delete", "miss"): 1, ("flush", "ok"): 1}


def meta_session(c):
    c.ask(b"ms m 1\r\nv\r\nmg m v\r\nmg n v\r\nmg m v T0\r\nmd m\r\nmd m\r\nma m N0\r\nmn\r\n",
          b"HD\r\nVA 1\r\nv\r\nEN\r\nVA 1\r\nv\r\nHD\r\nNF\r\nHD\r\nMN\r\n")
    return {("store", "ok"): 1, ("get", "ok"): 1, ("get", "miss"): 1, ("gat", "ok"): 1, ("delete", "ok"): 1,
            ("delete", "miss"): 1, ("incr", "ok"): 1}


def binary(opcode, key=b"", extras=b"", value=b""):
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0, len(key) + len(extras) + len(value), 7, 0) \
        + extras + key + value


def binary_session(c):
    questions = [binary(0x01, b"k", bytes(8), b"v"), binary(0x00, b"k"), binary(0x00, b"none"), binary(0x04, b"k")]
    for q in questions:
        c.say(q)
        c.out += len(q)
        head = c.sock.recv(24, 0x100)  # MSG_WAITALL
        body = struct.unpack(">I", head[8:12])[0]
        got = c.sock.recv(body, 0x100) if body else b""
        c.into += 24 + len(got)
    return {("store", "ok"): 1, ("get", "ok"): 1, ("get", "miss"): 1, ("delete", "ok"): 1}


def requests(samples):
    """{(listener, protocol, command, outcome): count} without zeros."""
    return {(l, p, c, o): n for (c, l, o, p), n in samples.all("rend_requests_total").items()}


def test_a_scrape_of_a_server_that_has_done_nothing():
    with Watched() as rend:
        m = rend.scrape()
        promtool(m.text)
        assert m.get("rend_build_info", version=m.text.split('version="')[1].split('"')[0],
                     libevent=m.text.split('libevent="')[1].split('"')[0], abi=m.text.split('abi="')[1].split('"')[0]) == 1
        assert requests(m) == {}
        assert m.get("rend_requests_total", listener=label(rend), protocol="meta", command="get", outcome="ok") == 0
        assert m.get("rend_connections", listener=label(rend)) == 0
        assert m.get("rend_ready") == 1 and m.get("rend_workers") == 2 and m.get("rend_config_generation") == 1
        assert m.get("rend_request_duration_seconds_count", command="get") == 0
        assert m.get("rend_node_memory_bytes", node="mem") == m.get("rend_inmem_bytes", node="mem") > 0
        assert ("main",) not in m.all("rend_node_memory_bytes")
        assert m.get("rend_node_up", node="mem") == 1 and m.get("rend_node_workers_up", node="mem") == 2
        assert m.get("rend_inmem_limit_maxbytes", node="mem") == 64 << 20
        assert m.get("rend_metrics_left_out") == 0


def test_what_clients_did_is_counted_exactly():
    with Watched(TWO_LISTENERS) as rend:
        version = rend.stats()["version"].encode()
        # What was written is counted when it has been written; a client may have read it by then.
        wait_for("the connection to be gone", lambda: rend.scrape().sum("rend_connections") == 0)
        before = rend.scrape()
        expected, out, into = {}, 0, 0
        for which, protocol, session in ((0, "text", text_session), (1, "meta", meta_session), (1, "binary", binary_session),
                                         (1, "text", text_session)):
            c = Counting(rend.address(which))
            c.version = version
            for (command, outcome), n in session(c).items():
                expected[label(rend, which), protocol, command, outcome] = n
            out += c.out
            into += c.into
            c.close()
        wait_for("the connections to be gone", lambda: rend.scrape().sum("rend_connections") == 0)
        m = rend.scrape()
        promtool(m.text)
        assert requests(m) == expected, {k: (requests(m).get(k), expected.get(k)) for k in set(expected) | set(requests(m))
                                         if requests(m).get(k) != expected.get(k)}
        assert m.get("rend_bytes_total", direction="read") - before.get("rend_bytes_total", direction="read") == out
        assert m.get("rend_bytes_total", direction="written") - before.get("rend_bytes_total", direction="written") == into
        assert m.get("rend_requests_refused_total") == 2
        assert m.get("rend_connections_total", listener=label(rend, 0)) == 2  # one for stats
        assert m.get("rend_connections_total", listener=label(rend, 1)) == 3
        for command in {c for _, _, c, _ in expected}:
            n = sum(v for (_, _, c, _), v in expected.items() if c == command)
            assert m.get("rend_request_duration_seconds_count", command=command) == n, command
            assert m.get("rend_request_duration_seconds_bucket", command=command, le="+Inf") == n, command
        check_nodes(m, expected)
        # What the two ways to ask have in common.
        stats = rend.stats()
        gets = sum(v for (_, _, c, _), v in expected.items() if c == "get")
        assert int(stats["cmd_get"]) == gets and int(stats["get_hits"]) == sum(
            v for (_, _, c, o), v in expected.items() if c == "get" and o == "ok")


def check_nodes(m, expected):
    """Each of them was asked once of the policy, and by it once of the handler; what was too large is a delete to them."""
    verbs = {"get": ["get"], "gat": ["get"], "store": ["set", "add", "replace", "append", "prepend"], "cas": ["set"],
             "incr": ["incr"], "decr": ["decr"], "touch": ["touch"], "delete": ["delete"], "flush": ["flush_all"]}
    asked = {}
    for (_, _, command, outcome), n in expected.items():
        if outcome == "too_big":
            command, outcome = "delete", "miss"
        for verb in (["get"] if command in ("get", "gat") else [command]):
            asked[verb, outcome] = asked.get((verb, outcome), 0) + n
    for node in ("mem", "main"):
        got = {}
        for (n, outcome, verb), v in m.all("rend_node_ops_total").items():
            if n != node:
                continue
            command = next(c for c, vs in verbs.items() if verb in vs)
            if command == "store" and outcome in ("miss", "exists"):
                command = "cas"
            got[command, outcome] = got.get((command, outcome), 0) + v
        assert got == asked, (node, got, asked)
        assert m.get("rend_node_duration_seconds_count", node=node) == sum(asked.values())
    steps = m.all("rend_policy_steps_total")
    by_outcome = {o: sum(v for (has, *_), v in steps.items() if has == o) for o in ("yes", "no", "fail")}
    yes = sum(v for (_, o), v in asked.items() if o == "ok")
    assert by_outcome == {"yes": yes, "no": sum(asked.values()) - yes, "fail": 0}, by_outcome


def test_scrapes_under_load_are_clean_and_never_go_back():
    rounds, threads = 150, 4
    with Watched() as rend:
        def work():
            with rend.client() as c:
                for i in range(rounds):
                    c.ask(b"set k 0 0 1\r\nx\r\n" + b"get k\r\n" * 8, b"STORED\r\n" + b"VALUE k 0 1\r\nx\r\nEND\r\n" * 8)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for w in workers:
            w.start()
        before, scrapes = None, 0
        while any(w.is_alive() for w in workers) or scrapes < 3:
            m = rend.scrape()
            promtool(m.text)
            if before is not None:
                for key, value in before.values.items():
                    if key[0].endswith(("_total", "_count", "_bucket", "_sum")):
                        assert m.values[key] >= value, (key, value, m.values[key])
            for (name, labels), n in m.values.items():
                if name.endswith("_count"):
                    assert n == m.values[name[:-6] + "_bucket", labels | {("le", "+Inf")}], name
            before, scrapes = m, scrapes + 1
        for w in workers:
            w.join()
        m = rend.scrape()
        assert m.sum("rend_requests_total", command="get", outcome="ok") == rounds * threads * 8
        assert m.sum("rend_requests_total", command="store", outcome="ok") == rounds * threads


def test_what_plugins_register_is_there_by_name_and_node():
    conf = f"""
handlers = {{ one = {{ plugin = "{fixture('shows')}"; }}; two = {{ plugin = "{fixture('shows')}"; }}; }};
policies = {{ a = {{ plugin = "l1only"; l1 = "one"; }}; b = {{ plugin = "l1only"; l1 = "two"; }}; }};
listeners = ( {{ port = 0; policy = "a"; }}, {{ port = 0; policy = "b"; }} );
"""
    with Watched(conf) as rend:
        with rend.client(0) as c:
            for us in (1, 20, 20, 3000, 20000000):
                c.ask(b"get %d\r\n" % us, b"END\r\n")
        with rend.client(1) as c:
            c.ask(b"get 1\r\n", b"END\r\n")
        m = rend.scrape()
        promtool(m.text)
        assert m.get("rend_shows_gets_total", node="one") == 5 and m.get("rend_shows_gets_total", node="two") == 1
        assert m.get("rend_shows_both_total", node="one") == 5
        assert m.get("rend_shows_seven", node="two") == 7
        assert m.types["rend_shows_gets_total"] == "counter" and m.types["rend_shows_waits_seconds"] == "histogram"
        assert m.help["rend_shows_gets_total"] == 'Gets, by "name",\\nin C:\\\\.'
        buckets = [m.get("rend_shows_waits_seconds_bucket", node="one", le=le) for le in
                   ("1e-05", "2.5e-05", "0.001", "0.0025", "0.005", "10", "+Inf")]
        assert buckets == [1, 3, 3, 3, 4, 4, 5], buckets
        assert abs(m.get("rend_shows_waits_seconds_sum", node="one") - 20.003041) < 1e-9
        # The gauge gets_total has the name of the counter; the rest was refused when it was registered.
        assert m.get("rend_metrics_left_out") == 1
        assert "undocumented" not in m.text and "Bad" not in m.text and "1st" not in m.text
        for said in (r'one: "Bad Name" is no name for a metric', r'two: "1st" is no name', r'one: "" is no name',
                     r"two: metric seven is registered twice", r"one: metric undocumented has no doc"):
            assert rend.said(said), (said, rend.tail())


def test_rows_of_a_policy():
    with Folder() as f:
        conf = f"""
handlers = {{ m1 = {{ plugin = "inmem"; }}; m2 = {{ plugin = "inmem"; }}; }};
policies = {{ main = {{ plugin = "{f.compile('two', TWO_TIERS)}"; l1 = "m1"; l2 = "m2"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""
        with Watched(conf) as rend:
            with rend.client() as c:
                for _ in range(3):
                    c.ask(b"set k 0 0 1\r\nx\r\n", b"STORED\r\n")
                assert c.say(b"get k\r\n").line().startswith(b"SERVER_ERROR"), "the policy has no table for get"
            m = rend.scrape()
            promtool(m.text)
            assert m.all("rend_policy_steps_total") == {("yes", "main", "l2", "set"): 3, ("yes", "main", "l1", "set"): 3}
            assert m.all("rend_node_ops_total").get(("main", "unsupported", "get")) == 1
            assert m.get("rend_node_ops_total", node="m1", verb="set", outcome="ok") == 3


def test_nasty_names_of_listeners():
    nasty = 'q"uote b\\ack n\newline {x="y"} \u00e4'
    folder = tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
    path = os.path.join(folder, nasty)
    written = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    conf = f"""
handlers = {{ mem = {{ plugin = "inmem"; }}; }};
policies = {{ main = {{ plugin = "l1only"; l1 = "mem"; }}; }};
listeners = ( {{ path = "{written}"; policy = "main"; }} );
"""
    with Watched(conf) as rend:
        with Client(path) as c:
            c.ask(b"get a\r\n", b"END\r\n")
            m = rend.scrape()
            promtool(m.text)
            assert m.get("rend_connections", listener="unix:" + path) == 1
            assert m.get("rend_requests_total", listener="unix:" + path, protocol="text", command="get", outcome="miss") == 1


def test_a_backend_in_numbers():
    held = threading.Event()

    def misbehave(conn, request):
        if request.key == "slow":
            assert held.wait(harness.PATIENCE)
        return None

    with ScriptedBackend(misbehave) as backend, Watched(harness.behind(backend.server, 'request_timeout = "1h"; connect_timeout = "60s";')) as rend:
        with rend.client() as c:
            c.ask(b"set a 0 0 1\r\nx\r\nget a\r\nget b\r\n", b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\nEND\r\n")
            c.say(b"get slow\r\n")
            wait_for("an op in flight", lambda: rend.scrape().get("rend_node_in_flight", node="back") == 1)
            held.set()
            c.hear(b"END\r\n")
        m = rend.scrape()
        promtool(m.text)
        assert m.get("rend_node_in_flight", node="back") == 0
        assert m.get("rend_node_duration_seconds_sum", node="back") > 0
        assert m.get("rend_memcached_bytes_written_total", node="back") > 0
        assert m.get("rend_memcached_connects_total", node="back") >= 1


def test_connections_that_are_turned_away_or_closed():
    with Watched(fields='max_connections = 2; idle_timeout = "2s";') as rend:
        with rend.client() as a, rend.client() as b:
            c = rend.client()
            c.hear(b"ERROR Too many open connections\r\n")
            c.hear_end()
            a.hear_end()
            b.hear_end()
        wait_for("both to be counted", lambda: rend.scrape().get("rend_connections_closed_total", reason="idle") == 2)
        m = rend.scrape()
        assert m.get("rend_connections_rejected_total", listener=label(rend)) == 1
        assert m.get("rend_connections_limit") == 2
        assert m.get("rend_connections", listener=label(rend)) == 0


def test_the_process():
    with Watched() as rend:
        with rend.client() as c:
            c.ask(b"get a\r\n", b"END\r\n")
            m = rend.scrape()
            # Ours, and that of the scrape, which is over.
            assert abs(m.get("process_open_fds") - rend.fds()) <= 2, (m.get("process_open_fds"), rend.fds())
            assert abs(m.get("process_resident_memory_bytes") / 1024 - rend.rss_kb()) < 8192
            with open(f"/proc/{rend.child.pid}/stat") as f:
                ticks = int(f.read().rsplit(")", 1)[1].split()[19])
            with open("/proc/stat") as f:
                booted = int(next(line for line in f if line.startswith("btime")).split()[1])
            assert abs(m.get("process_start_time_seconds") - (booted + ticks / os.sysconf("SC_CLK_TCK"))) <= 3
            assert m.get("process_cpu_seconds_total") > 0


def test_a_reset_of_stats_takes_nothing_away():
    with Watched() as rend:
        with rend.client() as c:
            c.ask(b"get a\r\nget b\r\n", b"END\r\nEND\r\n")
            c.ask(b"stats reset\r\n", b"RESET\r\n")
        assert rend.stats()["cmd_get"] == "0"
        assert rend.scrape().sum("rend_requests_total", command="get") == 2


# ---- the paper ----

BOTH = """
handlers = { mem = { plugin = "inmem"; }; back = { plugin = "memcached"; servers = [ "127.0.0.1:1" ]; }; };
policies = { main = { plugin = "l1only"; l1 = "mem"; }; other = { plugin = "l1only"; l1 = "back"; }; };
listeners = ( { port = 0; policy = "main"; }, { port = 0; policy = "other"; } );
"""


def paper():
    with open(os.path.join(TOP, "docs", "metrics.md")) as f:
        return f.read()


def test_the_paper_has_every_metric_and_no_other():
    with Watched(BOTH) as rend:
        families = set(rend.scrape().types)
    core = {name for name in families if not name.startswith(("rend_inmem_", "rend_memcached_"))}
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \| ", paper(), re.M)
    documented = {name for row in rows for name in re.findall(r"(?:rend|process)_[a-z_]+", row)}
    assert documented == core, (documented - core, core - documented)
    mentioned = {re.sub(r"_bucket$", "", name) for name in re.findall(r"\b(?:rend|process)_[a-z_]+", paper())}
    assert mentioned <= families, mentioned - families


def test_the_alerts_of_the_paper_are_good():
    rules = next(block for block in re.findall(r"```yaml\n(.*?)```", paper(), re.S) if block.startswith("groups:"))
    with Folder() as f:
        f.write("rules.yml", rules)
        got = subprocess.run(["promtool", "check", "rules", "rules.yml"], cwd=f.path, capture_output=True, text=True, timeout=300)
        assert got.returncode == 0 and "SUCCESS: 5 rules found" in got.stdout, (got.stdout, got.stderr)


harness.main()
