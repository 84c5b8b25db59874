"""The systems that are measured: how each is started, and where it serves.

All keep to one worker.  Those that are proxies have the same memcached behind them, on a unix socket.  A system's settings are those its own
manual would give it for many connections; nothing else is tuned.
"""
import os
import pwd
import socket
from dataclasses import dataclass, field

from process import CLIENT_CORE, SERVER_CORE, Failed, Process, connects, free_ports, wait_for

CONNECTIONS_MAX = 19000
MEMORY_MIB = 1024
# How long a proxy waits for its backend: on a busy machine that may take its time.
TIMEOUT_S = 30


def user_name():
    return pwd.getpwuid(os.getuid()).pw_name


@dataclass
class Place:
    """Where a system is started: a folder of its own, the build, and its backend's socket.  wrap() is put before its command.

    aides are the programs that it needs beside itself: they are ended after it.  on_disk() makes a folder that is on a disk, and its own."""
    folder: str
    build: str
    backend: str = None
    wrap: callable = None
    files: int = None
    aides: list = field(default_factory=list)
    on_disk: callable = None

    def start(self, name, argv, env=None):
        return Process(name, self.wrap(argv) if self.wrap else argv, self.folder, SERVER_CORE, env, self.files)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path


class System:
    role = "peer"            # ours, peer, floor
    idle = 0                 # connections that are open beside the busy ones and say nothing
    proxy = False
    lasts = False            # what it has is there again when it is started again
    protocol = None          # other than the case's
    depth = None             # the same
    timed = None             # of these commands alone the times are noted
    first_bytes = None       # before its values, it is filled with others of so many bytes

    def start(self, name, place):
        """Returns its Process and (host, port)."""
        raise NotImplementedError

    def look(self, actor):
        """What else it tells of itself while it is loaded, as {name: figure}."""
        return {}


def where_it_listens(process):
    """rend and the floors say it."""
    found = wait_for(f"{process.name} to listen", lambda: process.check().said(r"listening on (127\.0\.0\.1):(\d+)"))
    return process, (found.group(1), int(found.group(2)))


@dataclass
class Rend(System):
    """rend with inmem, or as a proxy."""
    proxy: bool = False
    idle: int = 0
    protocol: str = None
    depth: int = None
    settings: str = ""       # more lines for rend.conf
    role: str = "ours"

    def handlers(self, place):
        if self.proxy:
            return f"back = {{ {over_memcached(place.backend)} }};"
        return f'back = {{ plugin = "inmem"; memory = "{MEMORY_MIB}MiB"; }};'

    def policy(self):
        return 'plugin = "l1only"; l1 = "back";'

    def start(self, name, place):
        conf = place.write("rend.conf", f"""workers = 1;
max_connections = {CONNECTIONS_MAX};
backlog = 4096;
user = "{user_name()}";
plugin_dir = "{place.build}/.libs";
{self.settings}
handlers = {{ {self.handlers(place)} }};
policies = {{ main = {{ {self.policy()} }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
""")
        return where_it_listens(place.start(name, [f"{place.build}/rend", "-c", conf]))


@dataclass
class Tiers(Rend):
    """rend with copies in memory before the memcached."""
    plugin: str = "l1l2"
    memory: str = f"{MEMORY_MIB}MiB"
    delay_us: int = 0        # how late the memcached's answers come
    proxy: bool = True

    def handlers(self, place):
        return f'hot = {{ plugin = "inmem"; memory = "{self.memory}"; }}; all = {{ {over_memcached(self._backend(place))} }};'

    def _backend(self, place):
        if not self.delay_us:
            return place.backend
        path = os.path.join(place.folder, "late.sock")
        place.aides.append(Process("late", [f"{place.build}/bench/late", path, place.backend, str(self.delay_us)], place.folder, CLIENT_CORE))
        wait_for("the late backend to serve", lambda: place.aides[-1].check() and connects(path))
        return path

    def policy(self):
        return f'plugin = "{self.plugin}"; l1 = "hot"; l2 = "all";'


def over_memcached(path):
    return f'plugin = "memcached"; servers = [ "unix:{path}" ]; request_timeout = "{TIMEOUT_S}s";'


def memcached_argv(memory=MEMORY_MIB):
    return ["memcached", "-u", user_name(), "-t", "1", "-m", str(memory), "-c", str(CONNECTIONS_MAX), "-b", "4096"]


@dataclass
class Memcached(System):
    def argv(self, place):
        return memcached_argv()

    def start(self, name, place):
        port_file = os.path.join(place.folder, "port")
        process = place.start(name, self.argv(place) + ["-l", "127.0.0.1", "-p", "-1", "-U", "0"],
                              {"MEMCACHED_PORT_FILENAME": port_file})

        def port():
            process.check()
            if not os.path.exists(port_file):
                return None
            with open(port_file) as f:
                line = f.readline()
            return int(line.split(":")[1]) if line.endswith("\n") else None
        address = ("127.0.0.1", wait_for(f"{name} to serve", port))
        process.wait_up(address)
        return process, address


@dataclass
class Nutcracker(System):
    proxy: bool = True

    def start(self, name, place):
        port, port_of_stats = free_ports(2)
        conf = place.write("nutcracker.yml", f"""pool:
  listen: 127.0.0.1:{port}
  hash: fnv1a_64
  distribution: ketama
  auto_eject_hosts: false
  timeout: {TIMEOUT_S * 1000}
  backlog: 4096
  servers:
   - {place.backend}:1 backend
""")
        process = place.start(name, ["nutcracker", "-c", conf, "-a", "127.0.0.1", "-s", str(port_of_stats)])
        process.wait_up(("127.0.0.1", port))
        return process, ("127.0.0.1", port)


@dataclass
class EchoFloor(System):
    """Answers with a canned value: whether it is the right one is not asked."""
    value_bytes: int = 100
    role: str = "floor"

    def start(self, name, place):
        return where_it_listens(place.start(name, [f"{place.build}/bench/floor_echo", "0", str(self.value_bytes)]))


@dataclass
class MuxFloor(System):
    proxy: bool = True
    protocol: str = "text"
    role: str = "floor"

    def start(self, name, place):
        return where_it_listens(place.start(name, [f"{place.build}/bench/floor_mux", "0", place.backend]))


@dataclass
class Crowd:
    """Connections that are open and idle, each after one request."""
    address: tuple
    socks: list = field(default_factory=list)

    def gather(self, count):
        for i in range(count):
            s = socket.socket()
            # From several addresses: one has not ports enough for all of them and those of the last case, which are not free yet.
            s.bind((f"127.0.0.{2 + i % 8}", 0))
            s.settimeout(20)
            s.connect(self.address)
            s.sendall(b"get nothing\r\n")
            if not s.recv(1000).endswith(b"END\r\n"):
                raise Failed(f"connection {i} of {count} has no answer")
            self.socks.append(s)
        return self

    def leave(self):
        for s in self.socks:
            s.close()
        self.socks = []
