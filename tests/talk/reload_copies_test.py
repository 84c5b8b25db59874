#!/usr/bin/python3
"""An l1 that leaves rend.conf and comes back, or whose block is another one, has nothing that is older than what was written meanwhile."""
import signal

import harness
from harness import Client, Memcached, wait_for
from reloads import CONFIG, Reloaded
from scripted_backend import ScriptedBackend
from tiers_test import hit, stored

FLUSHED = "hot was another block before, and may hold old values: it was flushed"
DOUBTED = "hot was another block before, and may hold old values: none is believed until it has been flushed"


def conf(handlers, policy):
    return f"""
handlers = {{ {handlers} }};
policies = {{ main = {{ {policy} }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""


def backend(name, server, more=""):
    return f'{name} = {{ plugin = "memcached"; servers = [ "{server}" ]; {harness.PATIENT} {more} }};'


BOTH, ALONE = 'plugin = "l1l2"; l1 = "hot"; l2 = "all";', 'plugin = "l1only"; l1 = "all";'


def is_hot(address, key):
    with Client(address) as direct:
        return direct.say(b"mg %s f\r\n" % key).line().startswith(b"HD f5")


def hot(rend, address, body):
    """It is read into l1."""
    with rend.client() as c:
        stored(c, b"k", body, 5)
        c.ask(b"get k\r\n", hit(b"k", body, 5))
    wait_for("a copy", lambda: is_hot(address, b"k"))


def test_an_l1_in_another_process_comes_back():
    """Its block is gone meanwhile, or only another one."""
    with Memcached() as l1, Memcached() as l2:
        both = conf(backend("hot", l1.server) + backend("all", l2.server), BOTH)
        for between in (conf(backend("all", l2.server), ALONE), conf(backend("hot", l1.server, "links = 2;") + backend("all", l2.server), ALONE)):
            with Reloaded(both) as rend, rend.client() as c:
                hot(rend, l1.path, b"old")
                rend.reload(between)
                stored(c, b"k", b"new", 5)
                assert is_hot(l1.path, b"k")
                said = rend.reload(both)
                assert DOUBTED in said, said
                c.ask(b"get k\r\n", hit(b"k", b"new", 5))
                wait_for("it to be flushed", lambda: rend.said("hot: flushed"))
                c.ask(b"get k\r\n", hit(b"k", b"new", 5))
                wait_for("a copy", lambda: is_hot(l1.path, b"k"))


def test_another_number_costs_no_copy():
    with Memcached() as l1, Memcached() as l2:
        both = conf(backend("hot", l1.server) + backend("all", l2.server), BOTH)
        with Reloaded(both) as rend, rend.client() as c:
            hot(rend, l1.path, b"v")
            said = rend.reload(conf(backend("hot", l1.server, "links = 2;") + backend("all", l2.server), BOTH))
            assert "flushed" not in said, said
            assert is_hot(l1.path, b"k") and int(rend.stats("nodes").get("hot.in_doubt", 0)) == 0
            c.ask(b"get k\r\n", hit(b"k", b"v", 5))
            assert int(rend.stats("policy")["main.get.l1.yes"]) > 0


def test_an_l1_that_is_away_does_not_hold_a_reload_up():
    """It is emptied when it is there again, and nothing in it is believed before that."""
    with Memcached() as l1, Memcached() as l2:
        both = conf(backend("hot", l1.server, "retry_max = \"200ms\";") + backend("all", l2.server), BOTH)
        with Reloaded(both) as rend, rend.client() as c:
            hot(rend, l1.path, b"old")
            rend.reload(conf(backend("all", l2.server), ALONE))
            stored(c, b"k", b"new", 5)
            l1.send_signal(signal.SIGSTOP)
            said = rend.reload(both)
            l1.send_signal(signal.SIGCONT)
            assert DOUBTED in said, said
            c.ask(b"get k\r\n", hit(b"k", b"new", 5))


def test_what_begins_empty_is_not_flushed():
    with Memcached() as l2:
        first = conf('hot = { plugin = "inmem"; };' + backend("all", l2.server), BOTH)
        with Reloaded(first) as rend, rend.client() as c:
            stored(c, b"k", b"old", 5)
            said = rend.reload(first.replace('"inmem";', '"inmem"; memory = "32MiB";'))
            assert "flushed" not in said, said
            c.ask(b"get k\r\n", hit(b"k", b"old", 5))


def test_pieces_that_stayed_where_they_were():
    """The store beneath goes on, and with it what was in it."""
    with Memcached() as l2:
        below, big = 'mem = { plugin = "inmem"; };', 'hot = { plugin = "chunked"; over = "mem"; };'
        both = conf(below + big + backend("all", l2.server), BOTH)
        with Reloaded(both) as rend, rend.client() as c:
            stored(c, b"k", b"old", 5)
            c.ask(b"get k\r\n", hit(b"k", b"old", 5))
            # Another block over the same store, while clients use that: it cannot be emptied under them.
            rend.refused(both.replace('over = "mem";', 'over = "mem"; window = 7;'), CONFIG, "hot may hold old values", "clients are using it")
            rend.reload(conf(below + backend("all", l2.server), ALONE))
            stored(c, b"k", b"new", 5)
            said = rend.reload(both)
            assert FLUSHED in said, said
            c.ask(b"get k\r\n", hit(b"k", b"new", 5))


def test_what_clients_use_under_locks_is_not_flushed():
    with Memcached() as l2:
        two = """
handlers = {{ mem = {{ plugin = "inmem"; }}; {back} }};
policies = {{ main = {{ {main} }}; b = {{ plugin = "locked"; over = "all"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }}, {{ port = 0; policy = "b"; }} );
"""
        back = backend("all", l2.server)
        with Reloaded(two.format(back=back, main='plugin = "l1only"; l1 = "mem";')) as rend, rend.client(1) as c:
            stored(c, b"k", b"v", 5)
            rend.refused(two.format(back=back, main='plugin = "l1l2"; l1 = "mem"; l2 = "all";'), CONFIG, "all may hold old values", "clients are using it")
            c.ask(b"get k\r\n", hit(b"k", b"v", 5))


def test_what_was_in_doubt_is_not_believed_by_others():
    """An l1 that was ours alone is shared from now on: which of its copies are old, only the one before knew."""
    with ScriptedBackend(sets_cas=True) as l1, Memcached() as l2:
        alone = conf(backend("hot", l1.server, "exclusive = true;") + backend("all", l2.server), BOTH)
        with Reloaded(alone) as rend, rend.client() as c:
            stored(c, b"k", b"old", 5)
            wait_for("a copy", lambda: c.ask(b"get k\r\n", hit(b"k", b"old", 5)) and l1.values.get("k", (b"",))[0] == b"old")
            l1.misbehave = lambda conn, r: b"SERVER_ERROR not now\r\n" if r.verb == "md" else None
            stored(c, b"k", b"new", 5)
            l1.misbehave = None
            assert l1.values["k"][0] == b"old"
            said = rend.reload(alone.replace("exclusive = true;", ""))
            assert DOUBTED in said, said
            c.ask(b"get k\r\n", hit(b"k", b"new", 5))


OVER = """
handlers = {{ hot = {{ plugin = "inmem"; memory = "{memory}"; }}; {back} }};
policies = {{ main = {{ {main} }}; {under} }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""


def test_an_l2_that_is_a_policy_stays_the_same_l2():
    """It is made anew with each reload; what is in its l1 are still copies of what it has."""
    with Memcached() as l2:
        def over(main='plugin = "l1l2"; l1 = "hot"; l2 = "deep";', under='deep = { plugin = "locked"; over = "deeper"; };'
                 ' deeper = { plugin = "l1only"; l1 = "all"; };', memory="64MiB"):
            return OVER.format(back=backend("all", l2.server), main=main, under=under, memory=memory)

        alone = 'deep = { plugin = "l1only"; l1 = "all"; };'
        with Reloaded(over()) as rend, rend.client() as c:
            stored(c, b"k", b"v", 5)
            c.ask(b"get k\r\n", hit(b"k", b"v", 5))
            for conf in (over(), over(main='plugin = "l1l2batch"; l1 = "hot"; l2 = "deep";'), over()):
                said = rend.reload(conf)
                assert "flushed" not in said, said
                c.ask(b"get k\r\n", hit(b"k", b"v", 5))
                # It comes out of hot, where it was.
                assert int(rend.stats("policy")["main.get.l1.yes"]) > 0
            # One that is over others, or in another way, is another one: its copies are asked meanwhile.
            rend.refused(over(under=alone), CONFIG, "hot holds copies of another l2", "restart")
            # What is written without its copies makes them old, by whatever way it is written.
            rend.reload(over(main='plugin = "l1only"; l1 = "all";'))
            stored(c, b"k", b"w", 5)
            said = rend.reload(over())
            assert "hot was not asked with the other tier: it was flushed" in said, said
            c.ask(b"get k\r\n", hit(b"k", b"w", 5))


if __name__ == "__main__":
    harness.main()
