#!/usr/bin/python3
"""The admin port: who is answered and who is not, what it costs to abuse it, and what /readyz says while things come and go."""
import http.client
import random
import resource
import select
import signal
import socket
import threading
import time

import harness
from conf_test import CONFIG, GOOD, OS_ERROR, Folder, exits, same
from harness import Memcached, wait_for
from scripted_backend import ScriptedBackend
from watcher import Watched, promtool

# The bounds that docs/metrics.md promises.
CONNS_MAX, CONN_S, HEADERS_MAX = 64, 10, 8192


def status_of(answer):
    """The status of what came back; None: nothing did."""
    if not answer:
        return None
    assert answer.startswith(b"HTTP/1."), answer[:100]
    return int(answer.split(b" ", 2)[1])


def many_listeners():
    """A configuration whose metrics are more than the kernel keeps for a connection."""
    return harness.INMEM.replace('{ port = 0; policy = "main"; }', ", ".join('{ port = 0; policy = "main"; }' for _ in range(60)))


def get(path, host="127.0.0.1", version="1.1", more=b""):
    return f"GET {path} HTTP/{version}\r\nHost: {host}\r\n".encode() + more + b"\r\n"


# ---- pages ----

def test_pages():
    with Watched() as rend:
        status, headers, text = rend.ask("/")
        assert status == 200 and "/metrics" in text and "/readyz?verbose" in text
        assert headers["Content-Type"] == "text/plain; charset=utf-8"
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Content-Security-Policy"] == "default-src 'none'"
        assert headers["Connection"] == "close"
        assert rend.ask("/livez")[::2] == (200, "ok\n")
        assert rend.ask("/readyz")[::2] == (200, "ok\n")
        for query in ("?verbose", "?verbose=1", "?a=b&verbose", "?verbose&x"):
            text = rend.ask("/readyz" + query)[2]
            assert text.endswith("\nok\n") and "[+] worker 1 turns\n" in text and "[+] node mem is reached by 2 of 2 workers\n" in text, text
        for query in ("?", "?verbos", "?verboses", "?a=verbose", "?=verbose"):
            assert rend.ask("/readyz" + query)[2] == "ok\n", query
        for path in ("/metrics/", "/metrics%00", "/./metrics", "/../metrics", "/Metrics", "/%6detrics", "/metrics;x", "/x" * 1000):
            assert rend.status(path) == 404, path


def test_methods():
    with Watched() as rend:
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW", "get", "GETS", "PROPFIND"):
            status, headers, _ = rend.ask("/metrics", method)
            assert status == 405 and headers["Allow"] == "GET, HEAD", (method, status)
        assert rend.ask("/metrics", "POST", body="x" * 100)[0] == 405
        status, headers, text = rend.ask("/metrics", "HEAD")
        assert status == 200 and text == "" and int(headers["Content-Length"]) > 1000
        # evhttp takes only an authority for it, and nobody wants it in any case.
        assert status_of(rend.raw(b"CONNECT 127.0.0.1:80 HTTP/1.1\r\n\r\n")) in (400, 405)
        m = rend.scrape()
        assert m.get("rend_admin_requests_total", result="refused") >= 11
        assert m.get("rend_admin_requests_total", result="answered") == 1


def test_names_of_hosts():
    with Watched() as rend:
        port = rend.admin_address()[1]
        for host in ("127.0.0.1", f"127.0.0.1:{port}", "localhost", f"LocalHost:{port}", "[::1]", f"[::1]:{port}", "10.1.2.3:80"):
            assert status_of(rend.raw(get("/livez", host))) == 200, host
        for host in ("evil.example", f"evil.example:{port}", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::1", "[]", "::1",
                     "[" + "1" * 100 + "]", "127.0.0.1@evil.example", "1.2.3", ":"):
            assert status_of(rend.raw(get("/livez", host))) == 421, host
        # The older protocol has no hosts; what is asked of a proxy names one, too.
        assert status_of(rend.raw(b"GET /livez HTTP/1.0\r\n\r\n")) == 200
        for url, expected in (("http://127.0.0.1/livez", 200), ("http://localhost:1/livez", 200), ("http://evil.example/livez", 421),
                              ("http://user@evil.example:80/livez", 421), ("http://127.0.0.1", 200), ("ftp://127.0.0.1/livez", 200)):
            assert status_of(rend.raw(get(url))) == expected, url
        assert status_of(rend.raw(get("http://evil.example/livez", "127.0.0.1"))) == 421


def test_one_that_is_open_answers_to_any_name():
    with Watched(admin='admin = { address = "0.0.0.0"; port = 0; };') as rend:
        wait_for("the port", lambda: rend.said("admin port at 0.0.0.0:"))
        assert status_of(rend.raw(get("/livez", "rend1.example:9211"))) == 200
        wait_for("the log to say so", lambda: rend.said(r"admin: 0\.0\.0\.0 is open to other machines, and whoever reaches it may see what is asked of rend"))


def test_the_older_protocol():
    with Watched() as rend:
        for ask in (b"GET /livez HTTP/1.0\r\n\r\n", b"GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"):
            answer = rend.raw(ask)
            head, _, body = answer.partition(b"\r\n\r\n")
            assert status_of(answer) == 200 and body == b"ok\n" and b"Content-Length: 3" in head, answer
        assert status_of(rend.raw(b"GET /livez\r\n\r\n")) in (400, None)
        assert status_of(rend.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) in (400, 405, None)


def test_one_request_is_all_a_connection_is_for():
    with Watched() as rend:
        for more in (b"", b"Connection: keep-alive\r\n", b"Proxy-Connection: keep-alive\r\n"):
            for path in ("/livez", "http://127.0.0.1/livez"):
                answer = rend.raw(get(path, more=more) * 50)
                assert answer.count(b"HTTP/1.1 200") == 1 and answer.endswith(b"\r\n\r\nok\n"), answer
        # Also a long answer is whole, whatever was said behind the question.
        answer = rend.raw(get("/metrics") + b"x" * 3000)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        assert len(body) == length
        promtool(body.decode())


def test_a_client_that_has_said_all_it_has_to_say():
    with Watched(many_listeners()) as rend:
        for _ in range(20):
            head, _, body = rend.raw(get("/metrics"), half_close=True).partition(b"\r\n\r\n")
            assert len(body) == int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
            promtool(body.decode())
        wait_for("them to be gone", lambda: rend.scrape().get("rend_admin_connections") <= 1)


# ---- abuse ----

def works(rend):
    """It still serves both ways."""
    with rend.client() as c:
        c.ask(b"set k 0 0 1\r\nx\r\nget k\r\n", b"STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n")
    promtool(rend.scrape().text)


HOSTILE = [
    b"\r\n\r\n", b"\n\n", b"\0" * 100 + b"\r\n\r\n", b"\xff" * 1000 + b"\r\n\r\n", b"GET\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/1.1", b" GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/-1.1\r\n\r\n", b"GET / HTTP/1.99999999999\r\n\r\n", b"GET / HTTP\r\n\r\n", b"GET  / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"GET / HTTP/1.1\r\n: empty\r\n\r\n", b"GET / HTTP/1.1\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\tmore\r\n\r\n", b"GET / HTTP/1.1\r\nA\0: b\0c\r\n\r\n", b"GET / HTTP/1.1\nHost: localhost\n\n",
    b"GET /\r\nHost: x HTTP/1.1\r\n\r\n", b"GET /%zz%%% HTTP/1.1\r\n\r\n", b"GET http:///// HTTP/1.1\r\n\r\n", b"GET http://[::::/ HTTP/1.1\r\n\r\n",
    b"GET http://127.0.0.1:99999999/ HTTP/1.1\r\n\r\n", b"GET * HTTP/1.1\r\n\r\n", b"GET ? HTTP/1.1\r\n\r\n", b"GET # HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 9223372036854775807\r\n\r\nx", b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nxxxxxx",
    b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000,
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + b"x" * 4096 + b"\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n" + b"y: z\r\n" * 5000,
    b"POST / HTTP/1.1\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n0123456789", b"POST / HTTP/1.1\r\nContent-Length: 1\r\nExpect: miracles\r\n\r\nx",
    b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", b"GET /livez HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nA: " + b"b" * 1000000 + b"\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 100000 + b"\r\n",
    b"a" * 1000000, b"GET / HTTP/1.1\r\n" + b"\r" * 10000 + b"\n", b"get k\r\nset k 0 0 1\r\nx\r\n",
]


def test_hostile_requests():
    with Watched() as rend:
        works(rend)
        before = rend.rss_kb()
        for ask in HOSTILE:
            # Those that stop in the middle say so, or they would be waited for.
            answer = rend.raw(ask, half_close=True)
            assert status_of(answer) in (None, 200, 400, 404, 405, 413, 417, 421, 505), (ask[:80], answer[:200])
            assert rend.alive(), ask[:80]
        works(rend)
        wait_for("all of them to be gone", lambda: rend.scrape().get("rend_admin_connections") <= 1)
        if not harness.sanitized():
            assert rend.rss_kb() - before < 8192, (before, rend.rss_kb())


def test_requests_that_are_damaged():
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    good = [get("/metrics", more=b"Accept: text/plain\r\nUser-Agent: x\r\n"), get("http://localhost/readyz?verbose"),
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"]
    with Watched() as rend:
        for _ in range(300):
            data = bytearray(rng.choice(good))
            for _ in range(rng.randrange(1, 6)):
                at = rng.randrange(len(data))
                kind = rng.randrange(3)
                if kind == 0:
                    data[at] = rng.randrange(256)
                elif kind == 1:
                    del data[at:at + rng.randrange(1, 10)]
                else:
                    data[at:at] = bytes(rng.choice(b"\r\n :/\0HTP1.%") for _ in range(rng.randrange(1, 10)))
                if not data:
                    data = bytearray(b"\n")
            answer = rend.raw(bytes(data), half_close=True)
            status_of(answer)
            assert rend.alive(), (seed, bytes(data))
        works(rend)


def connected(rend, count):
    """So many connections, or as many as the kernel lets in: nobody waits for more."""
    socks = []
    for i in range(count):
        s = socket.socket()
        s.bind(("127.0.0.%d" % (2 + i % 8), 0))
        s.setblocking(False)
        s.connect_ex(rend.admin_address())
        socks.append(s)
    return socks


def test_two_thousand_who_say_nothing():
    with Watched() as rend:
        works(rend)
        fds, rss = rend.fds(), rend.rss_kb()
        socks = connected(rend, 2000)
        try:
            wait_for("the oldest to be closed", lambda: select.select(socks[:1], [], [], 0)[0])
            # Whoever asks is answered, among all these; and clients notice nothing.
            for _ in range(3):
                works(rend)
            assert rend.fds() <= fds + CONNS_MAX + 8, (rend.fds(), fds)
            if not harness.sanitized():
                assert rend.rss_kb() < rss + 4096, (rend.rss_kb(), rss)
            assert rend.scrape().get("rend_admin_connections_cut_total") > 0
        finally:
            for s in socks:
                s.close()
        works(rend)


def test_half_requests_at_every_connection():
    with Watched() as rend:
        socks = connected(rend, 300)
        try:
            for s in socks:
                try:
                    s.send(b"GET /metrics HTTP/1.1\r\nX: ")
                except OSError:
                    pass
            for _ in range(3):
                works(rend)
        finally:
            for s in socks:
                s.close()


def test_a_client_that_dribbles_is_cut():
    with Watched() as rend:
        begun = time.monotonic()
        with socket.create_connection(rend.admin_address(), harness.PATIENCE) as s:
            s.sendall(b"GET /metrics HTTP/1.1\r\n")

            def over():
                try:
                    s.send(b"A")
                    return select.select([s], [], [], 0.1)[0]
                except OSError:
                    return True

            wait_for("its end", over)
            assert time.monotonic() - begun >= CONN_S - 1
        assert rend.scrape().get("rend_admin_connections_cut_total") == 1


def test_a_client_that_does_not_listen_but_talks():
    with Watched(many_listeners()) as rend:
        assert len(rend.scrape().text) > 150000
        before = rend.rss_kb()
        socks = []
        begun = time.monotonic()
        for _ in range(20):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect(rend.admin_address())
            s.sendall(get("/metrics"))
            s.setblocking(False)
            socks.append(s)
        # What they say meanwhile is left in the kernel, whose buffers end somewhere.
        said = 0
        while True:
            ready = select.select([], socks, [], 0.5)[1]
            if not ready:
                break
            for s in ready:
                said += s.send(b"x" * 65536)
            assert said < 20 * 16 * 1024 * 1024, "rend reads on and on"
        held = rend.scrape().get("rend_admin_connections")
        # None of them may be cut before its time.
        assert held == 21 or time.monotonic() - begun >= CONN_S, held
        works(rend)
        if not harness.sanitized():
            # An answer each, and twice that for what libevent makes of it.
            assert rend.rss_kb() - before < 20 * 2048, (before, rend.rss_kb(), said)
        wait_for("all of them to be cut", lambda: rend.scrape().get("rend_admin_connections") <= 1)
        for s in socks:
            s.close()


def test_no_descriptor_is_left():
    with Watched() as rend:
        fds = rend.fds()
        works(rend)
        wait_for("all connections to be gone", lambda: rend.fds() == fds)
        before = resource.prlimit(rend.child.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(rend.child.pid, resource.RLIMIT_NOFILE, (fds, before[1]))
        with socket.create_connection(rend.admin_address(), harness.PATIENCE) as s:
            s.sendall(get("/livez"))
            wait_for("it to be said", lambda: rend.said("warn the admin port takes nobody in for a moment: Too many open files"))
            assert not select.select([s], [], [], 0)[0]
            resource.prlimit(rend.child.pid, resource.RLIMIT_NOFILE, before)
            assert status_of(s.recv(4096)) == 200
        works(rend)


# ---- readiness ----

def test_a_backend_that_comes_and_goes():
    with Memcached() as memcached:
        memcached.end(signal.SIGKILL)
        with Watched(harness.behind(memcached.server)) as rend:
            wait_for("it not to be ready", lambda: rend.status("/readyz") == 503)
            assert f"[-] {rend.names()[0]}: policy main reaches none of its tiers\n" == rend.ask("/readyz")[2]
            assert "[-] node back is reached by 0 of 2 workers\n" in rend.ask("/readyz?verbose")[2]
            assert rend.status("/livez") == 200
            assert rend.scrape().get("rend_node_up", node="back") == 0 and rend.scrape().get("rend_ready") == 0
            memcached.restart()
            wait_for("it to be ready", lambda: rend.status("/readyz") == 200)
            wait_for("both workers to be there", lambda: rend.scrape().get("rend_node_workers_up", node="back") == 2)
            memcached.end(signal.SIGKILL)
            wait_for("it not to be ready again", lambda: rend.status("/readyz") == 503)
            memcached.restart()
            wait_for("it to be ready again", lambda: rend.status("/readyz") == 200)


def test_a_node_that_nobody_needs():
    with ScriptedBackend() as backend:
        conf = f"""
handlers = {{ back = {{ plugin = "memcached"; servers = [ "127.0.0.1:1" ]; }}; mem = {{ plugin = "inmem"; }}; }};
policies = {{ main = {{ plugin = "l1only"; l1 = "mem"; }}; other = {{ plugin = "l1only"; l1 = "back"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""
        with Watched(conf) as rend:
            wait_for("the node to be down", lambda: rend.scrape().get("rend_node_up", node="back") == 0)
            assert rend.status("/readyz") == 200
            assert "[-] node back is reached by 0 of 2 workers\n" in rend.ask("/readyz?verbose")[2]
            assert rend.scrape().get("rend_node_up", node="other") == 0 and rend.scrape().get("rend_node_up", node="main") == 1


def test_draining():
    held = threading.Event()
    asked = threading.Event()

    def misbehave(conn, request):
        if request.key == "slow":
            asked.set()
            assert held.wait(harness.PATIENCE)
        return None

    with ScriptedBackend(misbehave) as backend:
        with Watched(harness.behind(backend.server, 'request_timeout = "1h";'), fields='drain_timeout = "1min";') as rend:
            wait_for("it to be ready", lambda: rend.status("/readyz") == 200)
            with rend.client() as c:
                c.say(b"get slow\r\n")
                assert asked.wait(harness.PATIENCE)
                rend.send_signal(signal.SIGTERM)
                wait_for("the end to begin", lambda: rend.said("signal 15"))
                # At once, not sooner or later: whoever asks from now on is told.
                assert rend.ask("/readyz")[::2] == (503, "[-] it is ending\n")
                assert rend.status("/livez") == 200
                m = rend.scrape()
                promtool(m.text)
                assert m.get("rend_ready") == 0 and m.get("rend_node_in_flight", node="back") == 1
                held.set()
                c.hear(b"END\r\n")
                c.hear_end()
            assert rend.child.wait(harness.PATIENCE) == 0, (rend.child.returncode, rend.tail())


def test_scrapes_until_the_very_end():
    for _ in range(3):
        with Watched() as rend:
            with rend.client() as c:
                c.ask(b"get k\r\n", b"END\r\n")
            results, address = [], rend.admin_address()

            def scrape():
                while True:
                    conn = http.client.HTTPConnection(*address, timeout=harness.PATIENCE)
                    try:
                        conn.request("GET", "/metrics")
                        answer = conn.getresponse()
                        text = answer.read().decode()
                        assert answer.status == 200 and text.endswith("\n")
                        results.append("ok")
                    except (OSError, http.client.HTTPException):
                        # Cut or refused: the end.
                        results.append("end")
                        return
                    finally:
                        conn.close()

            threads = [threading.Thread(target=scrape) for _ in range(4)]
            for t in threads:
                t.start()
            wait_for("scrapes", lambda: results.count("ok") > 20)
            rend.send_signal(signal.SIGTERM)
            for t in threads:
                t.join(harness.PATIENCE)
                assert not t.is_alive()
            assert results.count("end") == 4
            assert rend.child.wait(harness.PATIENCE) == 0, (rend.child.returncode, rend.tail())


# ---- rend.conf ----

def test_what_can_be_configured():
    with Folder() as f:
        for admin, said in (
                ("admin = true;", "a.conf:4: admin: a group { } is wanted, not true or false"),
                ("admin = ( );", "a.conf:4: admin: a group { } is wanted, not a list"),
                ("admin = { port = 70000; };", "a.conf:4: admin.port: must be 0 to 65535"),
                ("admin = { port = \"80\"; };", "a.conf:4: admin.port: a number is wanted, not a string: leave out the quotes"),
                ("admin = { prot = 80; };", "a.conf:4: admin.prot: admin has no such option; did you mean port?"),
                ("admin = { socket = \"/tmp/x\"; };", "a.conf:4: admin.socket: admin has no such option"),
                ("admin = { address = \"localhost\"; };",
                 "a.conf:4: admin.address: an IP address is wanted, like \"127.0.0.1\" or \"::1\", not \"localhost\"")):
            got = f.run("-t", "-c", f.write("a.conf", GOOD + admin))
            exits(got, CONFIG)
            same(got.stderr, said + "\n")
        for admin in ("admin = { };", "admin = { address = \"::1\"; port = 0; };"):
            got = f.run("-t", "-c", f.write("a.conf", GOOD + admin))
            exits(got, 0)
            same(got.stderr, "")
        got = f.run("-t", "-c", f.write("a.conf", GOOD + "admin = { address = \"::\"; };"))
        exits(got, 0)
        same(got.stderr, "a.conf:4: warning: admin: :: is open to other machines, and whoever reaches it may see what is asked of rend, and how much\n")


def test_a_port_that_is_taken():
    with Watched() as rend, Folder() as f:
        f.write("a.conf", GOOD + "admin = { port = %d; };" % rend.admin_address()[1])
        got = f.run("-c", "a.conf", "-u", harness.user_name())
        exits(got, OS_ERROR)
        assert f"127.0.0.1:{rend.admin_address()[1]}: bind: Address already in use" in got.stderr, got.stderr


def test_from_the_command_line():
    with Watched(admin="", args=("-o", "admin.port=0", "-o", "admin.address=::1")) as rend:
        assert rend.admin_address()[0] == "::1"
        assert status_of(rend.raw(get("/livez", "[::1]"))) == 200


def test_without_one_there_is_none():
    with Watched(admin="") as rend:
        works_without = rend.client()
        works_without.ask(b"get a\r\n", b"END\r\n")
        works_without.close()
        assert not rend.said("admin port")


harness.main()
