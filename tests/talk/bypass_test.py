#!/usr/bin/python3
"""A tier is bypassed: the other one serves alone; what was bypassed is flushed before it is asked again."""
import os
import re
import shutil
import signal
import tempfile

import harness
from conf_test import CONFIG, Folder, exits, same
from harness import Client, Memcached, Rend, wait_for
from watcher import Watched, fixture

UNAVAILABLE = 69


class State:
    """A folder for notes."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    @property
    def line(self):
        return f'state_dir = "{self.path}";'

    def notes(self):
        return sorted(os.listdir(self.path))


def tiers(server, more="", batch=None, l1='plugin = "inmem";'):
    batch = more if batch is None else batch
    return f"""
handlers = {{
    mem = {{ {l1} }};
    back = {{ plugin = "memcached"; servers = [ "{server}" ]; {harness.PATIENT} }};
}};
policies = {{
    online = {{ plugin = "l1l2"; l1 = "mem"; l2 = "back"; {more} }};
    bulk = {{ plugin = "l1l2batch"; l1 = "mem"; l2 = "back"; {batch} }};
}};
listeners = ( {{ port = 0; policy = "online"; }}, {{ port = 0; policy = "bulk"; }} );
"""


BYPASS_L1, BYPASS_L2 = 'bypass = "l1";', 'bypass = "l2";'
NOWHERE = "unix:/nonexistent/socket"


def test_l1_serves_alone():
    with State() as state, Watched(tiers(NOWHERE, BYPASS_L2), fields=state.line) as rend:
        wait_for("the log to say so", lambda: rend.said(r"policies\.online: l2 \(back\) is bypassed: mem serves alone"))
        with rend.client(0) as online, rend.client(1) as bulk:
            online.ask(b"set k 5 0 3\r\nnew\r\nget k\r\n", b"STORED\r\nVALUE k 5 3\r\nnew\r\nEND\r\n")
            bulk.ask(b"get k\r\nadd k 0 0 1\r\nx\r\nappend k 0 0 1\r\n!\r\n", b"VALUE k 5 3\r\nnew\r\nEND\r\nNOT_STORED\r\nSTORED\r\n")
            online.ask(b"gat 0 k\r\nset n 0 0 1\r\n1\r\nincr n 2\r\n", b"VALUE k 5 4\r\nnew!\r\nEND\r\nSTORED\r\n3\r\n")
            bulk.ask(b"touch k 100\r\ndelete k\r\nget k\r\nflush_all\r\nget n\r\n", b"TOUCHED\r\nDELETED\r\nEND\r\nOK\r\nEND\r\n")
        m = rend.scrape()
        assert m.sum("rend_node_ops_total", node="back") == 0
        assert m.get("rend_ready") == 1 and m.get("rend_node_up", node="online") == 1
        status, _, text = rend.ask("/readyz?verbose")
        assert status == 200 and "[+] node back is bypassed" in text, text
        # Nobody tries to reach it.
        assert ("back",) not in m.all("rend_memcached_links_up")
        same(state.notes(), ["bypassed.back"])


def test_l2_serves_alone_and_l1_begins_empty():
    with Memcached() as l2:
        with Rend(tiers(l2.server)) as rend, rend.client(0) as c:
            c.ask(b"set k 0 0 3\r\nold\r\nget k\r\n", b"STORED\r\nVALUE k 0 3\r\nold\r\nEND\r\n")
        # No notes are needed: what is in memory is gone with the process.
        with Watched(tiers(l2.server, BYPASS_L1)) as rend:
            with rend.client(0) as online, rend.client(1) as bulk:
                online.ask(b"get k\r\nset k 0 0 3\r\nnew\r\n", b"VALUE k 0 3\r\nold\r\nEND\r\nSTORED\r\n")
                bulk.ask(b"get k\r\nset b 0 0 1\r\nb\r\n", b"VALUE k 0 3\r\nnew\r\nEND\r\nSTORED\r\n")
                # Many at once: stores are told of what is to come, and this one is not open.
                online.ask(b"get k b n\r\n" * 20, b"VALUE k 0 3\r\nnew\r\nVALUE b 0 1\r\nb\r\nEND\r\n" * 20)
            with Client(l2.path) as c:
                c.ask(b"get k b\r\n", b"VALUE k 0 3\r\nnew\r\nVALUE b 0 1\r\nb\r\nEND\r\n")
            assert rend.scrape().sum("rend_node_ops_total", node="mem") == 0
            l2.end(signal.SIGKILL)
            wait_for("its only tier to be missed", lambda: rend.scrape().get("rend_ready") == 0)
        l2.restart()
        with Rend(tiers(l2.server)) as rend, rend.client(0) as c:
            c.ask(b"get k\r\n", b"END\r\n")


def comes_back(conf, start):
    """What a get of k answers when l2 is asked again, of which an older k was written before it was bypassed."""
    with State() as state, Memcached() as l2:
        with Rend(conf(l2.server), fields=state.line) as rend, rend.client(0) as c:
            c.ask(b"set k 0 0 3\r\nold\r\n", b"STORED\r\n")
        same(state.notes(), [])
        with Rend(conf(l2.server, BYPASS_L2), fields=state.line) as rend, rend.client(0) as c:
            c.ask(b"get k\r\nset k 0 0 3\r\nnew\r\n", b"END\r\nSTORED\r\n")
            same(state.notes(), ["bypassed.back"])
        # A second start while it is bypassed changes nothing, however it ends.
        rend = Rend(conf(l2.server, BYPASS_L2), fields=state.line)
        rend.__enter__()
        rend.end(signal.SIGKILL)
        rend.remove()
        same(state.notes(), ["bypassed.back"])
        with Rend(start(l2.server), fields=state.line) as rend, rend.client(0) as c:
            c.say(b"get k\r\n")
            got = c.until(b"END\r\n")
            same(state.notes(), [])
            return got, wait_for("the log to say so", lambda: rend.said("warn (.*)")).group(1)


def test_l2_comes_back_empty():
    got, said = comes_back(tiers, tiers)
    same(said, "back was bypassed: it was flushed before it is asked again")
    same(got, b"END\r\n")


def test_l2_comes_back_under_another_policy():
    only = """
handlers = {{ back = {{ plugin = "memcached"; servers = [ "{}" ]; request_timeout = "60s"; connect_timeout = "60s"; }}; }};
policies = {{ main = {{ plugin = "l1only"; l1 = "back"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""
    same(comes_back(tiers, only.format)[0], b"END\r\n")


def test_a_trusted_l2_comes_back_as_it_is():
    # It is the operator's word that nothing was written: here something was, and so the old value shows that nothing was flushed.
    got, said = comes_back(tiers, lambda server: tiers(server, "trust_l2 = true;"))
    same(said, "back was bypassed, and is trusted to hold nothing old")
    same(got, b"VALUE k 0 3\r\nold\r\nEND\r\n")


def test_l2_is_waited_for_when_it_comes_back():
    with State() as state, Memcached() as l2:
        with Client(l2.path) as c:
            c.ask(b"set k 0 0 3\r\nold\r\n", b"STORED\r\n")
        l2.send_signal(signal.SIGSTOP)
        with Rend(tiers(l2.server, BYPASS_L2), fields=state.line):
            pass
        rend = Rend(tiers(l2.server).replace(harness.PATIENT, 'request_timeout = "2s";'), fields=state.line)
        rend.start()
        try:
            # Stopped, it takes connections in and answers nothing: so rend has tried once it is said to be silent.
            wait_for("rend to try", lambda: rend.said("back"))
            assert not rend.names() and rend.alive(), rend.tail()
            l2.send_signal(signal.SIGCONT)
            wait_for("rend to listen", rend.names)
            with rend.client(0) as c:
                c.ask(b"get k\r\n", b"END\r\n")
            same(state.notes(), [])
        finally:
            rend.end()
            rend.remove()


def test_nobody_is_served_by_what_cannot_be_flushed():
    conf = """
handlers = {{ mem = {{ plugin = "inmem"; }}; back = {{ plugin = "{}"; }}; }};
policies = {{ main = {{ plugin = "l1l2"; l1 = "mem"; l2 = "back"; {} }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""
    with State() as state:
        with Rend(conf.format(fixture("keeps"), BYPASS_L2), fields=state.line):
            pass
        rend = Rend(conf.format(fixture("keeps"), ""), fields=state.line)
        rend.start()
        same(rend.child.wait(harness.PATIENCE), UNAVAILABLE)
        rend.reader.join(harness.PATIENCE)
        assert rend.said(r"back was bypassed and may hold old values, and it could not be flushed \(UNSUPPORTED\): nobody is served"), rend.tail()
        assert not rend.names(), rend.tail()
        same(state.notes(), ["bypassed.back"])
        rend.remove()
        # Where no note can be left, nothing is bypassed.
        rend = Rend(conf.format(fixture("keeps"), BYPASS_L2), fields='state_dir = "/nonexistent";')
        rend.start()
        same(rend.child.wait(harness.PATIENCE), 73)
        rend.reader.join(harness.PATIENCE)
        assert rend.said("cannot open the folder /nonexistent: No such file or directory") and not rend.names(), rend.tail()
        rend.remove()


def test_an_l1_in_another_process_comes_back_empty():
    with State() as state, Memcached() as l1, Memcached() as l2:
        def conf(more=""):
            return tiers(l2.server, more, l1=f'plugin = "memcached"; servers = [ "{l1.server}" ]; {harness.PATIENT}')

        with Rend(conf(), fields=state.line) as rend, rend.client(0) as c:
            c.ask(b"set k 0 0 3\r\nold\r\nget k\r\n", b"STORED\r\nVALUE k 0 3\r\nold\r\nEND\r\n")
        # The copy is there.
        with Client(l1.path) as c:
            c.ask(b"mg k v\r\n", b"VA 3\r\nold\r\n")
        with Rend(conf(BYPASS_L1), fields=state.line) as rend, rend.client(0) as c:
            c.ask(b"set k 0 0 3\r\nnew\r\n", b"STORED\r\n")
            same(state.notes(), ["bypassed.mem"])
        with Client(l1.path) as c:
            c.ask(b"mg k v\r\n", b"VA 3\r\nold\r\n")
        with Rend(conf(), fields=state.line) as rend, rend.client(0) as c:
            c.ask(b"get k\r\n", b"VALUE k 0 3\r\nnew\r\nEND\r\n")
        same(state.notes(), [])


def test_what_cannot_be_bypassed():
    said = {
        'bypass = "l3";': 'policies.online.bypass: there is no tier "l3"; did you mean l1?',
        "bypass = true;": "policies.online.bypass: a string is wanted, not true or false: put it in quotes",
        'bypass = "l2";': "policies.online.bypass: there must be a state_dir: rend notes there that back is to be flushed before it is asked again",
        'trust_l2 = "yes";': "policies.online.trust_l2: true or false is wanted, not a string: leave out the quotes",
        'bypas = "l2";': "policies.online.bypas: l1l2 has no such option; did you mean bypass?",
    }
    with Folder() as f:
        for more, sentence in said.items():
            f.write("a.conf", tiers(NOWHERE, more, ""))
            got = f.run("-t", "-c", "a.conf")
            exits(got, CONFIG)
            assert f"a.conf:7: {sentence}" in got.stderr, got.stderr
        # One that trusts its l2 leaves no note; and both policies have to say so.
        for more, batch, sentence in ((BYPASS_L2, BYPASS_L1, "policies.bulk is over the same two tiers, and does not bypass back: all of them must, or none"),
                                      (BYPASS_L1, "", "policies.bulk is over the same two tiers, and does not bypass mem: all of them must, or none"),
                                      (BYPASS_L2 + "trust_l2 = true;", None, None), (BYPASS_L1, None, None)):
            f.write("a.conf", 'state_dir = "/tmp";' + tiers(NOWHERE, more, batch) if sentence else tiers(NOWHERE, more, batch))
            got = f.run("-t", "-c", "a.conf")
            exits(got, CONFIG if sentence else 0)
            assert sentence is None or f"a.conf:7: policies.online.bypass: {sentence}\n" in got.stderr, got.stderr
        for plugin, options, sentence in (("l1only", 'l1 = "mem"; bypass = "l1";', "bypass: it has no two tiers, of which one could serve alone"),
                                          ("locked", 'over = "mem"; bypass = "l1";', "bypass: it has no two tiers, of which one could serve alone"),
                                          ("l1only", 'l1 = "mem"; trust_l2 = true;', "trust_l2: it has no two tiers, so there is no l2")):
            f.write("a.conf", f'handlers = {{ mem = {{ plugin = "inmem"; }}; }};\npolicies = {{ main = {{ plugin = "{plugin}"; {options} }}; }};\n'
                              'listeners = ( { policy = "main"; } );\n')
            got = f.run("-t", "-c", "a.conf")
            exits(got, CONFIG)
            same(got.stderr, f"a.conf:2: policies.main.{sentence}\n")


def test_options_of_a_bypassed_tier_stay():
    with Folder() as f:
        f.write("a.conf", tiers(NOWHERE, BYPASS_L1, l1='plugin = "inmem"; unknown_hold = "1s";'))
        exits(f.run("-t", "-c", "a.conf"), 0)


def test_it_is_drawn_and_listed():
    with Folder() as f:
        f.write("a.conf", 'state_dir = "/tmp";' + tiers(NOWHERE, BYPASS_L2))
        got = f.run("--draw", "-c", "a.conf")
        exits(got, 0)
        assert '"online" -> "back" [label="l2", style=dotted];' in got.stdout, got.stdout
        assert '"online" -> "mem" [label="l1"];' in got.stdout
        assert re.search(r'"back" \[shape=cylinder, .*style=dotted\];', got.stdout)
        got = f.run("--paths", "-c", "a.conf")
        exits(got, 0)
        assert "policies.online (l1l2), l2 bypassed\nget       l1=yes  " in got.stdout, got.stdout
        assert "l2=" not in got.stdout


def test_an_l2_that_somebody_else_asks_is_open():
    conf = """
handlers = { mem = { plugin = "inmem"; }; disk = { plugin = "inmem"; }; };
policies = {
    main = { plugin = "l1l2"; l1 = "mem"; l2 = "disk"; bypass = "l2"; };
    straight = { plugin = "l1only"; l1 = "disk"; };
};
listeners = ( { port = 0; policy = "main"; }, { port = 0; policy = "straight"; } );
"""
    with Rend(conf) as rend, rend.client(0) as main, rend.client(1) as straight:
        main.ask(b"set k 0 0 1\r\nm\r\n", b"STORED\r\n")
        straight.ask(b"get k\r\nset k 0 0 1\r\ns\r\n", b"END\r\nSTORED\r\n")
        main.ask(b"get k\r\n", b"VALUE k 0 1\r\nm\r\nEND\r\n")


def test_a_policy_below_may_be_bypassed():
    conf = """
handlers = { mem = { plugin = "inmem"; }; a = { plugin = "inmem"; }; b = { plugin = "inmem"; }; };
policies = {
    low = { plugin = "l1l2"; l1 = "a"; l2 = "b"; };
    safe = { plugin = "locked"; over = "low"; };
    main = { plugin = "l1l2"; l1 = "mem"; l2 = "safe"; bypass = "l2"; trust_l2 = true; };
};
listeners = ( { port = 0; policy = "main"; } );
"""
    with Watched(conf) as rend:
        with rend.client() as c:
            c.ask(b"set k 0 0 1\r\nm\r\nget k\r\n", b"STORED\r\nVALUE k 0 1\r\nm\r\nEND\r\n")
            c.stats("nodes"), c.stats("policy"), c.stats("items"), c.stats("settings")
        m = rend.scrape()
        same(m.all("rend_node_memory_bytes").keys(), {("mem",)})
        for node in ("low", "safe", "a", "b"):
            assert m.sum("rend_node_ops_total", node=node) == 0 and f"[+] node {node} is bypassed" in rend.ask("/readyz?verbose")[2]


if __name__ == "__main__":
    harness.main()
