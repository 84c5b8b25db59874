"""Systems that keep values on a disk.  All have the same RAM for values and for what says where they are."""
import os
import socket
import urllib.request
from dataclasses import dataclass

from process import CLIENT_CORE, Process, wait_for
from systems import CONNECTIONS_MAX, Memcached, Rend, memcached_argv

# RAM of each, in MiB, and what it has on the disk.
RAM_MIB = 96
DISK_GIB = 2

# rend: 17 segments of 4 MiB, buffers, and the index: 68 + 16 + 7.
BUFFERS_MIB = 16
OBJECTS = 524288

# How often a file is dropped from the page cache, ms.
DROP_MS = 100


@dataclass
class RendSsd(Rend):
    """rend with values on a disk, and nothing before it."""
    size: str = f"{DISK_GIB}GiB"
    objects: int = OBJECTS
    more: str = ""           # options of ssd
    lasts: bool = True       # after kill -9 it has what it had

    def handlers(self, place):
        return (f'back = {{ plugin = "ssd"; path = "{place.on_disk()}"; size = "{self.size}"; objects = {self.objects}; '
                f'buffers = "{BUFFERS_MIB}MiB"; {self.more}}};')

    def look(self, actor):
        return dict(lag_ms=lag_ms(actor)) if "admin" in self.settings else {}


@dataclass
class RendMnemonic(Rend):
    """rend with values in RocksDB, and nothing before it: half of its RAM for what is not in a file yet, a third for blocks that were read."""
    settings: str = "admin = { port = 0; };"

    def handlers(self, place):
        return (f'back = {{ plugin = "mnemonic"; path = "{place.on_disk()}"; size = "{DISK_GIB}GiB"; bins = 4; '
                f'write_buffer = "{RAM_MIB // 2 // 8}MiB"; cache = "{RAM_MIB // 3}MiB"; }};')

    def look(self, actor):
        return dict(files=int(node(actor, "back")["files"]), lag_ms=lag_ms(actor))


@dataclass
class Extstore(Memcached):
    """memcached with extstore.  What it reads of its file is not to be in the page cache."""
    ram_mib: int = RAM_MIB
    more: str = ""           # for -o
    # Memory of a slab class is given to another by and by only.  With short values first, the keys, which stay in RAM, have theirs.
    first_bytes: int = 8

    def argv(self, place):
        path = os.path.join(place.on_disk(), "extstore")
        place.aides.append(Process("uncache", [f"{place.build}/bench/uncache", path, str(DROP_MS)], place.folder, CLIENT_CORE))
        return memcached_argv(self.ram_mib) + ["-o", f"ext_path={path}:{DISK_GIB}G,ext_threads=8{self.more}"]


def stats(address, *more):
    """What a server says of itself, as {name: text}."""
    found = {}
    with socket.create_connection(address, 10) as s:
        s.sendall(b" ".join([b"stats", *(word.encode() for word in more)]) + b"\r\n")
        for line in s.makefile("rb"):
            words = line.split()
            if words[0] != b"STAT":
                break
            found[words[1].decode()] = b" ".join(words[2:]).decode()
    return found


def node(actor, name):
    """What rend says of one of its nodes, {name: text}."""
    return {key.rsplit(".", 1)[-1]: text for key, text in stats(actor.address, "node", name).items()}


def lag_ms(actor):
    """How late a worker of rend came to what was due, at the most: where the last bucket of the histogram ends that has something."""
    where = actor.process.said(r"admin port at (\S+)").group(1)
    with urllib.request.urlopen(f"http://{where}/metrics", timeout=10) as f:
        lines = f.read().decode().splitlines()
    buckets = {}
    for line in lines:
        if line.startswith("rend_event_loop_lag_seconds_bucket"):
            end = float(line.split('le="')[1].split('"')[0])
            buckets[end] = buckets.get(end, 0) + float(line.rsplit(" ", 1)[1])
    return 1000 * min(end for end, count in buckets.items() if count == max(buckets.values()))


def value(address, key):
    """What a server has of a key, or None."""
    with socket.create_connection(address, 10) as s:
        s.sendall(f"get {key}\r\n".encode())
        f = s.makefile("rb")
        words = f.readline().split()
        return f.read(int(words[3])) if words[0] == b"VALUE" else None


def value_soon(address, key):
    """The same, of a server that is not up yet."""
    def ask():
        try:
            return value(address, key)
        except OSError:
            return None
    return wait_for(f"{key} to be served", ask)
