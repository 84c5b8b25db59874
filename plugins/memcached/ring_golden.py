#!/usr/bin/python3
"""Asks libmemcached (1.1, by its shared library) and twemproxy (nutcracker 0.5, started before servers that only say who they are) where keys go, and
prints what ring_test.c reads.

usage: ring_golden.py > ring.golden

Each line: kind, key hash, servers with commas between them; where the first 64 keys go, a letter for each server; a sum over 20,000 keys.
"""
import asyncio
import contextlib
import ctypes
import os
import shutil
import socket
import string
import subprocess
import tempfile

KEYS, SHOWN = 20000, 64
LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits
HASH, KETAMA, KETAMA_WEIGHTED = 2, 3, 16  # memcached_behavior_t
# memcached_hash_t; 7 is hsieh, which Debian's has not.
HASHES = {"one_at_a_time": 0, "md5": 1, "crc32": 2, "fnv1_64": 3, "fnv1a_64": 4, "fnv1_32": 5, "fnv1a_32": 6, "murmur": 8, "jenkins": 9, "murmur3": 10}
PROXY_HASHES = ("one_at_a_time", "md5", "crc16", "crc32", "crc32a", "fnv1_64", "fnv1a_64", "fnv1_32", "fnv1a_32", "hsieh", "murmur", "jenkins")
# Each has a point below 32768, so that they share what a hash of few bits is.
LOW = [f"cache-{i}" for i in (13762, 13202, 2713, 10947, 18513, 15757, 11199, 11334, 2891, 14159, 16213, 3059, 18667, 3246, 8127, 17076, 31, 18487, 8961,
                              13529, 5226, 18315, 5433, 13784, 18997, 14976, 6900, 15112, 17935, 16182, 7983, 14624)]
BATCH = 100
PATIENCE = 60


def key(i):
    """As ring_test.c makes them: 1 to 40 bytes, each but spaces and controls."""
    made, x = bytearray(), i * 2654435761 + 12345
    for _ in range(1 + i % 40):
        x = (x * 1664525 + 1013904223) % (1 << 32)
        made.append(x >> 24 ^ (0x80 if x >> 24 <= 0x20 or x >> 24 == 0x7F else 0))
    return bytes(made)


def line(kind, hash_name, servers, places):
    total = 0
    for place in places:
        total = (total * 31 + place + 1) % (1 << 32)
    shown = "".join(LETTERS[place] if place < len(LETTERS) else "~" for place in places[:SHOWN])
    print(f"{kind};{hash_name};{','.join(servers)};{shown};{total}")


# ---- libmemcached ----

lib = ctypes.CDLL("libmemcached.so.11")
lib.memcached_create.restype = ctypes.c_void_p
lib.memcached_free.argtypes = [ctypes.c_void_p]
lib.memcached_server_add_with_weight.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint16, ctypes.c_uint32]
lib.memcached_server_add_unix_socket_with_weight.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32]
lib.memcached_behavior_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint64]
lib.memcached_behavior_get.argtypes = [ctypes.c_void_p, ctypes.c_int]
lib.memcached_behavior_get.restype = ctypes.c_uint64
lib.memcached_generate_hash.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
lib.memcached_generate_hash.restype = ctypes.c_uint32


def ask_library(kind, hash_name, servers):
    mc = lib.memcached_create(None)
    assert lib.memcached_behavior_set(mc, KETAMA_WEIGHTED if kind == "ketama_weighted" else KETAMA, 1) == 0
    assert lib.memcached_behavior_set(mc, HASH, HASHES[hash_name]) == 0
    assert lib.memcached_behavior_get(mc, HASH) == HASHES[hash_name]
    for host, port, weight in servers:
        if host.startswith("/"):
            assert lib.memcached_server_add_unix_socket_with_weight(mc, host.encode(), weight) == 0
        else:
            assert lib.memcached_server_add_with_weight(mc, host.encode(), port, weight) == 0
    places = [lib.memcached_generate_hash(mc, k, len(k)) for k in keys]
    lib.memcached_free(mc)
    line(kind, hash_name, [ours(*s) for s in servers], places)


def ours(host, port, weight):
    """What rend.conf has to say of a server of libmemcached."""
    if host.startswith("/"):
        return f"unix:{host} weight={weight} name={host}:0"
    if ":" in host:
        return f"[{host}]:{port} weight={weight} name={host}" + (f":{port}" if port != 11211 else "")
    return f"{host}:{port} weight={weight}"


# ---- twemproxy ----


async def serve(number, reader, writer):
    """A server that has every key; its value is its number."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        while True:
            asked = (await reader.readuntil(b"\r\n")).split()
            writer.write(b"VALUE %s 0 %d\r\n%d\r\nEND\r\n" % (asked[1], len(str(number)), number))


async def connect(path):
    for _ in range(PATIENCE * 50):
        with contextlib.suppress(OSError):
            return await asyncio.open_unix_connection(path)
        await asyncio.sleep(0.02)
    raise TimeoutError("nutcracker does not listen")


async def places_of(path, sockets):
    servers = [await asyncio.start_server(lambda r, w, i=i: serve(i, r, w), sock=s) for i, s in enumerate(sockets)]
    reader, writer = await connect(path)
    places = []
    for at in range(0, len(keys), BATCH):
        writer.write(b"".join(b"get %s\r\n" % k for k in keys[at:at + BATCH]))
        for k in keys[at:at + BATCH]:
            head, value, end = [await asyncio.wait_for(reader.readuntil(b"\r\n"), PATIENCE) for _ in range(3)]
            assert head.startswith(b"VALUE %s 0 " % k) and end == b"END\r\n", (k, head, value, end)
            places.append(int(value))
    writer.close()
    for s in servers:
        s.close()
    return places


def ask_proxy(hash_name, names):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    places = ask_proxy_of(hash_name, sockets, [f"127.0.0.1:{s.getsockname()[1]}:1 {name}" for s, name in zip(sockets, names)])
    line("ketama_weighted", hash_name, [f"10.0.0.{i + 1}:11211 name={name}" for i, name in enumerate(names)], places)


def ask_proxy_without_names(hash_name):
    """Of unix sockets and IPv6."""
    with tempfile.TemporaryDirectory() as folder:
        sockets = [socket.create_server(("::1", 0), family=socket.AF_INET6) for _ in range(2)]
        ports = [s.getsockname()[1] for s in sockets]
        paths = [os.path.join(folder, name) for name in ("a", "b")]
        for path in paths:
            sockets.append(socket.socket(socket.AF_UNIX))
            sockets[-1].bind(path)
            sockets[-1].listen()
        places = ask_proxy_of(hash_name, sockets, [f"::1:{port}:1" for port in ports] + [f"{path}:1" for path in paths])
    line("ketama_weighted", hash_name, [f"[::1]:{port} name=::1:{port}" for port in ports] + [f"unix:{path} name={path}:" for path in paths], places)


def ask_proxy_of(hash_name, sockets, listed):
    folder = tempfile.mkdtemp()
    path, conf = os.path.join(folder, "nutcracker.sock"), os.path.join(folder, "nutcracker.yml")
    with socket.create_server(("127.0.0.1", 0)) as s:  # it wants a port for its stats
        stats = s.getsockname()[1]
    with open(conf, "w") as f:
        f.write("\n  ".join(["pool:", f"listen: {path} 0666", f"hash: {hash_name}", "distribution: ketama", "servers:",
                             *(f" - {one}" for one in listed)]) + "\n")
    proxy = subprocess.Popen(["/usr/sbin/nutcracker", "-c", conf, "-a", "127.0.0.1", "-s", str(stats)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return asyncio.run(places_of(path, sockets))
    finally:
        proxy.kill()
        proxy.wait()
        shutil.rmtree(folder)


keys = [key(i) for i in range(KEYS)]
print("# libmemcached 1.1.4")
for kind in ("ketama_weighted", "ketama"):
    for hash_name in HASHES:
        for count in (1, 2, 3, 5, 16, 100) if HASHES[hash_name] < 8 else (3, 16):
            ask_library(kind, hash_name, [(f"10.0.{i // 7}.{i + 1}", 11211 if i % 3 else 11300 + i, 1) for i in range(count)])
for hash_name in ("md5", "fnv1a_64"):
    for weights in ((1, 2), (1, 1, 1, 7), (3, 5, 7, 11, 13), (100, 200, 300), (1, 1000), tuple(range(1, 31)), (9, 9, 9)):
        ask_library("ketama_weighted", hash_name, [(f"cache-{i}.example.com", 11211 + i % 2, w) for i, w in enumerate(weights)])
ask_library("ketama_weighted", "crc32", [(name, 11211, 1) for name in LOW])
for kind in ("ketama_weighted", "ketama"):
    ask_library(kind, "md5", [("/run/memcached/a", 0, 1), ("::1", 11211, 1), ("::1", 11300, 1), ("/run/memcached/b", 0, 1)])
print("# nutcracker 0.5.0")
for hash_name in PROXY_HASHES:
    ask_proxy(hash_name, LOW)
ask_proxy_without_names("md5")
