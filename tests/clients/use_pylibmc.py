#!/usr/bin/python3
"""pylibmc, and with it libmemcached.  usage: use_pylibmc.py HOST PORT WORKLOAD text|binary"""
import sys

import pylibmc

import replay
from replay import same

protocol = sys.argv.pop()
binary = {"text": False, "binary": True}[protocol]
host, port, workload = replay.arguments()


def connect(**behaviors):
    return pylibmc.Client([f"{host}:{port}"], binary=binary, behaviors={"cas": True, "tcp_nodelay": True, "receive_timeout": 20000000,
                                                                       **behaviors})


def or_none(call):
    def called(*arguments):
        try:
            return call(*arguments)
        except pylibmc.NotFound:
            return None

    return called


def or_false(call):
    """What is not there is told as an error by some calls, and as False by others."""
    def called(*arguments):
        try:
            return call(*arguments)
        except pylibmc.NotFound:
            return False

    return called


class Adapter:
    def __init__(self):
        self.c = connect()
        self.versions = {}
        self.get = self.c.get
        self.get_many = self.c.get_multi
        self.incr, self.decr = or_none(self.c.incr), or_none(self.c.decr)
        for name in ("set", "add", "replace", "append", "prepend", "touch", "delete"):
            setattr(self, name, or_false(getattr(self.c, name)))

    def gets(self, key):
        value, version = self.c.gets(key)
        if value is not None:
            self.versions[key] = version
        return value

    def cas(self, key, value):
        try:
            return "stored" if self.c.cas(key, value, self.versions.pop(key)) else "exists"
        except pylibmc.NotFound:
            return "missing"


replay.run(workload, Adapter)

c = connect()
big = bytes(range(256)) * 3600
same("set of 900 KB", c.set("big", big), True)
same("900 KB", c.get("big"), big)
same("binary value", c.set("bytes", b"\0\r\nEND\r\n\xff") and c.get("bytes"), b"\0\r\nEND\r\n\xff")
same("set_multi", c.set_multi({f"m{i}": i for i in range(500)}), [])
same("get_multi", c.get_multi([f"m{i}" for i in range(501)]), {f"m{i}": i for i in range(500)})
same("prefixed", c.get_multi(["1", "2"], key_prefix="m"), {"1": 1, "2": 2})
same("delete_multi", c.delete_multi(["m1", "m2"]), True)
same("after delete_multi", c.get_multi(["m1", "m2", "m3"]), {"m3": 3})
same("incr_multi", c.set("n", 5) and (c.incr_multi(["n"], delta=3), c.get("n"))[1], 8)
thing = {"list": [1, 2.5, None], "text": "gr\u00fc\u00df", "bytes": b"\0\xff", "tuple": (1, 2)}
same("pickled", c.set("thing", thing) and c.get("thing"), thing)
same("int", c.set("int", -42) and c.get("int"), -42)
same("bool", c.set("bool", True) and c.get("bool"), True)
same("text", c.set("text", "gr\u00fc\u00df") and c.get("text"), "gr\u00fc\u00df")
same("compressed", c.set("long", "z" * 100000, min_compress_len=1000) and c.get("long"), "z" * 100000)
same("set for 2 s", c.set("short", "s", time=2) and c.get("short"), "s")
replay.gone("short", lambda: c.get("short"))
same("touch for 2 s", c.set("touched", "t") and c.touch("touched", 2) and c.get("touched"), "t")
replay.gone("touched", lambda: c.get("touched"))

quiet = connect(no_block=True, _noreply=True) if not binary else connect(no_block=True)
for i in range(200):
    quiet.set("quiet", i)
    quiet.set("quiet2", i)
same("after quiet sets, from their connection", quiet.get("quiet2"), 199)
same("after quiet sets", c.get("quiet"), 199)

(server, stats), = c.get_stats()
same("stats", int(stats["cmd_set"] if "cmd_set" in stats else stats[b"cmd_set"]) >= 500, True)
same("flush_all", c.flush_all(), True)
same("after flush_all", c.get_multi(["big", "m3", "thing"]), {})
same("set after flush_all", c.set("after", "a") and c.get("after"), "a")
c.disconnect_all()
print("all as expected")
