"""Caches in memory: too small for what is asked of them, and then they take as much memory as each other; or large enough for all of it."""
from dataclasses import dataclass

from systems import Memcached, Rend, memcached_argv

RAM_MIB = 128

# Of memcached -m is what its items take; this much brings its RSS to that of the other.
MEMCACHED_MIB = 126


@dataclass
class RendCache(Rend):
    ram_mib: int = RAM_MIB
    timed: str = None

    def handlers(self, place):
        return f'back = {{ plugin = "inmem"; memory = "{self.ram_mib}MiB"; }};'


@dataclass
class MemcachedCache(Memcached):
    ram_mib: int = MEMCACHED_MIB
    timed: str = None

    def argv(self, place):
        return memcached_argv(self.ram_mib)
