#!/usr/bin/python3
"""What a store says of itself beside ops: what it alone may have, what memory it holds, what it brings away before it is closed."""
import re

import harness
from conf_test import CONFIG, Folder, exits, same
from harness import Rend, wait_for
from watcher import Watched, fixture

CONF = """
handlers = {{ {handlers} }};
policies = {{ main = {{ plugin = "l1only"; l1 = "{l1}"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""


def keeps(name, files="", more=""):
    return f'{name} = {{ plugin = "{fixture("keeps")}"; files = [ {files} ]; {more} }};'


def conf(*handlers, l1="one"):
    return CONF.format(handlers=" ".join(handlers), l1=l1)


def test_two_stores_do_not_share_what_only_one_may_have():
    with Folder() as f:
        text = conf(keeps("one", '"/a", "/b"') + "\n", keeps("two", '"/c"') + "\n", keeps("three", '"/d", "/b", "/d"'))
        got = f.run("-t", "-c", f.write("a.conf", text))
        exits(got, CONFIG)
        same(got.stderr, "a.conf:4: handlers.three: wants /b for itself, which handlers.one has: two stores cannot share it\n"
                         "a.conf:4: handlers.three: wants /d twice\n")
        many = ", ".join(f'"/{i}"' for i in range(64))
        same(f.run("-t", "-c", f.write("a.conf", conf(keeps("one", many)))).returncode, 0)
        got = f.run("-t", "-c", f.write("a.conf", conf(keeps("one", many + ', "/64"'))))
        assert re.fullmatch(r"a\.conf:2: handlers\.one: plugin keeps claims more than 64 things\n", got.stderr), got


def test_what_a_person_can_tell_it_is_described():
    with Folder() as f:
        got = f.run("--describe", fixture("keeps"))
        exits(got, 0)
        assert got.stdout.endswith("\n| command | |\n|---|---|\n| `count [KEY\\|PREFIX]` | Says how many sets there were. |\n"), got.stdout
        assert "command" not in f.run("--describe", "inmem").stdout


def test_memory_is_said_of_who_knows():
    with Watched(conf(keeps("one"))) as rend:
        with rend.client() as c:
            c.ask(b"set a 0 0 1\r\nv\r\nset b 0 0 1\r\nv\r\n", b"STORED\r\nSTORED\r\n")
        same(rend.scrape().all("rend_node_memory_bytes"), {("one",): 1002})


def test_large_values_are_read_into_its_memory():
    """From a socket, as it comes; if the client leaves, or what it says is wrong, all of it is given back."""
    size = 900001
    with Watched(conf(keeps("one"))) as rend:
        def at(name):
            return rend.scrape().get("rend_keeps_" + name, node="one")

        with rend.client() as c:
            c.ask(b"set k 0 0 100000\r\n" + bytes(100000) + b"\r\n", b"STORED\r\n")
            same(at("in_place"), 0)
            c.say(b"set k 0 0 %d\r\n" % size + bytes(300000))
            wait_for("memory to be reserved", lambda: at("out") == 10)
            c.ask(bytes(size - 300000) + b"\r\n", b"STORED\r\n")
            same(at("in_place"), 1)
            wait_for("it to be given back", lambda: at("out") == 0)
            c.say(b"set k 0 0 %d\r\n" % size + bytes(size) + b"no end")
            c.hear(b"CLIENT_ERROR bad data chunk\r\n")
            wait_for("it to be given back", lambda: at("out") == 0)
        with rend.client() as c:
            c.say(b"ms k %d\r\n" % size + bytes(300000))
            wait_for("memory to be reserved", lambda: at("out") == 10)
        wait_for("it to be given back", lambda: at("out") == 0)
        same(at("in_place"), 1)


TWO = """
handlers = {{ {handlers} }};
policies = {{ main = {{ plugin = "l1only"; l1 = "one"; }}; other = {{ plugin = "l1only"; l1 = "two"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }}, {{ port = 0; policy = "other"; }} );
"""


def test_a_store_is_drained_before_it_is_closed():
    text = "drain_timeout = \"100s\";\n" + TWO.format(handlers=keeps("one") + keeps("two", more='drain = "lost";'))
    with Rend(text) as rend:
        for which in (0, 1, 1):
            with rend.client(which) as c:
                c.ask(b"set a 0 0 1\r\nv\r\n", b"STORED\r\n")
        same(rend.end(), 0)
        said = [line for line in rend.lines if re.search("drained|lost", line)]
        assert len(said) == 4, said
        # Parents first; of two handlers the one that was opened last.
        assert "two: 2 sets are lost" in said[0] and "error" in said[0], said
        assert re.search(r"drained 1 sets, with (9[0-9]|100) s left", said[1]), said
        assert "closed with 2 sets, drained" in said[2] and "closed with 0 sets, drained" in said[3], said


if __name__ == "__main__":
    harness.main()
