#!/usr/bin/python3
"""python-binary-memcached, binary.  usage: use_bmemcached.py HOST PORT WORKLOAD"""
import bmemcached

import replay
from replay import same

host, port, workload = replay.arguments()


def connect():
    # Its sockets must not wait for ever, and its values are to go as they are.
    return bmemcached.Client((f"{host}:{port}",), socket_timeout=replay.PATIENCE)


class Adapter:
    delete_is_mute = True
    cas_is_yes_or_no = True

    def __init__(self):
        self.c = connect()
        self.versions = {}
        self.get, self.get_many = self.c.get, self.c.get_multi
        self.incr, self.decr = self.c.incr, self.c.decr
        for name in ("set", "add", "replace", "delete"):
            setattr(self, name, getattr(self.c, name))

    def gets(self, key):
        value, version = self.c.gets(key)
        if value is not None:
            self.versions[key] = version
        return value

    def cas(self, key, value):
        return self.c.cas(key, value, self.versions.pop(key))


replay.run(workload, Adapter)

c = connect()
big = bytes(range(256)) * 3600
same("set of 900 KB", c.set("big", big, compress_level=0), True)
same("900 KB", c.get("big"), big)
same("compressed", c.set("long", b"z" * 900000) and c.get("long"), b"z" * 900000)
same("binary value", c.set("bytes", b"\0\r\nEND\r\n\xff") and c.get("bytes"), b"\0\r\nEND\r\n\xff")
# As bytes: its set_multi of numbers fails before a byte is sent.
same("set_multi", c.set_multi({f"m{i}": b"%d" % i for i in range(500)}), [])
same("get_multi", c.get_multi([f"m{i}" for i in range(501)]), {f"m{i}": b"%d" % i for i in range(500)})
same("delete_multi", c.delete_multi(["m1", "m2"]), True)
same("after delete_multi", c.get_multi(["m1", "m2", "m3"]), {"m3": b"3"})
thing = {"list": [1, 2.5, None], "text": "gr\u00fc\u00df", "bytes": b"\0\xff", "tuple": (1, 2)}
same("pickled", c.set("thing", thing) and c.get("thing"), thing)
same("int", c.set("int", -42) and c.get("int"), -42)
same("text", c.set("text", "gr\u00fc\u00df") and c.get("text"), "gr\u00fc\u00df")
value, version = c.gets("text")
same("delete of another version", c.delete("text", cas=version + 1), False)
same("delete of this version", c.delete("text", cas=version) and c.get("text"), None)
same("set for 2 s", c.set("short", "s", time=2) and c.get("short"), "s")
replay.gone("short", lambda: c.get("short"))
(server, stats), = c.stats().items()
same("stats", int(stats["cmd_set"] if "cmd_set" in stats else stats[b"cmd_set"]) >= 500, True)
same("flush_all", c.flush_all(), True)
same("after flush_all", c.get_multi(["big", "m3", "thing"]), {})
same("set after flush_all", c.set("after", "a") and c.get("after"), "a")
c.disconnect_all()
print("all as expected")
