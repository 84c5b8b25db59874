#!/usr/bin/python3
"""What clients see of a change of configuration or program: rend in its ways, nginx's in front of a memcached, a restart of memcached; all under
the same load, each in a network of its own.  Prints the table of docs/upgrade.md; no test, since it measures.

In the build folder: ../../tests/run.sh /usr/bin/python3 ../../tests/talk/swap_table.py [--swaps=N] [--nginx=FOLDER] [ROW...]
FOLDER is where the packages nginx and libnginx-mod-stream lie, if that is not /.
"""
import os
import signal
import socket
import subprocess
import sys
import time

import harness
import netns
from harness import Client, Memcached, wait_for
from swaps import Crowd, Load, Swap, times_of
from upgrades import Upgraded, alive

KEYS, IDLE, BUSY, RATE = 10000, 500, 100, 1000
STEADY, BETWEEN = 3, 2


def option(name, default):
    for word in sys.argv[1:]:
        if word.startswith(f"--{name}="):
            return word.split("=", 1)[1]
    return default


SWAPS, NGINX = int(option("swaps", "5")), option("nginx", "/")

REND = """
max_connections = 4096;
handlers = {{ mem = {{ plugin = "inmem"; memory = "256MiB"; }}; back = {{ plugin = "memcached"; servers = [ "{server}" ]; }}; }};
policies = {{ {name} = {{ plugin = "{plugin}"; l1 = "mem"; l2 = "back"; }}; }};
listeners = ( {{ port = 0; policy = "{name}"; }} );
"""


class RendWay:
    """Each swap is to another policy, and back."""

    def __init__(self, way):
        self.way, self.memcached, self.count, self.child = way, Memcached("-m", "512", "-c", "4096"), 0, None

    def conf(self):
        name = ("l1l2", "l1l2batch")[self.count % 2]
        return REND.format(server=self.memcached.server, name=name, plugin=name)

    def __enter__(self):
        self.memcached.__enter__()
        self.rend = Upgraded(self.conf())
        self.rend.__enter__()
        self.port, self.prefilled = self.rend.port, self.rend.address()
        return self

    def swap(self):
        self.count += 1
        self.rend.write(self.conf())
        old = self.rend.pid
        if self.way == "reload":
            self.rend.reload()
        elif self.way == "upgrade":
            self.rend.upgrade()
        else:
            child = subprocess.Popen([harness.REND, "-c", self.rend.conf_file, "--takeover", self.rend.control], stderr=subprocess.DEVNULL)
            self.rend.gone(old)
            self.rend.pid = child.pid

    def old_ones(self, crowd):
        answers, _ = crowd.ask()
        name = ("l1l2", "l1l2batch")[self.count % 2]
        return sum(b"policy %s\r\n" % name.encode() not in answer for answer in answers)

    def __exit__(self, *what):
        self.rend.__exit__(*what)
        self.memcached.__exit__(*what)


NGINX_CONF = """
load_module {modules}/ngx_stream_module.so;
user {user};
worker_processes 2;
worker_shutdown_timeout {timeout};
pid {folder}/pid;
error_log {folder}/log;
events {{ worker_connections 8192; }}
stream {{ server {{ listen 127.0.0.1:{port} backlog=1024; proxy_pass unix:{path}; }} }}
"""


class NginxWay:
    """Its workers of before end when their clients have gone, or are cut off after a timeout.  As long as there are some there is no second USR2."""

    def __init__(self, way, timeout="1h"):
        self.way, self.timeout, self.memcached = way, timeout, Memcached("-m", "512", "-c", "8192")
        self.most = 1 if (way, timeout) == ("upgrade", "1h") else SWAPS
        self.program = os.path.join(NGINX, "usr/sbin/nginx")
        self.olds = set()

    def __enter__(self):
        self.memcached.__enter__()
        self.folder = self.memcached.folder
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.conf = os.path.join(self.folder, "nginx.conf")
        with open(self.conf, "w") as f:
            f.write(NGINX_CONF.format(modules=os.path.join(NGINX, "usr/lib/nginx/modules"), user=harness.user_name() + " " + harness.user_name(),
                                      timeout=self.timeout, folder=self.folder, port=self.port, path=self.memcached.path))
        subprocess.run([self.program, "-p", self.folder, "-c", self.conf], check=True)
        wait_for("nginx", lambda: self.workers())
        self.prefilled = ("127.0.0.1", self.port)
        return self

    def master(self):
        with open(os.path.join(self.folder, "pid")) as f:
            return int(f.read())

    def workers(self):
        """Of the master that there is now, those that take connections in."""
        found = set()
        for pid in os.listdir("/proc"):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    parent = int(f.read().rpartition(")")[2].split()[1])
                with open(f"/proc/{pid}/cmdline") as f:
                    title = f.read()
            except (OSError, ValueError):
                continue
            if parent == self.master() and "worker process" in title and "shutting" not in title:
                found.add(int(pid))
        return found

    def swap(self):
        wait_for("the old master to be gone", lambda: not os.path.exists(os.path.join(self.folder, "pid.oldbin")))
        before, master = self.workers(), self.master()
        self.olds |= before
        if self.way == "reload":
            subprocess.run([self.program, "-p", self.folder, "-c", self.conf, "-s", "reload"], check=True, stderr=subprocess.DEVNULL)
        else:
            os.kill(master, signal.SIGUSR2)
            wait_for("the new master", lambda: os.path.exists(os.path.join(self.folder, "pid.oldbin")) and self.pid_is_new(master))
            wait_for("its workers", lambda: self.workers())
            os.kill(master, signal.SIGQUIT)
            self.olds.add(master)
        wait_for("the next workers", lambda: self.workers() - before)

    def pid_is_new(self, master):
        try:
            return self.master() != master
        except (OSError, ValueError):
            return False

    def old_ones(self, _):
        """Connections to clients that workers of before have yet."""
        held = 0
        for pid in self.olds:
            if not alive(pid):
                continue
            inodes = {name[8:-1] for name in links(pid) if name.startswith("socket:[")}
            with open("/proc/net/tcp") as f:
                next(f)
                held += sum(words[9] in inodes and words[3] == "01" for words in (line.split() for line in f))
        return held

    def __exit__(self, *what):
        os.kill(self.master(), signal.SIGTERM)
        for pid in self.olds:
            if alive(pid):
                os.kill(pid, signal.SIGTERM)
        wait_for("nginx to end", lambda: not any(alive(pid) for pid in self.olds))
        self.memcached.__exit__(*what)


def links(pid):
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            yield os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            pass


class MemcachedWay(harness.Process):
    """It ends and is started again, as a package's upgrade does it."""

    def __init__(self):
        super().__init__(None)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.prefilled = ("127.0.0.1", self.port)
        self.argv = ["memcached", "-u", harness.user_name(), "-l", "127.0.0.1", "-p", str(self.port), "-t", "2", "-m", "512", "-c", "4096"]

    def __enter__(self):
        self.start()
        wait_for("memcached", self.listens)
        return self

    def listens(self):
        try:
            Client(self.prefilled).close()
            return True
        except OSError:
            return False

    def swap(self):
        self.end(signal.SIGTERM)
        self.start()
        wait_for("memcached", self.listens)

    def old_ones(self, _):
        return 0

    def __exit__(self, *_):
        self.end(signal.SIGKILL)
        self.remove()


ROWS = {
    "rend, reload": lambda: RendWay("reload"),
    "rend, upgrade": lambda: RendWay("upgrade"),
    "rend, takeover": lambda: RendWay("takeover"),
    "nginx, reload": lambda: NginxWay("reload"),
    "nginx, reload, 0.5 s": lambda: NginxWay("reload", "500ms"),
    "nginx, USR2": lambda: NginxWay("upgrade"),
    "nginx, USR2, 0.5 s": lambda: NginxWay("upgrade", "500ms"),
    "memcached, restart": MemcachedWay,
}

HEADS = ("", "swaps", "answers lost", "errors said", "closed", "not taken", "resets", "keys lost", "old after 1 s", "longest ms", "p99 near ms", "p99 else ms")


def found(client):
    """How many of the keys that were stored before are there."""
    count = 0
    for i in range(0, KEYS, 100):
        client.say(b"get " + b" ".join(b"pre%d" % k for k in range(i, i + 100)) + b"\r\n")
        while (line := client.line()) != b"END":
            count += line.startswith(b"VALUE ")
    return count


def measure(name):
    with ROWS[name]() as server:
        with Client(server.prefilled) as c:
            for i in range(KEYS):
                c.say(b"set pre%d 0 0 100 noreply\r\n%s\r\n" % (i, b"v" * 100))
            c.ask(b"mn\r\n", b"MN\r\n")
        lost = ("--may-lose", "--may-fail")
        crowd = Crowd(server.prefilled, IDLE)
        loads = [Load(server.port, "run", "--protocol", protocol, "-c", str(BUSY), "--rate", str(RATE), "--keys", "5000", "--prefix", protocol[0], *lost)
                 for protocol in ("text", "binary", "meta")]
        loads.append(Load(server.port, "run", "-c", "20", "--rate", "200", "--churn", "100", "--keys", "5000", "--prefix", "c", *lost))
        wait_for("all connections", lambda: len(netns.clients_of(server.port)) >= IDLE + 3 * BUSY + 20)
        before, swaps, old = netns.counters(), [], 0
        time.sleep(STEADY)
        for _ in range(getattr(server, "most", SWAPS)):
            swaps.append(Swap(name, server.swap))
            time.sleep(1)
            # Whom a restart has cut off cannot be asked.
            old = max(old, server.old_ones(crowd))
            time.sleep(BETWEEN - 1)
        for load in loads:
            load.end()
        resets = netns.counters()["Tcp.OutRsts"] - before["Tcp.OutRsts"]
        with Client(server.prefilled) as c:
            missing = KEYS - found(c)
        closed = sum(load.found["connections"]["closed"] for load in loads) + sum(is_closed(s) for s in crowd.socks)
        longest, near = (max(of) for of in zip(*(times_of(loads, s.near) for s in swaps)))
        _, beside = times_of(loads, lambda begin, end: not any(s.near(begin - 0.5, end + 0.5) for s in swaps))
        counts = [sum(load.found[key] for load in loads) for key in ("lost", "server_errors")]
        wrong = sum(load.found["wrong"] + load.found["protocol"] for load in loads)
        assert wrong == 0, [load.found["faults"] for load in loads]
        crowd.close()
        return (name, len(swaps), *counts, closed, sum(load.found["connections"]["refused"] for load in loads), resets, missing, old,
                *(f"{seconds * 1e3:.1f}" for seconds in (longest, near, beside)))


def is_closed(s):
    try:
        return s.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def main():
    wanted = [word for word in sys.argv[1:] if not word.startswith("--")] or list(ROWS)
    print("| " + " | ".join(HEADS) + " |")
    print("|" + "---|" * len(HEADS), flush=True)
    for name in wanted:
        print("| " + " | ".join(str(cell) for cell in measure(name)) + " |", flush=True)


if __name__ == "__main__":
    netns.enter()
    main()
