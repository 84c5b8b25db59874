#!/usr/bin/python3
"""pymemcache, text.  usage: use_pymemcache.py HOST PORT WORKLOAD"""
from pymemcache import serde
from pymemcache.client.base import Client, PooledClient
from pymemcache.exceptions import MemcacheClientError

import replay
from replay import same

host, port, workload = replay.arguments()


def plain(**options):
    return Client((host, port), timeout=replay.PATIENCE, connect_timeout=replay.PATIENCE, default_noreply=False, **options)


class Adapter:
    CAS = {True: "stored", False: "exists", None: "missing"}

    def __init__(self):
        self.c = plain()
        self.versions = {}
        for name in ("set", "add", "replace", "append", "prepend", "get", "get_many", "incr", "decr", "touch", "delete"):
            setattr(self, name, getattr(self.c, name))

    def gets(self, key):
        value, version = self.c.gets(key)
        if value is not None:
            self.versions[key] = version
        return value

    def cas(self, key, value):
        return self.CAS[self.c.cas(key, value, self.versions.pop(key))]


replay.run(workload, Adapter)

c = plain()
big = bytes(range(256)) * 3600
same("set of 900 KB", c.set("big", big), True)
same("900 KB", c.get("big"), big)
same("binary value", c.set("bytes", b"\0\r\nEND\r\n\xff") and c.get("bytes"), b"\0\r\nEND\r\n\xff")
same("empty value", c.set("empty", b"") and c.get("empty"), b"")
same("set_many", c.set_many({f"m{i}": b"%d" % i for i in range(500)}), [])
same("get_many", c.get_many([f"m{i}" for i in range(501)]), {f"m{i}": b"%d" % i for i in range(500)})
same("gets_many", {k: v for k, (v, _) in c.gets_many(["m1", "m2", "none"]).items()}, {"m1": b"1", "m2": b"2"})
same("delete_many", c.delete_many(["m1", "m2"]), True)
same("after delete_many", c.get_many(["m1", "m2", "m3"]), {"m3": b"3"})
same("incr up to 2^64", (c.set("n", b"18446744073709551615"), c.incr("n", 2)), (True, 1))
try:
    c.incr("bytes", 1)
    raise AssertionError("incr of what is no number")
except MemcacheClientError as e:
    same("incr of no number", e.args[0], b"cannot increment or decrement non-numeric value")

# noreply: nothing is heard of these, and the next answer is the right one.
for i in range(200):
    c.set("quiet", b"%d" % i, noreply=True)
    c.add("quiet", b"no", noreply=True)
    c.append("quiet", b"+", noreply=True)
    c.incr("none", 1, noreply=True)
    c.touch("quiet", 100, noreply=True)
same("after noreply", c.get("quiet"), b"199+")
c.delete("quiet", noreply=True)
same("after noreply delete", c.get("quiet"), None)

things = plain(serde=serde.pickle_serde)
thing = {"list": [1, 2.5, None], "text": "gr\u00fc\u00df", "bytes": b"\0\xff", "tuple": (1, 2)}
same("pickled", things.set("thing", thing) and things.get("thing"), thing)
same("int", things.set("int", 42) and things.get("int"), 42)
same("text", things.set("text", "gr\u00fc\u00df") and things.get("text"), "gr\u00fc\u00df")
flags = []
own = plain(serde=type("Flags", (), {"serialize": lambda s, k, v: (v, 0xFFFFFFFF), "deserialize": lambda s, k, v, f: flags.append(f) or v})())
same("flags", (own.set("flags", b"f"), own.get("flags"), flags), (True, b"f", [0xFFFFFFFF]))

same("set for 2 s", c.set("short", b"s", expire=2) and c.get("short"), b"s")
replay.gone("short", lambda: c.get("short"))
same("touch to be gone", c.set("touched", b"t") and c.touch("touched", -1) and c.get("touched"), None)

same("version", c.version().startswith(b"1."), True)
same("stats", int(c.stats()[b"cmd_set"]) >= 500, True)
pool = PooledClient((host, port), max_pool_size=4, timeout=replay.PATIENCE, default_noreply=False)
same("pooled", pool.set("p", b"1") and pool.get("p"), b"1")
pool.close()
same("flush_all", c.flush_all(), True)
same("after flush_all", c.get_many(["big", "m3", "thing", "p"]), {})
same("set after flush_all", c.set("after", b"a") and c.get("after"), b"a")
c.quit()
print("all as expected")
