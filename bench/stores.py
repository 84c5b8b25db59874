"""Systems that keep values on a disk.  All have the same RAM for values and for what says where they are."""
import os
import socket
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
