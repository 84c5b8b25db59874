#!/usr/bin/python3
"""rend.conf is read anew while requests are under way, and while nodes become another part."""
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time

import harness
from harness import Client, Memcached, wait_for
from reloads import CONFIG, RENDCTL, TEMPFAIL, WORDS, Plugin, Reloaded, word_conf


def test_a_request_under_way_is_answered_by_the_policy_it_began_with():
    with Plugin() as plugin, Reloaded(word_conf(plugin.path, 'slow = "yes";')) as rend, rend.client() as a, rend.client() as b:
        a.say(b"get slow\r\n")
        wait_for("it to be there", lambda: any(v == "1" for k, v in rend.stats("nodes").items() if k == "word.in_flight"))
        plugin.put("two")
        # Nothing that goes on has another part, so nobody waits for it.
        rend.reload()
        b.ask(b"get k\r\n", b"VALUE k 0 3\r\ntwo\r\nEND\r\n")
        a.hear(b"VALUE slow 0 3\r\none\r\nEND\r\n")
        a.ask(b"get k\r\n", b"VALUE k 0 3\r\ntwo\r\nEND\r\n")
        rend.settled()


def test_a_dead_backend_holds_nobody_up():
    """A node that goes on is asked another thing to: what hangs there has to end first, or the reload is off, in good time."""
    with Memcached() as l2:
        direct = """
handlers = { mem = { plugin = "inmem"; }; back = { plugin = "memcached"; servers = [ "%s" ]; %s }; };
policies = { main = { plugin = "l1only"; l1 = "back"; }; };
listeners = ( { port = 0; policy = "main"; } );
""" % (l2.server, harness.PATIENT)
        tiered = direct.replace('plugin = "l1only"; l1 = "back"', 'plugin = "l1l2"; l1 = "mem"; l2 = "back"; trust_l2 = true')
        with Reloaded(direct) as rend, rend.client() as a, rend.client() as b:
            a.ask(b"set k 0 0 1\r\n1\r\n", b"STORED\r\n")
            l2.send_signal(signal.SIGSTOP)
            a.say(b"get k\r\n")
            wait_for("it to hang", lambda: rend.stats("nodes").get("back.in_flight") == "1")
            rend.refused(tiered, TEMPFAIL, "reload_wait")
            b.ask(b"mn\r\n", b"MN\r\n")
            # The same part: it need not end.
            rend.reload(direct.replace("mem = {", "mem2 = {"))
            b.ask(b"mn\r\n", b"MN\r\n")
            l2.send_signal(signal.SIGCONT)
            line = a.line()
            if line.startswith(b"VALUE"):
                a.hear(b"1\r\nEND\r\n")
            wait_for("nothing to hang", lambda: rend.stats("nodes").get("back.in_flight") == "0")
            rend.reload(tiered)
            wait_for("the backend to be back", lambda: a.say(b"get k\r\n").line().startswith(b"VALUE") and a.hear(b"1\r\nEND\r\n"))
            rend.settled()


def test_what_was_left_behind_is_empty_when_it_comes_back():
    with Memcached() as l2:
        conf = """
handlers = { mem = { plugin = "inmem"; }; back = { plugin = "memcached"; servers = [ "%s" ]; request_timeout = "60s"; connect_timeout = "60s"; }; };
policies = {
    both = { plugin = "l1l2"; l1 = "mem"; l2 = "back"; };
    %s
};
listeners = ( { port = 0; policy = "%s"; } );
"""
        both = conf % (l2.server, "", "both")
        with Reloaded(both) as rend, rend.client() as c:
            c.ask(b"set k 0 0 3\r\nold\r\nset d 0 0 1\r\n1\r\n", b"STORED\r\nSTORED\r\n")
            # Only mem is asked: back is left behind.
            rend.reload(both.replace('plugin = "l1l2"; l1 = "mem"; l2 = "back"', 'plugin = "l1only"; l1 = "mem"'))
            c.ask(b"set k 0 0 3\r\nnew\r\ndelete d\r\n", b"STORED\r\nDELETED\r\n")
            said = rend.reload(both)
            assert "back was not asked with the other tier: it was flushed" in said, said
            wait_for("the log to say so", lambda: rend.said("back was not asked with the other tier"))
            c.ask(b"get k\r\nget d\r\n", b"VALUE k 0 3\r\nnew\r\nEND\r\nEND\r\n")
            with Client(l2.path) as direct:
                direct.ask(b"get k\r\nget d\r\n", b"END\r\nEND\r\n")
            # Only back is asked: mem is left behind.
            c.ask(b"set k 0 0 3\r\nold\r\n", b"STORED\r\n")
            rend.reload(both.replace('plugin = "l1l2"; l1 = "mem"; l2 = "back"', 'plugin = "l1only"; l1 = "back"'))
            c.ask(b"set k 0 0 3\r\nnew\r\n", b"STORED\r\n")
            rend.reload(both)
            c.ask(b"get k\r\n", b"VALUE k 0 3\r\nnew\r\nEND\r\n")


def test_a_bypassed_l2_is_flushed_when_it_comes_back_unless_it_is_trusted():
    for trust in (False, True):
        with Memcached() as l2:
            state = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"state{trust}")
            os.makedirs(state, exist_ok=True)
            conf = """
handlers = { mem = { plugin = "inmem"; }; back = { plugin = "memcached"; servers = [ "%s" ]; request_timeout = "60s"; connect_timeout = "60s"; }; };
policies = { main = { plugin = "l1l2"; l1 = "mem"; l2 = "back"; trust_l2 = %s; %s }; };
listeners = ( { port = 0; policy = "main"; } );
"""
            word = "true" if trust else "false"
            with Reloaded(conf % (l2.server, word, ""), more=f'state_dir = "{state}";') as rend, rend.client() as c:
                c.ask(b"set k 0 0 3\r\nold\r\n", b"STORED\r\n")
                rend.reload(conf % (l2.server, word, 'bypass = "l2";'))
                c.ask(b"set n 0 0 3\r\nnew\r\n", b"STORED\r\n")
                rend.reload(conf % (l2.server, word, ""))
                with Client(l2.path) as direct:
                    direct.ask(b"get k\r\n", b"VALUE k 0 3\r\nold\r\nEND\r\n" if trust else b"END\r\n")
                c.ask(b"get n\r\n", b"VALUE n 0 3\r\nnew\r\nEND\r\n")


def test_a_refused_bypass_leaves_no_note():
    with Memcached() as l2:
        state = os.path.join(os.environ.get("TMPDIR", "/tmp"), "notes")
        os.makedirs(state, exist_ok=True)
        conf = """
handlers = { mem = { plugin = "inmem"; }; back = { plugin = "memcached"; servers = [ "%s" ]; request_timeout = "60s"; connect_timeout = "60s"; }; };
policies = { main = { plugin = "l1l2"; l1 = "mem"; l2 = "back"; %s }; };
listeners = ( { port = 0; policy = "main"; } );
"""
        with Reloaded(conf % (l2.server, ""), more=f'state_dir = "{state}";') as rend, rend.client() as c:
            c.ask(b"set k 0 0 1\r\n1\r\n", b"STORED\r\n")
            l2.send_signal(signal.SIGSTOP)
            c.say(b"get other\r\n")
            wait_for("it to hang", lambda: rend.stats("nodes").get("back.in_flight") == "1")
            rend.refused(conf % (l2.server, 'bypass = "l2";'), TEMPFAIL, "reload_wait")
            assert os.listdir(state) == [], os.listdir(state)
            l2.send_signal(signal.SIGCONT)
            c.line()
            wait_for("nothing to hang", lambda: rend.stats("nodes").get("back.in_flight") == "0")
            rend.reload(conf % (l2.server, 'bypass = "l2";'))
            assert os.listdir(state) == ["bypassed.back"], os.listdir(state)


# ---- requests of earlier graphs ----

DIRECT = """
%s
handlers = { mem = { plugin = "inmem"; }; back = { plugin = "memcached"; servers = [ "%s" ]; request_timeout = "60s"; connect_timeout = "60s"; }; };
policies = { main = { plugin = "%s"; %s }; };
listeners = ( { port = 0; policy = "main"; } );
"""
ALONE, PAIR = ("l1only", 'l1 = "back";'), ("l1l2", 'l1 = "mem"; l2 = "back"; trust_l2 = true;')


def hang(rend, l2, client):
    """A get of this client hangs in the backend."""
    l2.send_signal(signal.SIGSTOP)
    client.say(b"get k\r\n")
    wait_for("it to hang", lambda: rend.stats("nodes").get("back.in_flight") == "1")


def is_held(rend):
    """Do both workers leave unanswered what they are asked, though they have time?  That it takes long says nothing of a machine that is slow."""
    with rend.client() as c, rend.client() as d:
        for client in (c, d):
            client.say(b"mn\r\n")
        return wait_for("an answer, or that rend sleeps", lambda: "answered" if are_readable(c, d) else sleeps(rend) and not are_readable(c, d)) is True


def are_readable(*clients):
    return bool(select.select([c.sock for c in clients], [], [], 0)[0])


def sleeps(rend):
    """All its threads, whenever they are looked at."""
    for _ in range(5):
        time.sleep(0.02)
        for task in os.listdir(f"/proc/{rend.child.pid}/task"):
            try:
                with open(f"/proc/{rend.child.pid}/task/{task}/stat") as f:
                    if f.read().rpartition(")")[2].split()[0] != "S":
                        return False
            except OSError:  # it has just ended
                return False
    return True


def test_requests_of_all_earlier_graphs_have_to_end_first():
    """One that hangs was asked two graphs ago; the last graph has none under way."""
    with Memcached() as l2:
        direct, tiered = (DIRECT % ("", l2.server, *policy) for policy in (ALONE, PAIR))
        with Reloaded(direct) as rend, rend.client() as a, rend.client() as b:
            hang(rend, l2, a)
            rend.reload(direct.replace("mem = {", "mem2 = {"))
            rend.refused(tiered, TEMPFAIL, "reload_wait")
            assert rend.stats("nodes")["back.in_flight"] == "1"
            b.ask(b"mn\r\n", b"MN\r\n")
            l2.send_signal(signal.SIGCONT)
            a.line()
            wait_for("nothing to hang", lambda: rend.stats("nodes").get("back.in_flight") == "0")
            rend.reload(tiered)


def test_what_was_held_is_answered_when_the_server_ends():
    with Memcached() as l2:
        both, alone = (DIRECT % ('reload_wait = "1min";', l2.server, *policy) for policy in (PAIR, ("l1only", 'l1 = "mem";')))
        with Reloaded(both) as rend, rend.client() as a, rend.client() as b:
            b.ask(b"mn\r\n", b"MN\r\n")
            hang(rend, l2, a)
            rend.write(alone)
            reload = subprocess.Popen([RENDCTL, "-s", rend.control, "reload"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_for("the workers to hold", lambda: is_held(rend))
            b.say(b"mn\r\n")
            # What no worker has read yet when the end comes is not held, and nobody answers it.
            wait_for("it to be read", lambda: sleeps(rend))
            rend.send_signal(signal.SIGTERM)
            wait_for("the log to say so", lambda: rend.said("signal 15"))
            l2.send_signal(signal.SIGCONT)
            b.hear(b"MN\r\n")
            b.hear_end()
            reload.wait(harness.PATIENCE)


# ---- workers that are busy ----

BUSY = """
reload_wait = "%s";
handlers = {
    mem = { plugin = "inmem"; };
    own = { plugin = "inmem"; };
    word = { plugin = "%s"; slow = "yes"; from = "%s"; until = "%s"; };
    back = { plugin = "memcached"; servers = [ "%s" ]; request_timeout = "60s"; connect_timeout = "60s"; };
};
policies = { main = { plugin = "l1only"; l1 = "mem"; }; w = { plugin = "l1only"; l1 = "word"; }; b = { plugin = "l1only"; l1 = "back"; }; };
listeners = ( { port = 0; policy = "main"; }, { port = 0; policy = "w"; }, { port = 0; policy = "b"; } );
"""


def is_silent(client):
    return not client.heard and not select.select([client.sock], [], [], 0)[0]


def other_half(clients):
    """Those of them that the other worker has: they are asked while one is busy."""
    for c in clients:
        c.say(b"mn\r\n")
    wait_for("half of them to be answered", lambda: sum(not is_silent(c) for c in clients) == len(clients) // 2)
    half = [c for c in clients if not is_silent(c)]
    for c in half:
        c.hear(b"MN\r\n")
    return half


class Busy:
    """A rend of two workers with two clients each, one of which has one more, whose word keeps it busy."""

    def __init__(self, wait, key, back="unix:/nonexistent"):
        self.folder = tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
        os.chmod(self.folder, 0o755)
        self.begins, self.free = (os.path.join(self.folder, name) for name in ("begins", "free"))
        self.conf = BUSY % (wait, os.path.join(WORDS, "word_one.so"), self.begins, self.free, back)
        self.key = key

    @staticmethod
    def touch(path):
        with open(path, "w"):
            pass

    def let_go(self):
        self.touch(self.free)

    def __enter__(self):
        self.rend = Reloaded(self.conf)
        self.rend.__enter__()
        self.clients = [self.rend.client() for _ in range(4)]
        self.word = self.rend.client(1)
        self.word.say(b"get %s\r\n" % self.key)
        return self

    def wait_until_busy(self):
        self.touch(self.begins)
        wait_for("a worker to be busy", lambda: self.rend.said("a worker is busy"))

    def reload(self, wait=None):
        """Of one whose mem becomes an l1; that waits so long (seconds)."""
        conf = self.conf.replace('plugin = "l1only"; l1 = "mem"', 'plugin = "l1l2"; l1 = "mem"; l2 = "own"')
        self.rend.write(conf if wait is None else re.sub('reload_wait = "[^"]*"', f'reload_wait = "{wait}s"', conf))
        return subprocess.Popen([RENDCTL, "-s", self.rend.control, "reload"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def hold(self):
        """A reload for which all workers hold.  Where that was over before it was seen, the next one waits longer."""
        said = []
        for wait in (5, 10, 20, 40):
            reload = self.reload(wait)
            if wait_for("the workers to hold, or the reload to end", lambda: "over" if reload.poll() is not None else is_held(self.rend)) is True:
                return reload
            said.append(reload.communicate()[1])
        raise AssertionError(f"the workers were never seen to hold: {said}")

    def __exit__(self, *how):
        self.let_go()
        for c in (*self.clients, self.word):
            c.close()
        self.rend.__exit__(*how)
        shutil.rmtree(self.folder)


def test_a_busy_worker_is_waited_for_before_anybody_is_held():
    with Busy("50ms", b"busy") as busy:
        busy.wait_until_busy()
        half = other_half(busy.clients)
        reload = busy.reload()
        while reload.poll() is None:
            for c in half:
                c.ask(b"mn\r\n", b"MN\r\n")
        said = reload.communicate()[1]
        assert reload.returncode == TEMPFAIL and "busy" in said, (reload.returncode, said)
        assert is_silent(busy.word)
        busy.let_go()
        busy.word.hear(b"VALUE busy 0 3\r\none\r\nEND\r\n")
        wait_for("it to be reloaded", lambda: busy.rend.ctl("reload")[0] == 0)


def test_a_worker_that_gets_busy_while_all_hold_holds_nobody_up():
    with Memcached() as l2, Busy("5s", b"slow.busy", l2.server) as busy, busy.rend.client(2) as b:
        l2.send_signal(signal.SIGSTOP)
        b.say(b"get k\r\n")
        wait_for("it to hang", lambda: busy.rend.stats("nodes").get("back.in_flight") == "1")
        reload = busy.hold()
        busy.wait_until_busy()
        half = other_half(busy.clients)
        for _ in range(100):
            for c in half:
                c.ask(b"mn\r\n", b"MN\r\n")
        assert is_silent(busy.word)
        busy.let_go()
        said = reload.communicate(timeout=harness.PATIENCE)[1]
        assert reload.returncode == TEMPFAIL and "reload_wait" in said, (reload.returncode, said)
        busy.word.hear(b"VALUE slow.busy 0 3\r\none\r\nEND\r\n")
        l2.send_signal(signal.SIGCONT)
        b.line()
        wait_for("it to be reloaded", lambda: busy.rend.ctl("reload")[0] == 0)


# ---- what is flushed ----

def test_a_tier_that_clients_use_is_not_flushed_by_a_reload():
    """back was not asked with mem, so it would be flushed; but clients of another policy have what they need there."""
    with Memcached() as l2:
        conf = """
handlers = { mem = { plugin = "inmem"; }; back = { plugin = "memcached"; servers = [ "%s" ]; request_timeout = "60s"; connect_timeout = "60s"; }; };
policies = { main = { %%s }; %%s };
listeners = ( { port = 0; policy = "main"; } %%s );
""" % l2.server
        one, pair = 'plugin = "l1only"; l1 = "mem";', 'plugin = "l1l2"; l1 = "mem"; l2 = "back";'
        other = ('b = { plugin = "l1only"; l1 = "back"; };', ', { port = 0; policy = "b"; }')
        with Reloaded(conf % (one, *other)) as rend, rend.client(0) as a, rend.client(1) as b:
            for c in (a, b):
                c.ask(b"set k 0 0 1\r\n1\r\n", b"STORED\r\n")
            rend.refused(conf % (pair, "", ""), CONFIG, "back", "first")
            b.ask(b"get k\r\n", b"VALUE k 0 1\r\n1\r\nEND\r\n")
            rend.reload(conf % (one, "", ""))
            rend.reload(conf % (pair, "", ""))
            with Client(l2.path) as direct:
                direct.ask(b"get k\r\n", b"END\r\n")
            a.ask(b"get k\r\n", b"VALUE k 0 1\r\n1\r\nEND\r\n")


if __name__ == "__main__":
    harness.main()
