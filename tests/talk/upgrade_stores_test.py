#!/usr/bin/python3
"""What a store in memory has goes on in the process that takes over; or that one begins empty and says so, and what was given for nothing is kept."""
import signal
import threading
import time

import harness
from harness import Memcached, wait_for
from upgrades import GO, HELLO, PARCEL, PREPARED, READY, SOCKETS, TAKEN, YOURS, ALL, Letters, Upgraded, call, text

KEYS = 3000 if not harness.sanitized() else 600
CONFIG, TEMPFAIL = 78, 75


def conf(memory="64MiB", more="", policy='main = { plugin = "l1only"; l1 = "mem"; };', handlers=""):
    return f"""
handlers = {{ mem = {{ plugin = "inmem"; memory = "{memory}"; hand_over = true; {more} }}; {handlers} }};
policies = {{ {policy} }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""


def tiers(server, more=harness.PATIENT):
    return conf(policy='main = { plugin = "l1l2"; l1 = "mem"; l2 = "back"; };',
                handlers=f'back = {{ plugin = "memcached"; servers = [ "{server}" ]; {more} }};')


def value_of(i):
    """Some are large: every 50th lies in pages."""
    return (b"%06d" % i) * (5000 if i % 50 == 7 else 1 + i % 60)


class Items:
    """Items, of which some expire, and their versions."""

    def __init__(self, client, keys=None):
        self.keys = KEYS if keys is None else keys
        self.version = 0
        self.began = time.time()
        for i in range(self.keys):
            self.put(client, i)

    def put(self, client, i):
        v = value_of(i)
        client.say(b"ms k%d %d F%d T%d c\r\n%s\r\n" % (i, len(v), i, 0 if i % 3 else 5000, v))
        version = int(client.line().split()[1][1:])
        assert version > self.version, (version, self.version)
        self.version = version

    def all_there(self, client):
        for i in range(self.keys):
            v = value_of(i)
            client.say(b"mg k%d v f t c\r\n" % i)
            line = client.line()
            words = line.split()
            assert words[:3] == [b"VA", b"%d" % len(v), b"f%d" % i], (i, line)
            if i % 3:
                assert words[3] == b"t-1", (i, line)
            else:
                assert 5000 - (time.time() - self.began) - 3 <= int(words[3][1:]) <= 5000, (i, line)
            assert int(words[4][1:]) <= self.version, (i, line)
            client.hear(v + b"\r\n")
        assert int(client.stats()["curr_items"]) >= self.keys

    def none_there(self, client):
        for i in range(self.keys):
            client.ask(b"mg k%d v\r\n" % i, b"EN\r\n")


def test_what_is_in_memory_goes_on():
    with Upgraded(conf()) as rend, rend.client() as c:
        items = Items(c)
        c.ask(b"set gone 0 1 1\r\nx\r\n", b"STORED\r\n")
        c.ask(b"set n 0 0 2\r\n41\r\n", b"STORED\r\n")
        for turn in range(4):
            rend.upgrade()
            items.all_there(c)
            items.put(c, turn)
            c.ask(b"incr n 1\r\n", b"%d\r\n" % (42 + turn))
        wait_for("one to expire", lambda: c.say(b"mg gone\r\n").line() == b"EN")
        c.ask(b"flush_all\r\n", b"OK\r\n")
        rend.upgrade()
        items.none_there(c)
        assert not rend.said("begins empty"), rend.tail()


def test_a_large_value_half_there_and_one_half_sent():
    big = b"".join(b"%07d\n" % i for i in range(100000))
    whole = b"VALUE big 0 %d\r\n%s\r\nEND\r\n" % (len(big), big)
    with Upgraded(conf(), more='drain_timeout = "1h";') as rend, rend.client() as c, rend.client() as half, rend.client() as slow:
        items = Items(c, 100)
        c.ask(b"set big 0 0 %d\r\n%s\r\n" % (len(big), big), b"STORED\r\n")
        half.say(b"set half 0 0 %d\r\n%s" % (len(big), big[:300000]))
        slow.say(b"get big\r\n" * 20)
        # Nobody reads yet, so of some the end is owed by the process that was asked.
        slow.hear(whole[:1000])
        old = rend.hand_over()
        # It stays as it was, though it is gone for everybody else and others want its place.
        items.all_there(c)
        c.ask(b"set big 0 0 3\r\nnew\r\n", b"STORED\r\n")
        for i in range(100):
            c.ask(b"set fill%d 0 0 %d\r\n%s\r\n" % (i, len(big) // 2, b"F" * (len(big) // 2)), b"STORED\r\n")
        slow.hear(whole[1000:])
        olds = 1
        for _ in range(19):
            line = slow.line()
            olds += line != b"VALUE big 0 3"
            slow.hear(whole.split(b"\r\n", 1)[1] if line == b"VALUE big 0 %d" % len(big) else b"new\r\nEND\r\n")
        assert olds >= 2, olds
        half.ask(big[300000:] + b"\r\n", b"STORED\r\n")
        half.ask(b"get half\r\n", b"VALUE half 0 %d\r\n%s\r\nEND\r\n" % (len(big), big))
        rend.gone(old)


def test_under_load():
    """Nothing that was stored is ever missing, and no version goes back, over several upgrades."""
    stop, errors, asked = threading.Event(), [], [0] * 4

    def ask(rend, n):
        try:
            with rend.client() as c:
                last, i = 0, 0
                while not stop.is_set():
                    i += 1
                    v = b"%d-%d" % (n, i)
                    c.say(b"ms own%d %d c\r\n%s\r\nmg own%d v c\r\nmg k%d v\r\n" % (n, len(v), v, n, i % 100))
                    version = int(c.line().split()[1][1:])
                    assert version > last, (version, last)
                    last = version
                    got = c.line()
                    assert got.split()[:1] == [b"VA"] and int(got.split()[2][1:]) == version, (got, version)
                    c.hear(v + b"\r\n")
                    got = c.line()
                    w = value_of(i % 100)
                    assert got == b"VA %d" % len(w), got
                    c.hear(w + b"\r\n")
                    asked[n] += 1
        except Exception as e:  # pylint: disable=broad-except
            errors.append(repr(e))

    with Upgraded(conf()) as rend, rend.client() as c:
        items = Items(c)
        threads = [threading.Thread(target=ask, args=(rend, n), daemon=True) for n in range(4)]
        for t in threads:
            t.start()
        for _ in range(4 if not harness.sanitized() else 2):
            before = list(asked)
            wait_for("all to be heard", lambda: errors or all(a > b for a, b in zip(asked, before)))
            rend.upgrade()
        before = list(asked)
        wait_for("all to be heard", lambda: errors or all(a > b for a, b in zip(asked, before)))
        stop.set()
        for t in threads:
            t.join(harness.PATIENCE)
        assert not errors, errors[:3]
        items.all_there(c)


def begins_empty(before, after, *words):
    with Upgraded(before) as rend, rend.client() as c:
        items = Items(c, 100)
        rend.write(after)
        rend.upgrade()
        for word in words:
            wait_for(word, lambda word=word: rend.said(word))
        items.none_there(c)
        c.ask(b"set a 0 0 1\r\nv\r\n", b"STORED\r\n")


def test_another_memory_begins_empty():
    begins_empty(conf(), conf(memory="32MiB"), "mem: begins empty", "another size")


def test_who_may_not_be_handed_over_begins_empty():
    begins_empty(conf().replace("hand_over = true", "hand_over = false"), conf(), "mem: the next process begins empty", "hand_over is false")


def test_a_copy_of_something_else_begins_empty():
    with Memcached() as one, Memcached() as other:
        words = ("mem: what the process before had is not taken over", "copies of something else")
        begins_empty(conf(), tiers(other.server), *words)
        begins_empty(tiers(one.server), conf(), *words)
        with Upgraded(tiers(one.server)) as rend, rend.client() as c:
            Items(c, 100)
            rend.write(tiers(other.server))
            rend.upgrade()
            wait_for("it to be said", lambda: rend.said("copies of something else"))
            for i in range(100):
                c.ask(b"mg k%d v\r\n" % i, b"EN\r\n")


def test_two_tiers():
    with Memcached() as l2, Upgraded(tiers(l2.server)) as rend, rend.client() as c:
        Items(c, 500)
        rend.upgrade()
        # All is in the first tier yet: the second is not asked.
        with harness.Client(l2.path) as back:
            back.ask(b"flush_all\r\n", b"OK\r\n")
        for i in range(500):
            v = value_of(i)
            c.ask(b"get k%d\r\n" % i, b"VALUE k%d %d %d\r\n%s\r\nEND\r\n" % (i, i, len(v), v))


# ---- the new process is played by us, and dies ----

def play_new(letters, steps):
    heard = []
    for kind, body, answer in ((HELLO, text(b"9.9"), SOCKETS), (READY, b"", YOURS), (TAKEN, b"", ALL), (PREPARED, b"", GO))[:steps]:
        letters.send(kind, body)
        kinds = letters.until(answer)
        assert kinds[-1] == answer, kinds
        heard += kinds
    return heard


def test_it_is_kept_when_the_new_one_dies_at_each_step():
    with Upgraded(conf()) as rend, rend.client() as c:
        items = Items(c)
        for steps in range(5):
            before = sum("not upgraded" in line for line in list(rend.lines))
            letters = call(rend.control)
            assert isinstance(letters, Letters), letters
            heard = play_new(letters, steps)
            assert (PARCEL in heard) == (steps >= 2), heard
            letters.close()
            wait_for("the old process to serve on",
                     lambda before=before: sum("not upgraded" in line for line in list(rend.lines)) > before)
            items.all_there(c)
            items.put(c, steps)
        rend.upgrade()
        items.all_there(c)
        assert not rend.said("all items are lost"), rend.tail()


def test_who_closes_his_end_and_lives_has_it_yet():
    """So he is ended before the old process goes on with what it gave him."""
    with Upgraded(conf()) as rend, rend.client() as c:
        items = Items(c)
        letters = call(rend.control)
        play_new(letters, 2)
        letters.sock.close()
        wait_for("the old process to serve on", lambda: rend.said("not upgraded"))
        assert letters.close() == -signal.SIGKILL
        items.all_there(c)
        items.put(c, 1)


def test_it_is_kept_when_the_new_one_cannot_start():
    """It has taken what is in memory by then, and a store that comes later cannot be opened."""
    with Upgraded(conf()) as rend, rend.client() as c:
        items = Items(c)
        rend.write(conf(handlers='other = { plugin = "ssd"; path = "/proc/none"; size = "64MiB"; };',
                        policy='main = { plugin = "l1l2"; l1 = "mem"; l2 = "other"; }; two = { plugin = "l1only"; l1 = "mem"; };'))
        code, out, err = rend.tried("upgrade")
        assert code not in (0, TEMPFAIL), (code, out, err)
        items.all_there(c)
        items.put(c, 1)
        rend.write(conf())
        rend.upgrade()
        items.all_there(c)


if __name__ == "__main__":
    harness.main()
