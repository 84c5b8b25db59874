#!/usr/bin/python3
"""Clients that people use, unchanged, against a memcached, against rend, against rend with a memcached behind it, and with a disk.

The memcached goes first: it shows that the scripts are right.

Environment: REND, REND_PLUGINS; NODE_PATH for the clients in JavaScript; DALLI, if there is one that speaks meta: its lib folder (Debian 12 has
none).

usage: run.py [CLIENT...]
"""
import contextlib
import os
import subprocess
import sys
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "talk"))

import workload  # noqa: E402
from harness import INMEM, Memcached, PLUGINS, REND, Rend, behind, wait_for  # noqa: E402

SECONDS = 180

PYTHON = "/usr/bin/python3"
# name: the command (HOST, PORT and the workload's file take the places of their names), and what is special about the client's operations
CLIENTS = {
    "pymemcache": ([PYTHON, "use_pymemcache.py", "HOST", "PORT", "WORKLOAD"], {}),
    "pylibmc text": ([PYTHON, "use_pylibmc.py", "HOST", "PORT", "WORKLOAD", "text"], {}),
    "pylibmc binary": ([PYTHON, "use_pylibmc.py", "HOST", "PORT", "WORKLOAD", "binary"], {}),
    "bmemcached": ([PYTHON, "use_bmemcached.py", "HOST", "PORT", "WORKLOAD"],
                   {"without": ("append", "prepend", "touch"), "incr_makes": True}),
    "dalli binary": (["ruby", "use_dalli.rb", "HOST", "PORT", "WORKLOAD", "binary"], {}),
    "php-memcached text": (["php", "use_php.php", "HOST", "PORT", "WORKLOAD", "text"], {}),
    "php-memcached binary": (["php", "use_php.php", "HOST", "PORT", "WORKLOAD", "binary"], {}),
    # It cuts numbers to 32 bits, and its prepend sends an append.
    "memjs": (["node", "use_memjs.js", "HOST", "PORT", "WORKLOAD"],
              {"without": ("get_many", "gets", "cas", "prepend"), "incr_makes": True, "small_numbers": True}),
    "node-memcached": (["node", "use_memcached.js", "HOST", "PORT", "WORKLOAD"], {}),
    "libmemcached tools text": (["bash", "use_tools.sh", "HOST", "PORT", "WORKLOAD", "text"], {}),
    "libmemcached tools binary": (["bash", "use_tools.sh", "HOST", "PORT", "WORKLOAD", "binary"], {}),
    "memccapable text": (["memccapable", "-h", "HOST", "-p", "PORT", "-v", "-t", "10", "-a"], {}),
    "memccapable binary": (["memccapable", "-h", "HOST", "-p", "PORT", "-v", "-t", "10", "-b"], {}),
}
if os.environ.get("DALLI"):
    CLIENTS["dalli meta"] = (["ruby", "-I", os.environ["DALLI"], "use_dalli.rb", "HOST", "PORT", "WORKLOAD", "meta"], {})


class TcpMemcached(Memcached):
    """On a port that the kernel chooses: not all clients know unix sockets."""

    def __init__(self):
        super().__init__()
        self.ports = os.path.join(self.folder, "ports")
        self.argv = ["memcached", "-u", self.argv[2], "-l", "127.0.0.1", "-p", "-1", "-t", "2"]
        self.kw = {"env": {**os.environ, "MEMCACHED_PORT_FILENAME": self.ports}}

    def _up(self):
        if not self.alive():
            raise AssertionError("memcached ended: " + self.tail())
        return os.path.exists(self.ports)

    @property
    def port(self):
        with open(self.ports) as f:
            return int(f.read().split("TCP INET: ")[1].split()[0])


@contextlib.contextmanager
def in_memory():
    with Rend(INMEM) as rend:
        yield rend


@contextlib.contextmanager
def over_memcached():
    with Memcached() as memcached, Rend(behind(memcached.server)) as rend:
        with rend.client() as c:
            wait_for("the backend", lambda: c.say(b"get k\r\n").line() == b"END")
        yield rend


@contextlib.contextmanager
def over_disk():
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        with Rend(f"""
handlers = {{ mem = {{ plugin = "inmem"; memory = "1MiB"; }}; disk = {{ plugin = "ssd"; path = "{folder}/disk"; size = "64MiB"; timeout = "20s"; }}; }};
policies = {{ main = {{ plugin = "l1l2"; l1 = "mem"; l2 = "disk"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
""") as rend:
            yield rend


SERVERS = {"memcached": TcpMemcached, "rend inmem": in_memory, "rend memcached": over_memcached, "rend disk": over_disk}


def use(client, port, folder):
    """Runs one client; returns what it said if it failed."""
    command, special = CLIENTS[client]
    steps = os.path.join(folder, "workload.json")
    workload.dump(steps, **special)
    places = {"HOST": "127.0.0.1", "PORT": str(port), "WORKLOAD": steps}
    argv = [places.get(word, word) for word in command]
    try:
        done = subprocess.run(argv, cwd=here, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=SECONDS)
    except subprocess.TimeoutExpired as e:
        return f"not done in {SECONDS} s: {e.output}"
    except OSError as e:
        return str(e)
    return None if done.returncode == 0 else f"exit {done.returncode}:\n" + "\n".join(done.stdout.splitlines()[-40:])


def main():
    if not REND or not PLUGINS:
        sys.exit("REND and REND_PLUGINS must name the program and the folder of its plugins")
    wanted = sys.argv[1:] or list(CLIENTS)
    unknown = set(wanted) - set(CLIENTS)
    if unknown:
        sys.exit(f"no such client: {', '.join(sorted(unknown))}; there are: {', '.join(CLIENTS)}")
    results = {}
    said = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        for server, start in SERVERS.items():
            # A server of its own for each client: what one did to it is not to be seen by the next.
            for client in wanted:
                begun = time.monotonic()
                try:
                    with start() as running:
                        wrong = use(client, running.port, folder)
                except AssertionError as e:
                    wrong = f"{server}: {e}"
                results[client, server] = f"{'FAILED' if wrong else 'ok'} {time.monotonic() - begun:5.1f} s"
                if wrong:
                    said.append(f"--- {client}, {server}: {wrong}")
    print("\n".join(said))
    print(f"{'':28}" + "".join(f"{server:>20}" for server in SERVERS))
    for client in wanted:
        print(f"{client:28}" + "".join(f"{results[client, server]:>20}" for server in SERVERS))
    failed = sum(result.startswith("FAILED") for result in results.values())
    tried = sum(result != "-" for result in results.values())
    print(f"{tried - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
