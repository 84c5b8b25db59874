#!/usr/bin/python3
"""A memcached with extstore: what it will not do to items on its flash is done for it, and what it truly refuses stays refused."""
import os
import threading

import harness
from backends import BUSY, DOWN, TIMEOUT, number, said, served
from harness import Memcached, Rend, behind, wait_for
from scripted_backend import SILENCE, ScriptedBackend

NOT_A_NUMBER = b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
AGAIN = harness.PATIENT + 'retry_max = "200ms";'


class Flash(Memcached):
    """A real memcached that puts everything on flash, as soon as it finds the time."""

    def __init__(self):
        # It looks at the ends of its lists only, and what was moved leaves a header: with fine classes that is in another list.
        super().__init__("-m", "64", "-f", "1.05", "-n", "1")
        file = os.path.join(self.folder, "flash")
        # It brings nothing back by itself: what is read a few times, as a test does, it would count with where it is.
        self.argv += ["-o", f"ext_page_size=2,ext_wbuf_size=2,ext_path={file}:64m,ext_item_age=0,ext_item_size=1,ext_recache_rate=0"]

    def __enter__(self):
        super().__enter__()
        self.direct = harness.Client(self.path)
        return self

    def __exit__(self, *args):
        self.direct.close()
        super().__exit__(*args)

    def is_on_flash(self, key):
        """Refuses to append nothing to what is there."""
        if said(self.direct, b"append %s 0 0 0\r\n\r\n" % key) == b"STORED\r\n":
            return False
        assert said(self.direct, b"mg %s\r\n" % key) == b"HD\r\n"
        return True

    def moves(self, *keys):
        """All of them are on flash.  Asking for one puts off its move: it is counted first."""
        def moved():
            stats = self.direct.stats()
            return stats["extstore_objects_used"] == stats["curr_items"] and all(self.is_on_flash(k) for k in keys)

        wait_for("the items to be on flash", moved)

    def item(self, key):
        """Flags, version and seconds left."""
        words = said(self.direct, b"mg %s f c t\r\n" % key).split()
        assert words[0] == b"HD", words
        return tuple(int(w[1:]) for w in words[1:])


def test_what_is_on_flash_is_changed_with_its_flags_and_time():
    body = bytes(range(256)) * 3
    with Flash() as m, Rend(behind(m.server, AGAIN), workers=1) as rend, rend.client() as c:
        c.ask(b"set a 7 100 768\r\n%s\r\n" % body, b"STORED\r\n")
        c.ask(b"set p 4294967295 0 768\r\n%s\r\n" % body, b"STORED\r\n")
        c.ask(b"set n 3 100 2\r\n10\r\n", b"STORED\r\n")
        c.ask(b"set d 3 0 2\r\n10\r\n", b"STORED\r\n")
        c.ask(b"set w 1 0 20\r\n18446744073709551615\r\n", b"STORED\r\n")
        m.moves(b"a", b"p", b"n", b"d", b"w")
        before = m.direct.stats()
        assert int(before["extstore_objects_used"]) >= 5
        c.ask(b"append a 0 0 3\r\nend\r\n", b"STORED\r\n")
        c.ask(b"prepend p 0 0 5\r\nbegin\r\n", b"STORED\r\n")
        c.ask(b"incr n 5\r\n", b"15\r\n")
        c.ask(b"decr d 11\r\n", b"0\r\n")
        c.ask(b"incr w 2\r\n", b"1\r\n")
        assert number(rend, "rewrites") == 5
        assert int(m.direct.stats()["get_extstore"]) >= int(before["get_extstore"]) + 5
        c.ask(b"get a p n d w\r\n", b"VALUE a 7 771\r\n%send\r\nVALUE p 4294967295 773\r\nbegin%s\r\nVALUE n 3 2\r\n15\r\n"
              b"VALUE d 3 1\r\n0\r\nVALUE w 1 1\r\n1\r\nEND\r\n" % (body, body))
        for key, flags, left in ((b"a", 7, 100), (b"p", 4294967295, -1), (b"n", 3, 100), (b"d", 3, -1)):
            is_flags, _, is_left = m.item(key)
            assert is_flags == flags, (key, is_flags)
            assert is_left == left or left - 20 <= is_left <= left, (key, is_left)
        # In memory again: done by the backend itself.
        if not m.is_on_flash(b"n"):
            c.ask(b"incr n 1\r\n", b"16\r\n")


def test_what_is_truly_refused_stays_refused():
    with Flash() as m, Rend(behind(m.server, AGAIN), workers=1) as rend, rend.client() as c:
        c.ask(b"append none 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
        c.ask(b"prepend none 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
        c.ask(b"incr none 1\r\ndecr none 1\r\n", b"NOT_FOUND\r\nNOT_FOUND\r\n")
        c.ask(b"ms none 1 MA C5\r\nx\r\n", b"NS\r\n")
        for value in (b"word", b"1x", b"", b"-1", b"1-2", b"99999999999999999999999", b"18446744073709551616"):
            c.ask(b"set t 5 0 %d\r\n%s\r\n" % (len(value), value), b"STORED\r\n")
            c.ask(b"incr t 1\r\n", NOT_A_NUMBER)
            m.moves(b"t")
            c.ask(b"incr t 1\r\ndecr t 1\r\n", NOT_A_NUMBER * 2)
            c.ask(b"get t\r\n", b"VALUE t 5 %d\r\n%s\r\nEND\r\n" % (len(value), value))
        assert number(rend, "rewrites") == 0
        # What memcached takes for a number is one, then.
        for value in (b"1 2", b" 7", b"+7", b"007", b"7 "):
            c.ask(b"set t 5 0 %d\r\n%s\r\n" % (len(value), value), b"STORED\r\n")
            told = said(c, b"incr t 1\r\n")
            c.ask(b"set t 5 0 %d\r\n%s\r\n" % (len(value), value), b"STORED\r\n")
            m.moves(b"t")
            c.ask(b"incr t 1\r\n", told)


def test_conditions_on_the_version_hold_on_flash():
    with Flash() as m, Rend(behind(m.server, AGAIN), workers=1) as rend, rend.client() as c:
        c.ask(b"set k 7 0 600\r\n%s\r\nset n 0 0 1\r\n5\r\n" % (b"v" * 600), b"STORED\r\nSTORED\r\n")
        m.moves(b"k", b"n")
        c.ask(b"ms k 1 MA C%d\r\nx\r\n" % (m.item(b"k")[1] + 1000), b"EX\r\n")
        c.ask(b"ma n C%d v\r\n" % (m.item(b"n")[1] + 1000), b"EX\r\n")
        version = with_its_version(c, m, b"k", b"ms k 1 MA C%d s\r\nx\r\n", b"HD s1")
        c.ask(b"ms k 1 MA C%d\r\nx\r\n" % version, b"EX\r\n")
        c.ask(b"get k\r\n", b"VALUE k 7 601\r\n%sx\r\nEND\r\n" % (b"v" * 600))
        with_its_version(c, m, b"n", b"ma n C%d T77 v t\r\n", b"VA 1 t77")
        c.hear(b"6\r\n")
        assert 57 <= m.item(b"n")[2] <= 77
        assert number(rend, "rewrites") == 2


def with_its_version(client, memcached, key, question, answer):
    """memcached takes an item that is read back into memory now and then, under a new version: that is no fault of ours."""
    def asked():
        memcached.moves(key)
        version = memcached.item(key)[1]
        line = said(client, question % version).strip()
        assert line == answer or (line.startswith(b"EX") and memcached.item(key)[1] != version), line
        return version if line == answer else None

    return wait_for("the item to keep its version", asked)


def test_many_clients_count_one_number_on_flash():
    def work(rend, counted, faults):
        try:
            with rend.client() as c:
                for _ in range(40):
                    answer = said(c, b"incr n 1\r\n")
                    # Who is in the others' way a few times in a row is refused, and has not counted.
                    assert answer.strip().isdigit() or answer == b"SERVER_ERROR backend busy\r\n", answer
                    counted.append(answer.strip().isdigit())
        except (AssertionError, OSError) as e:
            faults.append(e)

    with Flash() as m, Rend(behind(m.server, AGAIN), workers=2) as rend, rend.client() as c:
        c.ask(b"set n 0 0 1\r\n0\r\n", b"STORED\r\n")
        m.moves(b"n")
        counted, faults = [], []
        threads = [threading.Thread(target=work, args=(rend, counted, faults)) for _ in range(5)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(harness.PATIENCE)
        assert not faults, faults
        assert len(counted) == 200 and sum(counted) > 100, counted
        n = b"%d" % sum(counted)
        c.ask(b"get n\r\n", b"VALUE n 0 %d\r\n%s\r\nEND\r\n" % (len(n), n))
        assert number(rend, "rewrites") > 0


def test_what_grows_too_large_is_refused():
    with Flash() as m, Rend(behind(m.server, AGAIN), fields='item_size_max = "1KiB";', workers=1) as rend, rend.client() as c:
        c.ask(b"set k 0 0 1000\r\n%s\r\n" % (b"v" * 1000), b"STORED\r\n")
        m.moves(b"k")
        c.ask(b"append k 0 0 25\r\n%s\r\n" % (b"x" * 25), b"NOT_STORED\r\n")
        c.ask(b"append k 0 0 24\r\n%s\r\n" % (b"x" * 24), b"STORED\r\n")


class OnFlash:
    """What a scripted backend does with an item called flash: refuses to append to it and to count it."""

    def __init__(self):
        self.changes = 0  # how often somebody else stores before what we do
        self.before_store = None
        self.before_read = None

    def __call__(self, conn, request):
        backend = conn.backend
        if request.key != "flash":
            return None
        if request.verb == "ms" and request.flag(b"M") is not None:
            return b"NS c0 O%s\r\n" % request.opaque
        if request.verb == "ma":
            return NOT_A_NUMBER
        if request.verb == "mg" and self.before_read:
            return self.before_read(conn, request)
        if request.verb == "ms" and request.number(b"C") is not None:
            if self.changes > 0:
                self.changes -= 1
                backend._store("flash", b"5", 9)
            if self.before_store:
                return self.before_store(conn, request)
        return None

    def sent(self, backend, verb):
        return len([r for r in backend.requests if r.key == "flash" and r.verb == verb])


def test_an_item_that_others_change_is_tried_a_few_times():
    script = OnFlash()
    with ScriptedBackend(script) as b, Rend(behind(b.server, AGAIN), workers=1) as rend, rend.client() as c:
        b._store("flash", b"1", 9)
        script.changes = 2
        c.ask(b"incr flash 1\r\n", b"6\r\n")
        assert b.values["flash"][:2] == (b"6", 9)
        # Others are always faster.
        script.changes = 1000
        stores = script.sent(b, "ms")
        c.ask(b"append flash 0 0 1\r\nx\r\n", BUSY)
        assert 8 <= script.sent(b, "ms") - stores <= 10
        c.ask(b"incr flash 1\r\n", BUSY)
        assert b.values["flash"][:2] == (b"5", 9)


def test_an_item_that_goes_away_meanwhile():
    script = OnFlash()

    def gone(conn, request):
        conn.backend.values.pop("flash", None)

    with ScriptedBackend(script) as b, Rend(behind(b.server, AGAIN), workers=1) as rend, rend.client() as c:
        for question, answer in ((b"append flash 0 0 1\r\nx\r\n", b"NOT_STORED\r\n"), (b"incr flash 1\r\n", b"NOT_FOUND\r\n")):
            for when in ("before_read", "before_store"):
                b._store("flash", b"1", 9)
                setattr(script, when, gone)
                c.ask(question, answer)
                setattr(script, when, None)
                assert "flash" not in b.values


def test_connections_that_break_on_the_way():
    script = OnFlash()

    def cut(conn, request):
        script.before_read = script.before_store = None
        conn.reset()
        return SILENCE

    with ScriptedBackend(script) as b, Rend(behind(b.server, AGAIN), workers=1) as rend, rend.client() as c:
        b._store("flash", b"1", 9)
        wait_for("it to be used", lambda: served(c))
        wait_for("it to have lasted", lambda: served(c) and number(rend, "set.OK") > 100)
        # Only read so far: read again.  Half stored: nobody knows.
        script.before_store = cut
        stores = script.sent(b, "ms")
        c.ask(b"incr flash 1\r\n", DOWN)
        assert script.sent(b, "ms") == stores + 1
        wait_for("it to be used", lambda: served(c))
        script.before_read = cut
        heard = said(c, b"incr flash 1\r\n")
        assert heard in (b"2\r\n", DOWN), heard


def test_a_deadline_on_the_way():
    script = OnFlash()
    held = threading.Event()

    def hold(conn, request):
        held.wait(harness.PATIENCE)

    with ScriptedBackend(script) as b, Rend(behind(b.server, 'request_timeout = "2s"; retry_max = "200ms";'), workers=1) as rend:
        with rend.client() as c:
            b._store("flash", b"1", 9)
            wait_for("it to be used", lambda: served(c))
            script.before_read = hold
            c.ask(b"incr flash 1\r\n", TIMEOUT)
            held.set()
            script.before_read = None
            wait_for("it to be used", lambda: served(c))
            # What came too late to be answered was not stored either.
            assert script.sent(b, "ms") == 0 and b.values["flash"][0] == b"1"


def test_what_waits_to_be_stored_is_bounded():
    """A backend that answers what it is asked, and then reads no more."""
    stuck = threading.Event()
    reads = []

    def refuse(conn, request):
        if request.verb == "ms" and request.flag(b"M") is not None:
            return b"NS c0 O%s\r\n" % request.opaque
        if request.verb == "mg" and request.key.startswith("flash"):
            # All are read before the first is to be stored.
            reads.append(request)
            if len(reads) == 40:
                with b.lock:
                    conn.send(b"".join(b.truth(r) for r in reads))
                stuck.wait(harness.PATIENCE)
            return SILENCE
        return None

    options = 'request_timeout = "60s"; queue_bytes = "1MiB";'
    # A unix socket, as a TCP one takes megabytes that nobody reads.
    with ScriptedBackend(refuse, tcp=False) as b, Rend(behind(b.server, options), workers=1) as rend, rend.client() as c:
        wait_for("it to be used", lambda: served(c))
        body = b"z" * 500000
        for i in range(40):
            b._store(f"flash{i}", body, 0)
        c.say(b"".join(b"append flash%d 0 0 1\r\nx\r\n" % i for i in range(40)))
        wait_for("it to be busy", lambda: number(rend, "busy") >= 20)
        assert harness.sanitized() or rend.rss_kb() < 100000
        stuck.set()
        for i in range(40):
            heard = c.line() + b"\r\n"
            assert heard in (BUSY, b"STORED\r\n"), heard
            assert b.values[f"flash{i}"][0] == body + (b"" if heard == BUSY else b"x"), heard
        assert served(c)


def test_a_classic_backend_is_taken_at_its_word():
    with ScriptedBackend(meta=False) as b, Rend(behind(b.server, AGAIN), workers=1) as rend, rend.client() as c:
        c.ask(b"set k 0 0 1\r\nx\r\n", b"STORED\r\n")
        c.ask(b"incr k 1\r\n", NOT_A_NUMBER)
        assert [r.verb for r in b.requests] == ["set", "incr"]


if __name__ == "__main__":
    harness.main()
