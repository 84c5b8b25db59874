"""Caches that are too small for what is asked of them, and take as much memory as each other."""
from dataclasses import dataclass

from systems import Memcached, Rend, memcached_argv

RAM_MIB = 128

# Of memcached -m is what its items take; this much brings its RSS to that of the other.
MEMCACHED_MIB = 126


@dataclass
class RendCache(Rend):
    def handlers(self, place):
        return f'back = {{ plugin = "inmem"; memory = "{RAM_MIB}MiB"; }};'


@dataclass
class MemcachedCache(Memcached):
    def argv(self, place):
        return memcached_argv(MEMCACHED_MIB)
