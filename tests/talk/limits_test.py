#!/usr/bin/python3
"""Bad input and bad manners: nobody else is disturbed, and memory and descriptors stay bounded."""
import os
import resource
import signal
import socket
import struct
import threading
import time

import harness
from harness import Client, Rend, wait_for

MIB = 1024  # in KiB, as /proc counts


def still_serves(rend):
    with rend.client() as c:
        c.ask(b"set ok 0 0 2\r\nok\r\n", b"STORED\r\n").ask(b"get ok\r\n", b"VALUE ok 0 2\r\nok\r\nEND\r\n")


def connections(rend):
    return int(rend.stats()["curr_connections"]) - 1


def test_claims_cost_nothing():
    with Rend(fields='item_size_max = "1GiB"; max_connections = 300;') as rend:
        still_serves(rend)
        before = rend.rss_kb()
        clients = [rend.client() for _ in range(200)]
        for c in clients:
            c.say(b"set k 0 0 1000000000\r\nonly a few bytes")
        wait_for("all to be read", lambda: int(rend.stats()["bytes_read"]) > 200 * 30)
        grown = rend.rss_kb() - before
        assert grown < 64 * MIB, f"{grown} KiB for 200 claims of 1 GB"
        for c in clients:
            c.close()
        wait_for("them to be gone", lambda: connections(rend) == 0)


def test_forged_lengths_are_refused_and_the_connection_goes_on():
    with Rend() as rend:
        for length in (b"-1", b"2147483647", b"4294967295", b"99999999999999999999", b"1x", b""):
            with rend.client() as c:
                line = c.say(b"set k 0 0 %s\r\n" % length).line()
                assert line.startswith((b"CLIENT_ERROR", b"SERVER_ERROR", b"ERROR")), line
        still_serves(rend)


def say_as_much_as_goes(c, data):
    """The server may close in the middle of it."""
    try:
        c.say(data)
    except ConnectionError:
        pass


def test_a_line_without_end_closes():
    with Rend() as rend:
        for text in (b"x" * 100000, b"set " + b"k" * 100000, b"delete " + b" " * 5000):
            with rend.client() as c:
                say_as_much_as_goes(c, text)
                c.hear_end()
        still_serves(rend)


def test_a_get_without_end_is_bounded():
    with Rend() as rend:
        still_serves(rend)
        before = rend.rss_kb()
        with rend.client() as c:
            say_as_much_as_goes(c, b"get " + b"key " * (4 << 20))
            c.heard = b""
            wait_for("it to be closed", lambda: connections(rend) == 0)
        assert rend.rss_kb() - before < 16 * MIB
        still_serves(rend)


def test_http_is_no_protocol_of_ours():
    with Rend() as rend:
        with rend.client() as c:
            c.say(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").hear_end()
        still_serves(rend)


def test_a_client_that_never_reads_is_not_read_from():
    with Rend(fields='request_timeout = "60s";') as rend:
        with rend.client() as c:
            c.ask(b"set big 0 0 1000000\r\n" + b"x" * 1000000 + b"\r\n", b"STORED\r\n")
            before = rend.rss_kb()
            c.sock.setblocking(False)
            said = 0
            try:
                while said < 2000000:
                    said += c.sock.send(b"get big\r\n" * 100)
            except BlockingIOError:
                pass
            still_serves(rend)
            assert rend.rss_kb() - before < 32 * MIB
            # It is served when it reads after all.
            c.sock.settimeout(harness.PATIENCE)
            for _ in range(20):
                c.hear(b"VALUE big 0 1000000\r\n" + b"x" * 1000000 + b"\r\nEND\r\n")


def test_a_client_that_does_not_read_in_time_is_closed():
    with Rend(fields='request_timeout = "2s";') as rend:
        with rend.client() as setter:
            setter.ask(b"set big 0 0 1000000\r\n" + b"x" * 1000000 + b"\r\n", b"STORED\r\n")
        c = rend.client()
        c.say(b"get big\r\n" * 100)
        wait_for("it to be closed", lambda: connections(rend) == 0)
        c.close()
        still_serves(rend)


def test_half_a_request_is_closed_in_time_and_an_idle_client_is_not():
    with Rend(fields='request_timeout = "300ms";') as rend:
        idle = rend.client()
        idle.ask(b"get k\r\n", b"END\r\n")
        for half in (b"se", b"set k 0 0 10\r\n", b"set k 0 0 10\r\nabc", b"set k 0 0 3\r\nabc", b"set k 0 0 3\r\nabc\r"):
            c = rend.client()
            c.say(half)
            c.hear_end()
            c.close()
        idle.ask(b"get k\r\n", b"END\r\n")
        idle.close()


def test_a_byte_at_a_time_gets_no_more_time():
    with Rend(fields='request_timeout = "500ms";') as rend:
        c = rend.client()
        c.sock.settimeout(0.02)

        def dribble():
            try:
                c.sock.send(b"x")
                return c.sock.recv(1) == b""
            except socket.timeout:
                return False
            except ConnectionError:
                return True
        wait_for("the slow one to be closed", dribble)
        c.close()
        still_serves(rend)


def test_a_large_value_that_keeps_coming_in_small_parts_gets_its_time():
    with Rend(fields='request_timeout = "3s"; item_size_max = "8MiB";') as rend, rend.client() as c:
        part, parts = b"p" * 4096, 400
        c.say(b"set k 0 0 %d\r\n" % (len(part) * parts))
        begun = time.monotonic()
        for i in range(parts):
            c.say(part)
            # The next part is sent when this one was taken, and so that the whole takes longer than half a request may.
            wait_for("it to be read", lambda: time.monotonic() - begun > i * 0.01)
        assert time.monotonic() - begun > 3
        c.say(b"\r\n").hear(b"STORED\r\n")


def test_a_busy_client_that_hears_nothing_is_not_half_a_request():
    with Rend(fields='request_timeout = "2s";') as rend, rend.client() as c:
        # An odd length, so that reads end in the middle of a command.
        line = b"delete abcdefghij noreply\r\n"
        begun = time.monotonic()
        while time.monotonic() - begun < 3:
            c.say(line * 1000)
            time.sleep(0.002)
        # The kernel may hold megabytes of them by now.
        c.ask(b"get k\r\n", b"END\r\n")


def test_an_idle_client_is_closed_when_asked_for():
    with Rend(fields='idle_timeout = "2s";') as rend:
        with rend.client() as c:
            c.ask(b"get k\r\n", b"END\r\n")
            c.hear_end()
        assert int(rend.stats()["idle_kicks"]) >= 1


def test_half_a_request_is_idle_too_where_requests_have_no_limit():
    with Rend(fields='idle_timeout = "2s"; request_timeout = "0";') as rend:
        clients = []
        for half in (b"ge", b"set k 0 0 10\r\nab", b"set k 0 0 10\r\n0123456789", b"set k 0 x 10\r\nab"):
            c = rend.client()
            c.say(half)
            if b"x" in half:
                c.hear(b"CLIENT_ERROR bad command line format\r\n")
            clients.append(c)
        for c in clients:
            c.hear_end()
            c.close()
        assert int(rend.stats()["idle_kicks"]) == 4


def test_one_connection_too_many_is_told_so():
    with Rend(fields="max_connections = 10;") as rend:
        clients = [rend.client() for _ in range(10)]
        for c in clients:
            c.ask(b"get k\r\n", b"END\r\n")
        with rend.client() as c:
            c.hear(b"ERROR Too many open connections\r\n").hear_end()
        clients.pop().close()
        wait_for("room", lambda: one_more_is_served(rend))
        assert int(clients[0].stats()["rejected_connections"]) >= 1
        for c in clients:
            c.close()


def one_more_is_served(rend):
    with rend.client() as c:
        c.say(b"get k\r\n")
        try:
            return c.line() == b"END"
        except (AssertionError, ConnectionError):
            return False


def test_no_descriptors_left_is_survived():
    with Rend(fields="max_connections = 1000;") as rend:
        resource.prlimit(rend.child.pid, resource.RLIMIT_NOFILE, (60, 60))
        clients = []
        for _ in range(80):
            clients.append(Client(rend.address()))
        clients[0].ask(b"get k\r\n", b"END\r\n")
        wait_for("it to be said", lambda: rend.said("accept: .*no connection is taken in"))
        assert rend.alive()
        for c in clients[20:]:
            c.close()
        clients[1].ask(b"get k\r\n", b"END\r\n")
        wait_for("connections to be taken in again", lambda: one_more_is_served(rend))
        for c in clients:
            c.close()


def test_a_thousand_clients_that_vanish_leave_nothing_behind():
    with Rend(fields="max_connections = 2000;") as rend:
        still_serves(rend)
        fds = rend.fds()
        halves = (b"get ", b"set k 0 0 100\r\nabc", b"set k 0 0 1\r\nx\r\nget k\r\nget", b"", b"incr k 1\r")
        for again in range(2):
            clients = [rend.client() for _ in range(500)]
            for i, c in enumerate(clients):
                c.say(halves[i % len(halves)])
            for i, c in enumerate(clients):
                if i % 2:
                    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                c.close()
        wait_for("all to be gone", lambda: connections(rend) == 0)
        assert rend.fds() <= fds + 1, (fds, rend.fds())
        still_serves(rend)


def test_half_close_is_answered():
    with Rend() as rend:
        with rend.client() as c:
            c.say(b"set k 0 0 1\r\nx\r\nget k\r\nget k k\r\nset half 0 0")
            c.sock.shutdown(socket.SHUT_WR)
            c.hear(b"STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\nVALUE k 0 1\r\nx\r\nVALUE k 0 1\r\nx\r\nEND\r\n").hear_end()
        with rend.client() as c:
            c.say(b"get nothing\r\n" * 5000)
            c.sock.shutdown(socket.SHUT_WR)
            c.hear(b"END\r\n" * 5000).hear_end()


def test_a_deep_pipeline_is_answered_whole():
    with Rend() as rend, rend.client() as c:
        c.say(b"set k 0 0 3\r\nabc\r\n" + b"get k\r\n" * 20000)
        c.hear(b"STORED\r\n" + b"VALUE k 0 3\r\nabc\r\nEND\r\n" * 20000)


def test_more_gets_of_one_key_than_16_bits_can_count():
    """Each answer refers to the item's own bytes; clients that go in the middle, and errors, give their references back."""
    value = b"v" * 2000
    answer = b"VALUE k 0 2000\r\n" + value + b"\r\nEND\r\n"
    with Rend() as rend, rend.client() as c:
        c.ask(b"set k 0 0 2000\r\n" + value + b"\r\n", b"STORED\r\n")
        for _ in range(100):
            with rend.client() as leaves:
                leaves.say(b"get k\r\n" * 200)
        asked = b"get k\r\n" * 35000 + b"nonsense\r\nget %s\r\n" % (b"K" * 251) + b"get k k\r\n" * 17500
        asking = threading.Thread(target=c.say, args=(asked,), daemon=True)
        asking.start()
        for _ in range(350):
            c.hear(answer * 100)
        c.hear(b"ERROR\r\nCLIENT_ERROR bad command line format\r\n")
        for _ in range(175):
            c.hear((answer[:-5] + answer) * 100)
        asking.join(harness.PATIENCE)
        wait_for("the others to be gone", lambda: connections(rend) == 1)
        c.ask(b"delete k\r\n", b"DELETED\r\n")


def test_sigterm_answers_what_was_asked():
    rend = Rend(fields='drain_timeout = "1h";')
    with rend:
        c = rend.client()
        c.ask(b"set k 0 0 3\r\nabc\r\n", b"STORED\r\n")
        half = rend.client()
        half.say(b"set h 0 0 3\r\nab")
        wait_for("half a request to be read", lambda: int(rend.stats()["bytes_read"]) > 30)
        rend.send_signal(signal.SIGTERM)
        wait_for("the drain", lambda: rend.said("no connection is taken in any more"))
        half.say(b"c\r\n").hear(b"STORED\r\n").hear_end()
        c.hear_end()
        wait_for("rend to end", lambda: not rend.alive())


def test_sigterm_ends_a_client_that_goes_on_asking():
    rend = Rend(fields='drain_timeout = "1h";')
    with rend:
        c = rend.client()
        done = threading.Event()

        def ask():
            try:
                while not done.is_set():
                    c.say(b"get k\r\n" * 100)
                    c.hear(b"END\r\n" * 100)
            except (AssertionError, OSError):
                pass
        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        wait_for("it to be asking", lambda: int(rend.stats()["cmd_get"]) > 1000)
        rend.send_signal(signal.SIGTERM)
        wait_for("rend to end", lambda: not rend.alive())
        done.set()
        asking.join(harness.PATIENCE)


def test_the_end_in_the_middle_of_everything():
    """Workers end while clients of others make them reach over."""
    for _ in range(3):
        rend = Rend(fields='drain_timeout = "10ms";', workers=4)
        with rend:
            clients = [rend.client() for _ in range(16)]
            stop = threading.Event()

            def bother(c):
                try:
                    while not stop.is_set():
                        c.say(b"flush_all 100\r\nstats nodes\r\nset k 0 0 1\r\nx\r\nstats reset\r\nstats\r\n")
                        for _ in range(5):
                            c.line()
                except (AssertionError, OSError):
                    pass
            threads = [threading.Thread(target=bother, args=(c,), daemon=True) for c in clients]
            for t in threads:
                t.start()
            wait_for("them to be at it", lambda: int(rend.stats()["cmd_flush"]) > 0)
            rend.send_signal(signal.SIGTERM)
            wait_for("rend to end", lambda: not rend.alive())
            stop.set()
            for t in threads:
                t.join(harness.PATIENCE)


def test_a_second_sigterm_does_not_wait():
    rend = Rend(fields='drain_timeout = "1h";')
    with rend:
        half = rend.client()
        half.say(b"set h 0 0 3\r\nab")
        wait_for("half a request to be read", lambda: int(rend.stats()["bytes_read"]) >= 16)
        rend.send_signal(signal.SIGTERM)
        wait_for("the drain", lambda: rend.said("no connection is taken in any more"))
        rend.send_signal(signal.SIGTERM)
        wait_for("rend to end", lambda: not rend.alive())
        half.close()


def test_a_backend_that_never_answers_does_not_hold_up_the_end():
    import scripted_backend
    mute = lambda conn, request: None if request.is_probe else scripted_backend.SILENCE
    with scripted_backend.ScriptedBackend(mute) as backend:
        rend = Rend(harness.behind(backend.server, 'request_timeout = "1h"; connect_timeout = "1h";'), fields='drain_timeout = "100ms";')
        with rend:
            c = rend.client()
            c.say(b"get k\r\n")
            wait_for("it to be asked", lambda: backend.requests)
            rend.send_signal(signal.SIGTERM)
            wait_for("rend to end", lambda: not rend.alive())
            c.close()


def test_a_stale_unix_socket_is_replaced_and_a_file_is_not():
    path = None
    conf = harness.INMEM.replace("port = 0", 'path = "SOCK"; mode = "0600"')
    first = Rend(conf)
    path = os.path.join(first.folder, "r.sock")
    set_path(first, path)
    with first:
        assert os.stat(path).st_mode & 0o777 == 0o600
        with Client(path) as c:
            c.ask(b"get k\r\n", b"END\r\n")
        first.end(signal.SIGKILL)
        assert os.path.exists(path)
        second = Rend(conf)
        set_path(second, path)
        with second:
            with Client(path) as c:
                c.ask(b"get k\r\n", b"END\r\n")
        first.child.returncode = 0
    assert not os.path.exists(path)


def set_path(rend, path):
    with open(rend.conf_file) as f:
        text = f.read()
    with open(rend.conf_file, "w") as f:
        f.write(text.replace("SOCK", path))


if __name__ == "__main__":
    harness.main()
