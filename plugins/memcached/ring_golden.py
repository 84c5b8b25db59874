#!/usr/bin/python3
"""Asks libmemcached (1.1, by its shared library) where keys go, and prints what ring_test.c reads.  No server is needed.

usage: ring_golden.py > ring.golden

Each line: kind, key hash, servers with commas between them; where the first 64 keys go, a letter for each server; a sum over 20,000 keys.
"""
import ctypes
import string

KEYS, SHOWN = 20000, 64
LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits
HASH, KETAMA, KETAMA_WEIGHTED = 2, 3, 16  # memcached_behavior_t
HASHES = {"one_at_a_time": 0, "md5": 1, "crc32": 2, "fnv1_64": 3, "fnv1a_64": 4, "fnv1_32": 5, "fnv1a_32": 6}

lib = ctypes.CDLL("libmemcached.so.11")
lib.memcached_create.restype = ctypes.c_void_p
lib.memcached_free.argtypes = [ctypes.c_void_p]
lib.memcached_server_add_with_weight.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint16, ctypes.c_uint32]
lib.memcached_behavior_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint64]
lib.memcached_behavior_get.argtypes = [ctypes.c_void_p, ctypes.c_int]
lib.memcached_behavior_get.restype = ctypes.c_uint64
lib.memcached_generate_hash.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
lib.memcached_generate_hash.restype = ctypes.c_uint32


def key(i):
    """As ring_test.c makes them: some have bytes beyond ASCII."""
    return b"key:%d:%s" % (i * 7919 % 100003, b"\xc3\xa9" * (i % 3))


def line(kind, hash_name, servers):
    mc = lib.memcached_create(None)
    assert lib.memcached_behavior_set(mc, KETAMA_WEIGHTED if kind == "ketama_weighted" else KETAMA, 1) == 0
    assert lib.memcached_behavior_set(mc, HASH, HASHES[hash_name]) == 0
    assert lib.memcached_behavior_get(mc, HASH) == HASHES[hash_name]
    for host, port, weight in servers:
        assert lib.memcached_server_add_with_weight(mc, host.encode(), port, weight) == 0
    places = [lib.memcached_generate_hash(mc, key(i), len(key(i))) for i in range(KEYS)]
    lib.memcached_free(mc)
    total = 0
    for place in places:
        total = (total * 31 + place + 1) % (1 << 32)
    text = ",".join(f"{host}:{port} weight={weight}" for host, port, weight in servers)
    shown = "".join(LETTERS[place] if place < len(LETTERS) else "~" for place in places[:SHOWN])
    print(f"{kind};{hash_name};{text};{shown};{total}")


for kind in ("ketama_weighted", "ketama"):
    for hash_name in HASHES:
        for count in (1, 2, 3, 5, 16, 100):
            line(kind, hash_name, [(f"10.0.{i // 7}.{i + 1}", 11211 if i % 3 else 11300 + i, 1) for i in range(count)])
for hash_name in ("md5", "fnv1a_64"):
    for weights in ((1, 2), (1, 1, 1, 7), (3, 5, 7, 11, 13), (100, 200, 300), (1, 1000), tuple(range(1, 31)), (9, 9, 9)):
        line("ketama_weighted", hash_name, [(f"cache-{i}.example.com", 11211 + i % 2, w) for i, w in enumerate(weights)])
