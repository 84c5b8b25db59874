#!/usr/bin/python3
"""rend.conf is read anew: SIGHUP, rendctl, and all that may be wrong with it."""
import os
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading

import harness
from harness import Client, Memcached, wait_for
from reloads import CONFIG, MANY, RENDCTL, SOFTWARE, SWAPS, TEMPFAIL, UNAVAILABLE, USAGE, Plugin, Reloaded, tiers, word_conf


def test_each_connection_asks_the_new_policy_from_its_next_command():
    conf = tiers("unix:/nonexistent", "own")
    other = conf.replace('l1 = "own"', 'l1 = "mem"')
    with Reloaded(conf) as rend:
        clients = [rend.client() for _ in range(64)]
        for c in clients:
            c.ask(b"get k\r\n", b"END\r\n")
        clients[0].ask(b"set k 0 0 3\r\nown\r\n", b"STORED\r\n")
        for c in clients:
            c.ask(b"get k\r\n", b"VALUE k 0 3\r\nown\r\nEND\r\n")
        rend.reload(other)
        for c in clients:
            c.ask(b"get k\r\n", b"END\r\n")
            assert c.stats("settings")
            c.close()
        assert rend.status()["listeners"][0][1:] == ["main", "l1only"]


# ---- what stays ----

def test_what_is_unchanged_stays_and_what_is_changed_is_new():
    conf = """
handlers = { mem = { plugin = "inmem"; memory = "64MiB"; }; word = { plugin = "inmem"; memory = "%s"; }; };
policies = { main = { plugin = "l1only"; l1 = "mem"; }; other = { plugin = "l1only"; l1 = "word"; }; };
listeners = ( { port = 0; policy = "main"; }, { port = 0; policy = "other"; } );
"""
    with Reloaded(conf % "64MiB") as rend, rend.client(0) as a, rend.client(1) as b:
        for c in (a, b):
            c.ask(b"set k 0 0 1\r\n1\r\n", b"STORED\r\n")
        rend.reload(conf % "32MiB")
        a.ask(b"get k\r\n", b"VALUE k 0 1\r\n1\r\nEND\r\n")
        b.ask(b"get k\r\n", b"END\r\n")
        rend.settled()


def test_a_backend_keeps_its_connections():
    with Memcached() as l2, Reloaded(tiers(l2.server, "l1l2")) as rend, rend.client() as c:
        c.ask(b"set k 0 0 1\r\n1\r\n", b"STORED\r\n")
        with Client(l2.path) as direct:
            before = direct.stats()["total_connections"]
        for policy in ("batch", "l1l2"):
            rend.reload(tiers(l2.server, policy))
            c.ask(b"get k\r\n", b"VALUE k 0 1\r\n1\r\nEND\r\n")
        with Client(l2.path) as direct:
            assert int(direct.stats()["total_connections"]) == int(before) + 1


def test_ssd_stays_open_and_cannot_change():
    with Reloaded() as rend:
        pass  # only its folder's place is wanted
    conf = """
handlers = { disk = { plugin = "ssd"; path = "%s"; size = "64MiB"; %s }; mem = { plugin = "inmem"; }; };
policies = { main = { plugin = "%s"; l1 = "%s"; %s }; };
listeners = ( { port = 0; policy = "main"; } );
"""
    folder = os.path.join(os.environ.get("TMPDIR", "/tmp"), "ssd")
    os.makedirs(folder, mode=0o755, exist_ok=True)
    path = os.path.join(folder, "cache")
    alone = conf % (path, "", "l1only", "disk", "")
    with Reloaded(alone) as rend, rend.client() as c:
        c.ask(b"set k 0 0 1\r\n1\r\n", b"STORED\r\n")
        opened = len([line for line in rend.lines if "disk" in line])
        rend.reload()
        c.ask(b"get k\r\n", b"VALUE k 0 1\r\n1\r\nEND\r\n")
        assert len([line for line in rend.lines if "disk" in line]) == opened
        rend.refused(alone.replace("64MiB", "96MiB"), CONFIG, "needs a restart")
        c.ask(b"get k\r\n", b"VALUE k 0 1\r\n1\r\nEND\r\n")
    shutil.rmtree(folder)


def test_locks_and_counts_are_flat_after_many():
    with Memcached() as l2, Reloaded(tiers(l2.server, "l1l2")) as rend, rend.client() as c:
        c.ask(b"set k 0 0 1\r\n1\r\n", b"STORED\r\n")
        for policy in ("locked", "own", "batch", "l1l2") * 2:
            rend.reload(tiers(l2.server, policy))
        rend.settled()
        threads, fds, rss = rend.threads(), rend.fds(), rend.rss_kb()
        for i in range(MANY):
            rend.reload(tiers(l2.server, ("locked", "own", "batch", "l1l2")[i % 4]))
        rend.settled()
        wait_for("as many descriptors as before", lambda: rend.fds() == fds)
        assert rend.threads() == threads, (threads, rend.threads())
        if not harness.sanitized():
            assert rend.rss_kb() < rss + 4096, (rss, rend.rss_kb())
        c.ask(b"get k\r\n", b"VALUE k 0 1\r\n1\r\nEND\r\n")


# ---- other code at the same path ----

def test_other_code_at_the_same_path_is_asked():
    with Plugin() as plugin, Reloaded(word_conf(plugin.path)) as rend, rend.client() as c:
        one, two = b"VALUE k 0 3\r\none\r\nEND\r\n", b"VALUE k 0 3\r\ntwo\r\nEND\r\n"
        c.ask(b"get k\r\n", one)
        plugin.put("two")
        c.ask(b"get k\r\n", one)
        rend.reload()
        c.ask(b"get k\r\n", two)
        plugin.put("one")
        rend.reload()
        c.ask(b"get k\r\n", one)
        for version in ("two", "one") * 5:
            plugin.put(version)
            rend.reload()
        c.ask(b"get k\r\n", one)
        # Each content is there once, however often it came.
        assert rend.ctl("stats")[1].count("rend_plugin_stale_mappings 1\n") == 1
        with open(f"/proc/{rend.child.pid}/maps") as f:
            assert len(set(re.findall(r"/memfd:word\.so", f.read()))) == 1


# ---- what is wrong ----

def test_what_is_wrong_is_said_and_nothing_changes():
    with Plugin() as plugin, Reloaded(word_conf(plugin.path)) as rend, rend.client() as c:
        def well():
            c.ask(b"get k\r\n", b"VALUE k 0 3\r\none\r\nEND\r\n")

        well()
        fds = rend.fds()
        rend.refused("handlers = {", CONFIG, "rend.conf")
        rend.refused(word_conf(plugin.path, 'numbr = 1; slow = "perhaps";'), CONFIG, "did you mean number", "slow")
        rend.refused(word_conf("missing"), CONFIG, "there is no plugin missing")
        rend.refused(word_conf(plugin.path, 'how = "refuses";'), CONFIG, "it does not like its options")
        rend.refused(word_conf(plugin.path, 'how = "dies";'), SOFTWARE, "died with signal 9")
        rend.refused(word_conf(plugin.path, 'how = "opens_not";'), 71, "its disk is not there")
        rend.refused(word_conf(plugin.path, 'how = "attaches_not";'), CONFIG, "it cannot be had on this worker")
        rend.refused(word_conf(plugin.path), CONFIG, "workers has changed: needs a restart", workers=3)
        rend.refused(word_conf(plugin.path), CONFIG, "item_size_max", "max_connections", more='item_size_max = "2MiB"; max_connections = 77;')
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            rend.refused(word_conf(plugin.path).replace("port = 0", f"port = {port}"), 71, str(port), "Address already in use")
        plugin.put("other")
        rend.refused(word_conf(plugin.path), CONFIG, "plugin ABI 99")
        plugin.put("one")
        os.unlink(rend.conf_file)
        code, _, err = rend.ctl("reload")
        assert code != 0 and "rend.conf" in err, (code, err)
        well()
        rend.reload(word_conf(plugin.path))
        well()
        rend.settled()
        wait_for("no descriptor to be left over", lambda: rend.fds() == fds)


def test_a_signal_reloads_and_the_log_says_what_came_of_it():
    with Plugin() as plugin, Reloaded(word_conf(plugin.path)) as rend, rend.client() as c:
        plugin.put("two")
        rend.send_signal(signal.SIGHUP)
        wait_for("the log to say so", lambda: rend.said(r"reloaded: generation 2 is asked"))
        c.ask(b"get k\r\n", b"VALUE k 0 3\r\ntwo\r\nEND\r\n")
        rend.write("rubbish")
        rend.send_signal(signal.SIGHUP)
        wait_for("the log to say so", lambda: rend.said(r"not reloaded: generation 2 goes on"))
        c.ask(b"get k\r\n", b"VALUE k 0 3\r\ntwo\r\nEND\r\n")


def test_two_at_once():
    with Reloaded() as rend:
        callers = [subprocess.Popen([RENDCTL, "-s", rend.control, "reload"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(6)]
        codes = []
        for p in callers:
            _, err = p.communicate(timeout=300)
            codes.append(p.returncode)
            assert p.returncode == 0 or b"another reload, or an upgrade, is under way" in err, err
        assert set(codes) <= {0, TEMPFAIL} and 0 in codes, codes
        assert int(rend.status()["reloads"]) == codes.count(0)
        # Signals that come meanwhile are not lost: the file is read once more.
        for _ in range(5):
            rend.send_signal(signal.SIGHUP)
        wait_for("it to be idle", lambda: rend.status()["state"] == "serves")


# ---- listeners ----

def test_listeners_come_and_go():
    conf = """
handlers = { mem = { plugin = "inmem"; }; };
policies = { main = { plugin = "l1only"; l1 = "mem"; }; %s };
listeners = ( { port = 0; policy = "main"; } %s );
"""
    with Reloaded(conf % ("", "")) as rend, rend.client() as a:
        path = os.path.join(rend.folder, "s")
        port = rend.port
        a.ask(b"set k 0 0 1\r\n1\r\n", b"STORED\r\n")
        more = conf % ('other = { plugin = "l1only"; l1 = "mem"; };', ', { path = "%s"; policy = "other"; }' % path)
        for _ in range(3):
            rend.reload(more)
            with Client(path) as b, Client(path) as c:
                b.ask(b"get k\r\n", b"VALUE k 0 1\r\n1\r\nEND\r\n")
                # It is gone, its policy is not: its connections go on.
                rend.reload(conf % ('other = { plugin = "l1only"; l1 = "mem"; };', ""))
                assert not os.path.exists(path)
                b.ask(b"get k\r\n", b"VALUE k 0 1\r\n1\r\nEND\r\n")
                # So is that now.
                rend.reload(conf % ("", ""))
                b.hear_end()
                c.hear_end()
            a.ask(b"get k\r\n", b"VALUE k 0 1\r\n1\r\nEND\r\n")
            assert rend.port == port
            with Client(("127.0.0.1", port)) as d:
                d.ask(b"get k\r\n", b"VALUE k 0 1\r\n1\r\nEND\r\n")
            rend.settled()


def test_a_listener_goes_while_clients_connect():
    """Those that were on their way to a worker meanwhile find nobody to ask."""
    conf = """
handlers = { mem = { plugin = "inmem"; }; };
policies = { main = { plugin = "l1only"; l1 = "mem"; }; %s };
listeners = ( { port = 0; policy = "main"; } %s );
"""
    few = conf % ("", "")
    with Reloaded(few) as rend, rend.client() as c:
        path = os.path.join(rend.folder, "s")
        more = conf % ('other = { plugin = "l1only"; l1 = "mem"; };', ', { path = "%s"; policy = "other"; }' % path)
        stop, served = threading.Event(), [0] * 4

        def connect(i):
            while not stop.is_set():
                try:
                    with socket.socket(socket.AF_UNIX) as s:
                        s.settimeout(2)
                        s.connect(path)
                        s.sendall(b"get k\r\n")
                        served[i] += s.recv(100) == b"END\r\n"
                except OSError:
                    pass

        threads = [threading.Thread(target=connect, args=(i,), daemon=True) for i in range(len(served))]
        for t in threads:
            t.start()
        try:
            for _ in range(SWAPS):
                before = sum(served)
                rend.reload(more)
                wait_for("clients to be served there", lambda before=before: sum(served) > before)
                rend.reload(few)
        finally:
            stop.set()
            for t in threads:
                t.join()
        c.ask(b"mn\r\n", b"MN\r\n")
        # Whoever was turned away is not counted any more.
        wait_for("only this one to be there", lambda: rend.status()["connections"] == "1")


# ---- where it runs ----

def test_the_folder_it_was_started_in_need_not_be_open_to_its_user():
    with tempfile.TemporaryDirectory() as folder:
        rend = Reloaded()
        if os.geteuid() == 0:
            if "TMPDIR" in os.environ:
                os.chmod(os.environ["TMPDIR"], 0o755)
            with open(rend.conf_file) as f:
                conf = re.sub('user = ".*"', 'user = "nobody"', f.read())
            with open(rend.conf_file, "w") as f:
                f.write(conf)
        rend.argv = ["/bin/sh", "-c", 'cd "$0" && chmod 0 . && exec "$@"', folder, *rend.argv]
        with rend:
            assert os.stat(folder).st_mode & 0o777 == 0
            rend.reload()
        os.chmod(folder, 0o700)


def test_a_refused_reload_leaves_no_lock_set():
    conf = """
handlers = { mem = { plugin = "inmem"; }; };
policies = { main = { %s }; under = { plugin = "l1only"; l1 = "mem"; }; };
listeners = ( { port = 0; policy = "main"; } %s );
"""
    locked = 'plugin = "locked"; over = "under"; stripes = %d;'
    with Reloaded(conf % ('plugin = "l1only"; l1 = "mem";', "")) as rend, rend.client() as c, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        c.ask(b"set k 0 0 1\r\n1\r\n", b"STORED\r\n")
        port = taken.getsockname()[1]
        rend.refused(conf % (locked % 1000, ', { port = %d; policy = "main"; }' % port), 71, "Address already in use")
        rend.reload(conf % (locked % 2000, ""))
        c.ask(b"get k\r\n", b"VALUE k 0 1\r\n1\r\nEND\r\n")
        # Now it is used, and stays with mem.
        rend.refused(conf % (locked % 3000, ""), CONFIG, "stripes is 3000", "2000", "restart")


# ---- rendctl ----

def test_rendctl_says_what_it_can_and_what_is_wrong():
    with Reloaded() as rend:
        assert stat.S_IMODE(os.stat(rend.control).st_mode) == 0o600
        status = rend.status()
        assert status["state"] == "serves" and status["pid"] == str(rend.child.pid), status
        assert status["nodes"] == [["mem", "inmem"], ["main", "l1only"]], status
        code, out, _ = rend.ctl("stats")
        assert code == 0 and "\nrend_config_generation 1\n" in out, out
        assert rend.ctl("loglevel", "debug")[0] == 0
        assert rend.ctl("loglevel", "loud")[0] == USAGE
        assert rend.ctl("nonsense")[0] == USAGE
        assert rend.ctl("reload", "now")[0] == USAGE
        assert rend.ctl()[0] == USAGE
        assert "reload" in rend.ctl("--help")[1]
        with Client(rend.control) as c:
            c.say(b"x" * 300)
            assert c.until(b"too long\n").startswith(b"error 64\n")
        with Client(rend.control):
            assert rend.ctl("status")[0] == 0
        callers = [Client(rend.control) for _ in range(16)]
        code, _, err = rend.ctl("status")
        assert code != 0, err
        for c in callers:
            c.close()
        wait_for("there to be room", lambda: rend.ctl("status")[0] == 0)
    p = subprocess.run([RENDCTL, "-s", "/nonexistent/control", "status"], capture_output=True, text=True, timeout=300)
    assert p.returncode == UNAVAILABLE and "/nonexistent/control" in p.stderr, p


def test_a_caller_that_has_said_all_it_will_gets_its_answer():
    with Reloaded() as rend:
        for request in (b"status\n", b"reload\n"):
            with Client(rend.control) as c:
                c.say(request)
                c.sock.shutdown(socket.SHUT_WR)
                c.hear(b"ok\n")
        assert rend.status()["reloads"] == "1"


def test_no_descriptor_for_a_caller_is_said_and_gets_over():
    with Reloaded() as rend:
        room = max(int(name) for name in os.listdir(f"/proc/{rend.child.pid}/fd")) + 1
        before = resource.prlimit(rend.child.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(rend.child.pid, resource.RLIMIT_NOFILE, (room, before[1]))
        with Client(rend.control) as c:
            c.say(b"status\n")
            wait_for("the log to say so", lambda: rend.said("control: accept"))
            resource.prlimit(rend.child.pid, resource.RLIMIT_NOFILE, before)
            c.hear(b"ok\n")


def test_drain_ends_it_when_clients_have_their_answers():
    with Reloaded() as rend, rend.client() as c:
        c.ask(b"set k 0 0 1\r\n1\r\n", b"STORED\r\n")
        assert rend.ctl("drain")[0] == 0
        c.hear_end()
        wait_for("it to end", lambda: not rend.alive())


def test_it_ends_while_it_reloads():
    """Also while rend.conf is checked apart, and a plugin hangs there."""
    with Plugin() as plugin, Reloaded() as rend:
        rend.write(word_conf(plugin.path, 'how = "hangs";'))
        rend.send_signal(signal.SIGHUP)
        wait_for("it to be checked", lambda: rend.said("rend.conf is read anew") and children(rend.child.pid))
        # The check is given ten seconds and more, and would say then that it took too long.
        assert rend.end() == 0
        assert rend.said("the server is ending"), rend.tail()


def children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as f:
            found += f.read().split()
    return found


if __name__ == "__main__":
    harness.main()
