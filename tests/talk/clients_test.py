#!/usr/bin/python3
"""Clients that people use, unchanged: once with values in memory, once with a real memcached behind rend."""
import contextlib
import subprocess

import harness
from harness import INMEM, Memcached, Rend, behind

import pylibmc
from pymemcache.client.base import Client as Pymemcache
from pymemcache.client.base import PooledClient


@contextlib.contextmanager
def in_memory():
    with Rend(INMEM) as rend:
        yield rend


@contextlib.contextmanager
def over_memcached():
    with Memcached() as memcached, Rend(behind(memcached.server)) as rend:
        with rend.client() as c:
            harness.wait_for("the backend", lambda: c.say(b"get k\r\n").line() == b"END")
        yield rend


def use_pymemcache(rend):
    c = Pymemcache(("127.0.0.1", rend.port), timeout=harness.PATIENCE, default_noreply=False)
    assert c.set("k", b"v", expire=100, flags=9) and c.get("k") == b"v"
    assert not c.add("k", b"w") and c.add("new", b"w")
    assert c.replace("k", b"r") and not c.replace("none", b"r")
    assert c.append("k", b"+") and c.prepend("k", b"-") and c.get("k") == b"-r+"
    value, version = c.gets("k")
    assert value == b"-r+"
    assert c.cas("k", b"c", version) is True
    assert c.cas("k", b"d", version) is False
    assert c.cas("none", b"d", version) is None
    assert c.set("n", b"10") and c.incr("n", 5) == 15 and c.decr("n", 6) == 9 and c.incr("none", 1) is None
    assert c.touch("k", 100) and not c.touch("none", 100)
    assert c.set_many({"m%d" % i: b"%d" % i for i in range(300)}) == []
    got = c.get_many(["m%d" % i for i in range(301)])
    assert got == {"m%d" % i: b"%d" % i for i in range(300)}, len(got)
    assert set(c.gets_many(["m1", "m2"])) == {"m1", "m2"}
    big = bytes(range(256)) * 3000
    assert c.set("big", big) and c.get("big") == big
    assert c.delete("k") and not c.delete("k")
    assert c.delete_many(["m1", "m2"]) and c.get_many(["m1", "m2", "m3"]) == {"m3": b"3"}
    assert c.version()
    assert int(c.stats()[b"cmd_set"]) > 300
    c.flush_all()
    assert c.get("big") is None
    c.set("quiet", b"q", noreply=True)
    assert c.get("quiet") == b"q"
    c.quit()
    pool = PooledClient(("127.0.0.1", rend.port), max_pool_size=4, timeout=harness.PATIENCE)
    pool.set("p", b"1")
    assert pool.get("p") == b"1"
    pool.close()


def use_pylibmc(rend):
    c = pylibmc.Client(["127.0.0.1:%d" % rend.port], binary=False, behaviors={"cas": True, "tcp_nodelay": True})
    assert c.set("k", "text") and c.get("k") == "text"
    assert c.set("number", 5) and c.incr("number", 3) == 8 and c.decr("number") == 7
    assert not c.add("k", "w") and c.add("new", "w") and c.replace("k", "r")
    value, version = c.gets("k")
    assert value == "r" and c.cas("k", "s", version) and not c.cas("k", "t", version)
    assert c.set_multi({"m%d" % i: i for i in range(100)}) == []
    assert c.get_multi(["m%d" % i for i in range(101)]) == {"m%d" % i: i for i in range(100)}
    assert c.touch("k", 100)
    assert c.delete("k") and not c.delete("k") and c.get("k") is None
    big = b"z" * 900000
    assert c.set("big", big) and c.get("big") == big
    assert c.get_stats()[0][1]
    c.flush_all()
    assert c.get("big") is None
    c.disconnect_all()


def use_memccapable(rend):
    done = subprocess.run(["memccapable", "-a", "-h", "127.0.0.1", "-p", str(rend.port)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=300)
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "All tests passed" in said, said
    assert "[FAIL]" not in said, said


def test_pymemcache_in_memory():
    with in_memory() as rend:
        use_pymemcache(rend)


def test_pymemcache_over_memcached():
    with over_memcached() as rend:
        use_pymemcache(rend)


def test_pylibmc_in_memory():
    with in_memory() as rend:
        use_pylibmc(rend)


def test_pylibmc_over_memcached():
    with over_memcached() as rend:
        use_pylibmc(rend)


def test_memccapable_in_memory():
    with in_memory() as rend:
        use_memccapable(rend)


def test_memccapable_over_memcached():
    with over_memcached() as rend:
        use_memccapable(rend)


def test_libmemcached_tools():
    with in_memory() as rend:
        server = "--servers=127.0.0.1:%d" % rend.port

        def tool(name, *args):
            done = subprocess.run([name, server, *args], stdin=subprocess.DEVNULL, capture_output=True, cwd=rend.folder,
                                  timeout=300)
            return done.returncode, done.stdout

        with open(rend.folder + "/file", "w") as f:
            f.write("what is in the file")
        assert tool("memccp", "file")[0] == 0
        assert tool("memccat", "file") == (0, b"what is in the file\n")
        assert tool("memcexist", "file")[0] == 0
        assert tool("memctouch", "--expire=100", "file")[0] == 0
        assert tool("memcping")[0] == 0
        assert b"curr_items: 1" in tool("memcstat")[1]
        assert tool("memcrm", "file")[0] == 0
        assert tool("memcexist", "file")[0] != 0
        assert tool("memcflush")[0] == 0


if __name__ == "__main__":
    harness.main()
