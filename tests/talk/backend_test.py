#!/usr/bin/python3
"""Clients of a rend whose values are in another memcached: what they get is what is there."""
import random
import threading
import time

import harness
from backends import ERROR, beside, misbehave_once, number, said, served
from harness import Memcached, Rend, behind, wait_for
from scripted_backend import SILENCE, ScriptedBackend

# How long many clients may take for all that they say.
ALL_OF_IT = 5 * harness.PATIENCE


def test_a_real_backend_answers_through_rend():
    with Memcached() as m, Rend(behind(m.server)) as rend, rend.client() as c:
        c.ask(b"get k\r\n", b"END\r\n")
        c.ask(b"set k 7 0 5\r\nhello\r\n", b"STORED\r\n")
        c.ask(b"get k\r\n", b"VALUE k 7 5\r\nhello\r\nEND\r\n")
        c.ask(b"add k 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
        c.ask(b"add l 1 0 1\r\nx\r\n", b"STORED\r\n")
        c.ask(b"replace none 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
        c.ask(b"append none 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
        c.ask(b"append k 0 0 1\r\n!\r\n", b"STORED\r\n")
        c.ask(b"prepend k 0 0 1\r\n>\r\n", b"STORED\r\n")
        c.ask(b"get k none l\r\n", b"VALUE k 7 7\r\n>hello!\r\nVALUE l 1 1\r\nx\r\nEND\r\n")
        c.ask(b"set n 0 0 2\r\n10\r\n", b"STORED\r\n")
        c.ask(b"incr n 5\r\n", b"15\r\n")
        c.ask(b"decr n 6\r\n", b"9\r\n")
        c.ask(b"incr n 18446744073709551615\r\n", b"8\r\n")
        c.ask(b"decr n 100\r\n", b"0\r\n")
        c.ask(b"incr k 1\r\n", b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n")
        c.ask(b"incr none 1\r\n", b"NOT_FOUND\r\n")
        c.ask(b"touch k 100\r\n", b"TOUCHED\r\n")
        c.ask(b"touch none 100\r\n", b"NOT_FOUND\r\n")
        c.ask(b"gat 100 k none\r\n", b"VALUE k 7 7\r\n>hello!\r\nEND\r\n")
        c.ask(b"set gone 0 -1 1\r\nx\r\nget gone\r\n", b"STORED\r\nEND\r\n")
        c.ask(b"set k2 0 0 0\r\n\r\nget k2\r\n", b"STORED\r\nVALUE k2 0 0\r\n\r\nEND\r\n")
        c.ask(b"cas none 0 0 1 1\r\nx\r\n", b"NOT_FOUND\r\n")
        version = c.say(b"gets k\r\n").until(b"END\r\n").split(b"\r\n")[0].split(b" ")[4]
        c.ask(b"cas k 0 0 1 %s\r\nb\r\n" % version, b"STORED\r\n")
        c.ask(b"cas k 0 0 1 %s\r\nc\r\n" % version, b"EXISTS\r\n")
        c.ask(b"delete k\r\n", b"DELETED\r\n")
        c.ask(b"delete k\r\n", b"NOT_FOUND\r\n")
        c.ask(b"flush_all\r\nget l\r\n", b"OK\r\nEND\r\n")
        c.ask(b"set %s 0 0 1\r\nx\r\n" % (b"k" * 250), b"STORED\r\n")
        c.ask(b"get %s\r\n" % (b"k" * 250), b"VALUE %s 0 1\r\nx\r\nEND\r\n" % (b"k" * 250))


def test_times_reach_the_backend_as_they_were_meant():
    with Memcached() as m, Rend(behind(m.server)) as rend, rend.client() as c, harness.Client(m.path) as direct:
        def left(key):
            words = said(direct, b"mg %s t\r\n" % key).split()
            return int(words[1][1:])

        begun = time.monotonic()

        def lives(key, seconds, more=0):
            """So long, or less by what has passed since, and by what its clock, which ticks once a second, may be wrong."""
            passed = time.monotonic() - begun
            assert seconds - 2 - passed <= left(key) <= seconds + more, (key, seconds, passed)

        c.ask(b"set a 0 100 1\r\nx\r\nset b 0 2592000 1\r\nx\r\nset c 0 0 1\r\nx\r\n", b"STORED\r\n" * 3)
        c.ask(b"set d 0 %d 1\r\nx\r\n" % (time.time() + 7000000), b"STORED\r\n")
        lives(b"a", 100)
        lives(b"b", 2592000)
        assert left(b"c") == -1
        lives(b"d", 7000000, 60)
        c.ask(b"touch c 50\r\ngat 60 a\r\n", b"TOUCHED\r\nVALUE a 0 1\r\nx\r\nEND\r\n")
        lives(b"c", 50)
        lives(b"a", 60)
        c.ask(b"touch c 0\r\n", b"TOUCHED\r\n")
        assert left(b"c") == -1
        c.ask(b"touch c -1\r\nget c\r\n", b"TOUCHED\r\nEND\r\n")
        # More than the backend has bits for is as late as it can be, and not gone.
        for exptime in (2**31 - 1, 2**31, 2**32 - 1, 10**11):
            c.ask(b"set e 0 %d 1\r\nx\r\nget e\r\n" % exptime, b"STORED\r\nVALUE e 0 1\r\nx\r\nEND\r\n")
            c.ask(b"touch a %d\r\nget a\r\n" % exptime, b"TOUCHED\r\nVALUE a 0 1\r\nx\r\nEND\r\n")
            assert left(b"e") > 3 * 10**8 and left(b"a") > 3 * 10**8
        # Less than 50 days, and more than the 40 that are left; a memcached takes a number beyond 30 days for a date.
        c.ask(b"set f 0 %d 1\r\nx\r\n" % (time.time() + 40 * 86400), b"STORED\r\n")
        c.ask(b"mg f R%d\r\nmg f R%d\r\n" % (time.time() + 39 * 86400, time.time() + 50 * 86400), b"HD\r\nHD W\r\n")


def test_a_time_that_a_backend_refuses_never_reaches_it():
    """A newer memcached answers CLIENT_ERROR to a time beyond 31 bits, which would end the connection that all share."""
    def strict(conn, request):
        late = [w for w in request.words[2:] if w[:1] in (b"T", b"N", b"R") and int(w[1:]) >= 2**31]
        return b"CLIENT_ERROR bad token in command line format\r\n" if late else None

    with ScriptedBackend(strict) as b, Rend(beside(b.server), workers=1) as rend, rend.client() as c:
        wait_for("the backend to be used", lambda: served(c))
        c.ask(b"set bad 0 4294967295 1\r\nx\r\n", b"STORED\r\n")
        c.ask(b"touch bad 4294967295\r\n", b"TOUCHED\r\n")
        c.ask(b"mg bad T4294967295 N4294967295 R4294967295\r\n", b"HD\r\n")
        assert b.connected == 1 and number(rend, "garbage") == 0, b.connected


def test_values_of_all_sizes_from_many_clients():
    def work(rend, number, faults):
        rng = random.Random(number)
        try:
            with rend.client() as c:
                for i in range(60):
                    size = rng.choice([0, 1, 1000, 1024, 1025, 5000, 65536, 70000, 300000, 1000000])
                    body = bytes([65 + (number * 7 + i) % 60]) * size
                    key = b"c%d-%d" % (number, i % 5)
                    c.say(b"set %s %d 0 %d\r\n%s\r\nget %s\r\n" % (key, i, size, body, key))
                    c.hear(b"STORED\r\nVALUE %s %d %d\r\n%s\r\nEND\r\n" % (key, i, size, body))
        except (AssertionError, OSError) as e:
            faults.append(e)

    with Memcached("-m", "256") as m, Rend(behind(m.server)) as rend:
        faults = []
        threads = [threading.Thread(target=work, args=(rend, n, faults)) for n in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(ALL_OF_IT)
        assert not faults and not any(t.is_alive() for t in threads), faults


def test_a_value_too_large_for_the_backend_is_refused_and_the_connection_goes_on():
    with Memcached("-I", "512k") as m, Rend(behind(m.server), workers=1) as rend, rend.client() as c:
        c.ask(b"set k 0 0 3\r\nold\r\n", b"STORED\r\n")
        for _ in range(3):
            c.ask(b"set k 0 0 900000\r\n%s\r\n" % (b"x" * 900000), b"SERVER_ERROR object too large for cache\r\n")
            c.ask(b"get k\r\n", b"END\r\n")
        assert number(rend, "disconnects") == 0


def test_a_backend_over_tcp_and_by_name():
    # Not an address as it is written, and no machine has to have a file or a server to know what it means.
    with ScriptedBackend() as b, Rend(behind(f"127.1:{b.port}"), workers=1) as rend, rend.client() as c:
        c.ask(b"set k 3 0 2\r\nhi\r\nget k\r\n", b"STORED\r\nVALUE k 3 2\r\nhi\r\nEND\r\n")


def test_nonsense_addresses_are_refused_with_a_sentence():
    for server, sentence in (("localhost", "needs a port"), ("unix:x", "must begin with /"), ("h:99999", "1 to 65535")):
        rend = Rend(behind(server))
        rend.start()
        assert rend.child.wait(harness.PATIENCE) != 0
        rend.reader.join(harness.PATIENCE)
        assert rend.said(sentence), rend.tail()
        rend.remove()


def test_a_backend_without_meta():
    with ScriptedBackend(meta=False) as b, Rend(behind(b.server), workers=1) as rend, rend.client() as c:
        c.ask(b"get k\r\n", b"END\r\n")
        c.ask(b"set k 7 0 5\r\nhello\r\n", b"STORED\r\n")
        c.ask(b"get k\r\n", b"VALUE k 7 5\r\nhello\r\nEND\r\n")
        version = c.say(b"gets k\r\n").until(b"END\r\n").split(b"\r\n")[0].split(b" ")[4]
        c.ask(b"cas k 0 0 1 %s\r\nb\r\n" % version, b"STORED\r\n")
        c.ask(b"cas k 0 0 1 %s\r\nc\r\n" % version, b"EXISTS\r\n")
        c.ask(b"set n 0 0 1\r\n5\r\nincr n 6\r\n", b"STORED\r\n11\r\n")
        c.ask(b"incr k 1\r\n", b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n")
        c.ask(b"touch k 9\r\ndelete k\r\ndelete k\r\n", b"TOUCHED\r\nDELETED\r\nNOT_FOUND\r\n")
        c.ask(b"gat 9 k\r\n", b"SERVER_ERROR not supported\r\n")
        c.ask(b"set %s 0 0 70000\r\n%s\r\n" % (b"big", b"y" * 70000), b"STORED\r\n")
        c.ask(b"get big\r\n", b"VALUE big 0 70000\r\n%s\r\nEND\r\n" % (b"y" * 70000))
        assert not any(r.verb in ("mg", "ms") for r in b.requests)
        wait_for("the log to say so", lambda: rend.said("classic text"))


def test_errors_of_the_backend_reach_the_client():
    rows = {
        b"SERVER_ERROR out of memory storing object\r\n": b"SERVER_ERROR out of memory storing object\r\n",
        b"SERVER_ERROR something else\r\n": ERROR,
        b"CLIENT_ERROR bad data chunk\r\n": ERROR,
    }
    for answer, heard in rows.items():
        with ScriptedBackend(misbehave_once(answer)) as b, Rend(behind(b.server), workers=1) as rend, rend.client() as c:
            c.ask(b"set bad 0 0 1\r\nx\r\n", heard)
            wait_for("the backend to be used", lambda: served(c))


def test_a_backend_without_memory_says_so_and_the_connection_goes_on():
    with Memcached("-M", "-m", "8") as m, Rend(behind(m.server), workers=1) as rend, rend.client() as c:
        full = b"SERVER_ERROR out of memory storing object\r\n"
        heard = []

        def store():
            heard.append(said(c, b"set k%d 0 0 100000\r\n%s\r\n" % (len(heard), b"m" * 100000)))
            return heard[-1] == full

        wait_for("it to be full", store)
        assert set(heard) == {b"STORED\r\n", full}
        c.ask(b"get k0\r\n", b"VALUE k0 0 100000\r\n%s\r\nEND\r\n" % (b"m" * 100000))
        c.ask(b"get k%d\r\n" % (len(heard) - 1), b"END\r\n")
        assert number(rend, "disconnects") == 0 and number(rend, "downs") == 0


def test_no_client_ever_gets_what_is_not_its_own():
    """Values say which key they are for.  The backend answers late, never, twice, with rubbish, and cuts connections."""
    rng = random.Random(11)
    lock = threading.Lock()

    def chaos(conn, request):
        with lock:
            dice = rng.random()
        if request.is_probe or dice > 0.005 or request.opaque is None:
            return None
        if dice < 0.001:
            conn.reset()
            return SILENCE
        if dice < 0.002:
            return b"VA 9 f0 O%s\r\nnot yours\r\n" % str(int(request.opaque) + 1).encode()
        if dice < 0.003:
            return b"\x00\xffrubbish\r\n"
        if dice < 0.004:
            conn.close()
            return SILENCE
        # The connection ends here, or the next answer could by chance fill the value to its length.
        conn.send(b"VA 50 f0 O%s\r\nhalf" % request.opaque)
        conn.close()
        return SILENCE

    def work(rend, number, faults, counts):
        own = random.Random(number)
        try:
            with rend.client() as c:
                up = True
                for i in range(400):
                    key = b"c%d-%d" % (number, own.randrange(8))
                    value = b"%s=%d;" % (key, i) * own.choice([1, 10, 500])
                    if not up:
                        wait_for("the backend to be used", lambda: served(c, b"c%d" % number))
                    line = said(c, b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value))
                    up = line == b"STORED\r\n"
                    assert line == b"STORED\r\n" or line.startswith(b"SERVER_ERROR backend "), line
                    line = said(c, b"get %s\r\n" % key)
                    if not line.startswith(b"VALUE"):
                        assert line == b"END\r\n" or line.startswith(b"SERVER_ERROR backend "), line
                        counts[0] += 1
                        continue
                    words = line.split()
                    assert words[1] == key, (key, line)
                    body = c.until(b"\r\nEND\r\n")[:-7]
                    assert len(body) == int(words[3]) and body.startswith(key + b"="), (key, body[:50])
                    parts = set(body.split(b";")[:-1])
                    assert len(parts) == 1, parts
                    counts[1] += 1
        except (AssertionError, OSError) as e:
            faults.append(e)

    conf = behind("{}", 'request_timeout = "2s"; retry_max = "100ms";')
    with ScriptedBackend(chaos) as b, Rend(conf.replace("{}", b.server), workers=2) as rend:
        faults, counts = [], [0, 0]
        threads = [threading.Thread(target=work, args=(rend, n, faults, counts)) for n in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(ALL_OF_IT)
        assert not faults and not any(t.is_alive() for t in threads), faults
        assert counts[0] > 0 and counts[1] > 1000, counts


if __name__ == "__main__":
    harness.main()
