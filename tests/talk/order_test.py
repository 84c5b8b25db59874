#!/usr/bin/python3
"""The order in which a client's commands are carried out and answered, over a backend that takes its time."""
import threading

import harness
from harness import Rend, behind, wait_for
from scripted_backend import SILENCE, ScriptedBackend


class Slow:
    """A backend that keeps every answer until it is told to go on."""

    def __init__(self):
        self.go = threading.Event()
        self.backend = ScriptedBackend(self._wait)

    def _wait(self, _conn, request):
        if not request.is_probe and not self.go.wait(harness.PATIENCE):
            return SILENCE
        return None

    def __enter__(self):
        self.backend.__enter__()
        return self

    def __exit__(self, *args):
        self.go.set()
        self.backend.__exit__(*args)

    def conf(self, more=""):
        return behind(self.backend.server, 'request_timeout = "30s"; ' + more)

    def asked(self):
        return [(r.verb, r.key) for r in list(self.backend.requests)]


class Late(Slow):
    """One that reads everything, answers nothing, and when told to go on answers all in order."""

    def __init__(self):
        super().__init__()
        self.kept = []
        self.seen = []
        self.turn = threading.Lock()
        self.backend.misbehave = self._keep

    def asked(self):
        with self.turn:
            return list(self.seen)

    def _keep(self, conn, request):
        # Nobody is answered before those that came earlier.
        with self.turn:
            if request.is_probe:
                return None
            self.seen.append((request.verb, request.key))
            if self.go.is_set():
                return None
            self.kept.append((conn, request))
            return SILENCE

    def release(self, count=None):
        """Answers the first `count` that are kept; or all, and from then on each at once."""
        with self.turn:
            kept, self.kept = self.kept[:count], self.kept[count:] if count is not None else []
            for conn, request in kept:
                with self.backend.lock:
                    conn.send(self.backend.truth(request))
            if count is None:
                self.go.set()


def up(rend):
    """The connection to the backend is there."""
    wait_for("the backend to be up", lambda: rend.stats("nodes").get("back.links_up", "0") != "0")


def test_a_get_waits_for_the_set_of_its_key_and_others_do_not():
    with Late() as late, Rend(late.conf(), workers=1) as rend, rend.client() as c:
        up(rend)
        c.say(b"set k 0 0 1\r\nx\r\nget k\r\nget other\r\ndelete k\r\nget k\r\n")
        wait_for("what may overlap", lambda: len(late.asked()) == 2)
        assert late.asked() == [("ms", "k"), ("mg", "other")], late.asked()
        late.release(2)
        wait_for("the get", lambda: len(late.asked()) == 3)
        late.release(1)
        wait_for("the delete", lambda: len(late.asked()) == 4)
        late.release()
        c.hear(b"STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\nEND\r\nDELETED\r\nEND\r\n")
        assert late.asked() == [("ms", "k"), ("mg", "other"), ("mg", "k"), ("md", "k"), ("mg", "k")], late.asked()


def test_a_value_in_pieces_while_an_answer_is_due():
    """The connection reads on, byte by byte, while its get is at the backend; both end well, in whichever order they do."""
    for early in (True, False):
        with Late() as late, Rend(late.conf(), workers=1) as rend, rend.client() as c:
            up(rend)
            c.say(b"get other\r\n")
            wait_for("the get", lambda: len(late.asked()) == 1)
            for i, byte in enumerate(b"set k 0 0 10\r\n0123456789\r\n"):
                read = int(rend.stats()["bytes_read"])
                c.say(bytes([byte]))
                wait_for("it to be read", lambda: int(rend.stats()["bytes_read"]) > read)
                if early and i == 18:
                    late.release(1)
                    c.hear(b"END\r\n")
            wait_for("the set", lambda: len(late.asked()) == 2)
            late.release()
            c.hear((b"" if early else b"END\r\n") + b"STORED\r\n").ask(b"get k\r\n", b"VALUE k 0 10\r\n0123456789\r\nEND\r\n")


def test_reads_of_one_key_overlap():
    with Late() as late, Rend(late.conf(), workers=1) as rend, rend.client() as c:
        up(rend)
        c.say(b"get k\r\nget k\r\nget k k\r\n")
        wait_for("all", lambda: len(late.asked()) == 4)
        late.release()
        c.hear(b"END\r\n" * 3)


def test_flush_all_waits_for_all_and_holds_all():
    with Late() as late, Rend(late.conf(), workers=1) as rend, rend.client() as c:
        up(rend)
        c.say(b"set a 0 0 1\r\nx\r\nget b\r\nflush_all\r\nget c\r\nset d 0 0 1\r\ny\r\n")
        wait_for("what is before it", lambda: len(late.asked()) == 2)
        # Another client of the same worker is served behind it: so nothing else was sent.
        with rend.client() as other:
            other.say(b"get o\r\n")
            wait_for("the other", lambda: len(late.asked()) == 3)
            assert [k for _, k in late.asked()] == ["a", "b", "o"], late.asked()
            late.release(3)
            other.hear(b"END\r\n")
        wait_for("the flush", lambda: len(late.asked()) == 4)
        assert late.asked()[3][0] == "flush_all", late.asked()
        late.kept[0][0].send(b"OK\r\n")
        late.kept.pop(0)
        wait_for("what was behind it", lambda: len(late.asked()) == 6)
        late.release()
        c.hear(b"STORED\r\nEND\r\nOK\r\nEND\r\nSTORED\r\n")


def test_answers_come_in_the_order_of_the_questions():
    """Over two connections to the backend, the second of which answers first."""
    first = []
    go = threading.Event()

    def slow_first(conn, request):
        if request.is_probe:
            return None
        if not first:
            first.append(conn)
        if conn is first[0] and not go.wait(harness.PATIENCE):
            return SILENCE
        return None

    with ScriptedBackend(slow_first) as backend:
        conf = behind(backend.server, 'links = 2; request_timeout = "30s";')
        with Rend(conf, workers=1) as rend, rend.client() as c:
            wait_for("both links", lambda: rend.stats("nodes")["back.links_up"] == "2")
            for i in range(20):
                backend._store("k%d" % i, b"%02d" % i, 0)
            c.say(b"".join(b"get k%d\r\n" % i for i in range(20)))
            done = lambda: int(rend.stats("nodes").get("back.get.OK", "0"))
            wait_for("some to be answered behind one that is not", lambda: 0 < done() < 20)
            go.set()
            c.hear(b"".join(b"VALUE k%d 0 2\r\n%02d\r\nEND\r\n" % (i, i) for i in range(20)))


def test_a_client_that_leaves_while_the_backend_thinks():
    with Late() as late, Rend(late.conf(), workers=1) as rend:
        up(rend)
        for i in range(20):
            with rend.client() as c:
                c.say(b"set gone%d 0 0 1\r\nx\r\nget gone%d\r\n" % (i, i))
                wait_for("it to be asked", lambda: ("ms", "gone%d" % i) in late.asked())
        late.release()
        with rend.client() as c:
            # What it had said is carried out to its end.
            wait_for("the gets", lambda: len([v for v, _ in late.asked() if v == "mg"]) >= 20)
            c.ask(b"get gone7\r\n", b"VALUE gone7 0 1\r\nx\r\nEND\r\n")
            assert c.stats()["curr_connections"] == "1"


def test_quit_comes_after_the_answers():
    with Late() as late, Rend(late.conf(), workers=1) as rend, rend.client() as c:
        up(rend)
        c.say(b"get a\r\nversion\r\nquit\r\nget never\r\n")
        wait_for("the get", lambda: len(late.asked()) == 1)
        late.release()
        assert c.line() == b"END" and c.line().startswith(b"VERSION")
        c.hear_end()
        assert len(late.asked()) == 1


def test_what_is_answered_does_not_wait_for_what_is_not():
    with Late() as late, Rend(late.conf(), workers=1) as rend, rend.client() as c:
        up(rend)
        c.say(b"version\r\nget a\r\n")
        assert c.line().startswith(b"VERSION")
        assert late.asked() == [("mg", "a")] or not late.asked(), late.asked()
        wait_for("the get", lambda: len(late.asked()) == 1)
        late.release()
        c.hear(b"END\r\n")


def test_a_delayed_flush_all_reaches_an_idle_backend():
    with ScriptedBackend() as backend, Rend(behind(backend.server, 'request_timeout = "30s";'), workers=1) as rend:
        up(rend)
        with rend.client() as c:
            c.ask(b"flush_all 1\r\n", b"OK\r\n")
        wait_for("the flush", lambda: any(r.verb == "flush_all" for r in list(backend.requests)), 10)


def test_large_answers_under_way_are_bounded():
    value = b"v" * (1 << 20)
    with Late() as late, Rend(late.conf(), workers=1) as rend, rend.client() as c:
        up(rend)
        late.backend._store("big", value, 0)
        reply = b"VALUE big 0 %d\r\n" % len(value) + value + b"\r\nEND\r\n"
        c.say(b"get big\r\n" * 100)
        wait_for("the first", lambda: late.asked())
        late.release(1)
        wait_for("others", lambda: len(late.asked()) > 1)
        # What it asks for is bounded by what it got: far less than 100 at a time.
        assert len(late.asked()) <= 65, len(late.asked())
        late.release()
        c.hear(reply * 100)


def test_a_get_of_many_keys_asks_a_part_at_a_time():
    with Late() as late, Rend(late.conf(), workers=1) as rend, rend.client() as c:
        up(rend)
        c.say(b"get " + b" ".join(b"k%d" % i for i in range(2000)) + b"\r\n")
        wait_for("its first part", lambda: len(late.asked()) >= 64)
        with rend.client() as other:
            other.say(b"get other\r\n")
            wait_for("the other", lambda: ("mg", "other") in late.asked())
            assert late.asked().index(("mg", "other")) <= 256
            late.release()
            other.hear(b"END\r\n")
        c.hear(b"END\r\n")
        assert len(late.asked()) == 2001


def test_a_drain_waits_for_the_backend():
    import signal
    with Late() as late:
        rend = Rend(late.conf(), workers=1)
        with rend:
            up(rend)
            c = rend.client()
            c.say(b"set k 0 0 1\r\nx\r\n")
            wait_for("the set", lambda: len(late.asked()) == 1)
            rend.send_signal(signal.SIGTERM)
            wait_for("the drain", lambda: rend.said("no connection is taken in any more"))
            late.release()
            c.hear(b"STORED\r\n").hear_end()
            wait_for("rend to end", lambda: not rend.alive())


if __name__ == "__main__":
    harness.main()
