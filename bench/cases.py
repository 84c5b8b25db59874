"""Every claim that the project makes of its speed, as a case: who is measured, under which load, and what is claimed.

To add one, add a row to CASES.  A system may differ from another in nothing but its rend.conf (Rend(settings="...")): that is how one says
what a feature costs.
"""
from dataclasses import dataclass

from askers import Fio, Inside, IoDriver
from batches import Batches
from caches import MemcachedCache, RendCache
from claims import BESIDE_SETS, CALLS, CPU, ENDED, GETS_ALONE, IDLE_BYTES, INSTRUCTIONS, MISSED, OBJECT_BYTES, P50, P99, P99_9, RECOVERY, SHIFTED, WALL, WRITTEN, Claim
from foretold import MEMCACHED, REND, ahead
from load import FIRST_KEY
from stores import Extstore, RendMnemonic, RendSsd
from systems import EchoFloor, Memcached, MuxFloor, Nutcracker, Rend, Tiers

# What can be done with a case: rounds in pairs, two ways of counting, and memory.
PAIRS, COUNT_CALLS, COUNT_INSTRUCTIONS, MEMORY, WRITES, OBJECTS, HITS = "pairs", CALLS, INSTRUCTIONS, "memory", "writes", "objects", "hits"
SUSTAINED = "sustained"
TIMED = (PAIRS, COUNT_CALLS, COUNT_INSTRUCTIONS)

INSIDE = ""


@dataclass(frozen=True)
class Workload:
    protocol: str = "text"    # INSIDE: there is none, and connections are what is under way
    connections: int = 50
    depth: int = 1           # requests of a connection under way
    width: int = 1           # keys of a get; then a key is what is counted, not a request
    value_bytes: int = 100
    get_percent: int = 90
    keys_asked: str = ""     # as rend-load --dist says it; else each as often as any other
    misses: float = 0        # such a share of the answers may be misses: of what is short of memory, or may lose one of two keys that look alike
    fill_rate: int = 0       # so many sets a second when a server is filled; 0: as many as it answers
    inside: str = ""         # what is asked, where there is no protocol; else it is built from the above

    def unit(self):
        return "key" if self.width > 1 else "request"

    def sentence(self):
        if self.inside:
            return f"in one process, {self.inside}"
        if self.protocol == INSIDE:
            return f"in one process, {self.connections} under way at a time, blocks or values of {self.value_bytes:,} bytes"
        gets = f"gets of {self.width} keys" if self.width > 1 else "gets"
        under_way = "one request at a time" if self.depth == 1 else f"{self.depth} requests under way at a time"
        mix = {0: "sets", 100: gets}.get(self.get_percent, f"{self.get_percent} % {gets}, the others sets")
        connections = "one connection" if self.connections == 1 else f"{self.connections:,} connections"
        text = f"{self.protocol}, {connections}, {under_way} on each, {mix}, values of {self.value_bytes} bytes"
        return text + (f", keys asked for as in {self.keys_asked}" if self.keys_asked else "")


@dataclass(frozen=True)
class Case:
    name: str
    about: str
    systems: dict            # by the name in the table, in the order in which they are measured
    again: tuple             # (that one a second time, the one that ratios are to)
    workload: Workload
    claims: tuple = ()
    passes: tuple = TIMED
    keys: int = 0            # so many; 0: as bench/run says
    traffic: str = ""        # that is replayed; then a server begins empty


IN_MEMORY = {"rend": Rend(), "memcached": Memcached(), "memcached again": Memcached(), "echo floor": EchoFloor()}
PROXIES = {"rend": Rend(proxy=True), "nutcracker": Nutcracker(), "nutcracker again": Nutcracker(), "mux floor": MuxFloor()}
PROXY_PROTOCOLS = {"rend": Rend(proxy=True), "rend in text": Rend(proxy=True, protocol="text"),
                   "rend in text again": Rend(proxy=True, protocol="text"), "mux floor": MuxFloor()}

# Two tiers.  A twentieth of the requests go to keys that the first has no room for; the others are all for the same twentieth of the keys.
MISSES = 0.05
HOTSPOT = "hotspot:5%:95%"
HITS_ONLY = {"two tiers": Tiers(), "in memory": Rend(), "in memory again": Rend(), "echo floor": EchoFloor()}

# What a miss costs by itself is what it takes l1only to get a value from behind, with about as many of them under way as there are misses:
# of 50 connections with 16 requests each, that is one request each.  With few connections it would cost more than is granted here.
WITH_MISSES = {"two tiers": Tiers(memory="4MiB"), "in memory": Rend(), "in memory again": Rend(), "behind": Rend(proxy=True, depth=1),
               "echo floor": EchoFloor()}
MEMORY_TWICE = ("in memory again", "in memory")

# A store that is a millisecond away.
LATE_US = 1000
BULK = {"at once": Tiers(plugin="l1l2batch", delay_us=LATE_US), "one at a time": Tiers(plugin="l1l2batch", delay_us=LATE_US, depth=1),
        "one at a time again": Tiers(plugin="l1l2batch", delay_us=LATE_US, depth=1), "echo floor": EchoFloor()}

MEMCACHED_TWICE = ("memcached again", "memcached")
NUTCRACKER_TWICE = ("nutcracker again", "nutcracker")
TEXT_TWICE = ("rend in text again", "rend in text")
REND_TWICE = ("rend again", "rend")

IDLE = 15000

# rend counts for /metrics whether anybody may ask or not; what can be left out is who answers.
WATCHED = {"rend with metrics": Rend(settings="admin = { port = 0; };"), "rend": Rend(), "rend again": Rend(), "echo floor": EchoFloor()}

# A gigabyte of values on a disk, ten times what there is of RAM.  extstore loses what comes faster than it can write.
ON_DISK = {"rend": RendSsd(), "extstore": Extstore(), "extstore again": Extstore(), "fio": Fio()}
EXTSTORE_TWICE = ("extstore again", "extstore")
KEYS_ON_DISK = 1 << 18
SETS_A_SECOND = 20_000
MISSES_GRANTED = 0.01

# A value of 4 KiB lies in two blocks, with its head and its key.
BY_ITSELF = {"ssd from inside": Inside(), "its reads alone": IoDriver(), "fio": Fio(), "fio again": Fio(), "fio, two blocks": Fio(blocks=2)}
SETS_INSIDE = {"ssd": Inside(verb="set", rate=SETS_A_SECOND), "inmem": Inside("inmem", "set", SETS_A_SECOND, role="floor"),
               "inmem again": Inside("inmem", "set", SETS_A_SECOND, role="floor")}

# Much that is read and written at once: half a gigabyte of small values.  What goes round in a store four times as large loses one in fifty of those that
# are stored again at random.
BORNE = {"mnemonic": RendMnemonic(), "ssd": RendSsd(objects=1 << 20, settings="admin = { port = 0; };"), "extstore": Extstore(), "fio": Fio(blocks=4)}
KEYS_BORNE = 1 << 19

# Ten million small ones.
OBJECT_COUNT = 10_000_000
ALL_IN_MEMORY = {"rend": RendCache(ram_mib=4096), "memcached": MemcachedCache(ram_mib=4096)}
MANY = {"rend": RendSsd(size="3GiB", objects=OBJECT_COUNT), "extstore": Extstore(ram_mib=1100, more=",ext_item_size=64")}


# A handler in memory, without a server.  Two that share nothing are as fast as two can be on this machine.
SOME_SETS = ("--sets", "10", "--hint")
WORKERS = {"two workers": Batches(options=SOME_SETS, workers=2), "one worker": Batches(options=SOME_SETS),
           "one worker again": Batches(options=SOME_SETS), "two apart": Batches(options=(*SOME_SETS, "--apart"), workers=2, role="floor")}
LENGTHS = ("--bytes-to", "150")
HINTED = {"told": Batches(options=(*LENGTHS, "--hint")), "not told": Batches(options=LENGTHS), "not told again": Batches(options=LENGTHS),
          "nobody asked": Batches(options=(*LENGTHS, "--idle"), role="floor")}


def in_little(timed, sets=50, **more):
    return Batches(memory_mib=64, options=("--bytes-to", "1000", "--batch", "1", "--sets", str(sets), "--timed", *timed.split()), **more)


ONE_EACH = {"sets": in_little("set"), "gets beside them": in_little("get"), "gets beside them again": in_little("get"),
            "gets alone": in_little("get", sets=0), "the clock": in_little("get --idle", role="floor")}


ONE_EACH_SERVED = {"sets": RendCache(ram_mib=64, timed="set"), "gets beside them": RendCache(ram_mib=64, timed="get"),
                   "gets beside them again": RendCache(ram_mib=64, timed="get"), "sets of memcached": MemcachedCache(ram_mib=63, timed="set"),
                   "gets of memcached": MemcachedCache(ram_mib=63, timed="get"), "echo floor": EchoFloor(value_bytes=500)}


def in_memory(name, about, workload, *claims):
    return Case(name, about, IN_MEMORY, MEMCACHED_TWICE, workload, claims)


def proxy(name, about, workload, *claims):
    return Case(name, about, PROXIES, NUTCRACKER_TWICE, workload, claims)


def watched(name, about, workload):
    return Case(name, about, WATCHED, REND_TWICE, workload, (Claim("rend with metrics", "rend", INSTRUCTIONS, 1.03),),
                (PAIRS, COUNT_INSTRUCTIONS))


def hits(name, about, workload, limit):
    """In memory alone, nothing but the policy is different."""
    return Case(name, about, HITS_ONLY, MEMORY_TWICE, workload, (Claim("two tiers", "in memory", INSTRUCTIONS, limit),),
                (PAIRS, COUNT_INSTRUCTIONS))


def misses(name, about, workload):
    return Case(name, about, WITH_MISSES, MEMORY_TWICE, workload, (Claim("two tiers", "in memory", CPU, 1.2, (MISSES, "behind")),), (PAIRS,))


def beside_text(name, about, workload):
    return Case(name, about, PROXY_PROTOCOLS, TEXT_TWICE, workload,
                (Claim("rend", "rend in text", INSTRUCTIONS, 1.0), Claim("rend", "rend in text", CPU, 1.15)))


def replayed(traffic, about, *claims):
    """More hits than memcached, and as many more as was foretold."""
    foretold = [Claim(REND, MEMCACHED, what, points=ahead(traffic, what)) for what in (MISSED, SHIFTED, ENDED) if ahead(traffic, what)]
    return Case(f"hits-{traffic}", f"hits of a cache of 128 MiB, {about}", {REND: RendCache(), MEMCACHED: MemcachedCache()}, (), Workload(),
                (Claim(REND, MEMCACHED, MISSED, points=0), *claims, *foretold), (HITS,), traffic=traffic)


def within(name, about, systems, again, keys, workload, *claims):
    """A handler asked in batches, in one process."""
    return Case(name, about, systems, again, workload, claims, (PAIRS,), keys)


def on_disk(connections, protocol="text"):
    return Workload(protocol, connections, value_bytes=4096, get_percent=100, misses=MISSES_GRANTED, fill_rate=SETS_A_SECOND)


def from_disk(name, about, connections, *claims):
    return Case(name, about, ON_DISK, EXTSTORE_TWICE, on_disk(connections), claims, (PAIRS,), KEYS_ON_DISK)


def by_itself(name, depth):
    return Case(name, f"reads of the disk by a program alone, {depth} under way" if depth > 1 else "reads of the disk by a program alone, one at a time",
                BY_ITSELF, ("fio again", "fio"), on_disk(depth, INSIDE),
                (Claim("its reads alone", "fio", WALL, 1.25), Claim("ssd from inside", "fio, two blocks", WALL, 1.25),
                 Claim("ssd from inside", "fio", WALL, 1.25)), (PAIRS,), KEYS_ON_DISK)


CASES = (
    in_memory("text-1", "values in memory, unpipelined text", Workload(),
              Claim("rend", "memcached", CPU, 0.9),
              Claim("rend", None, CALLS, 2.2)),
    in_memory("binary-1", "values in memory, unpipelined binary", Workload("binary"),
              Claim("rend", None, CALLS, 2.2)),
    in_memory("text-16", "values in memory, pipelined text", Workload(depth=16),
              Claim("rend", "memcached", CPU, 0.18),
              Claim("rend", None, CALLS, 0.15)),
    in_memory("binary-16", "values in memory, pipelined binary", Workload("binary", depth=16),
              Claim("rend", "memcached", CPU, 0.75),
              Claim("rend", None, CALLS, 0.15)),
    in_memory("multiget", "values in memory, gets of ten keys", Workload(width=10),
              Claim("rend", "memcached", CPU, 0.7)),
    in_memory("connections", "values in memory, a thousand busy connections", Workload(connections=1000)),
    # Nothing is shared with anybody: a wait, a read and a write.
    Case("alone", "values in memory, one request at a time on one connection", IN_MEMORY, MEMCACHED_TWICE, Workload(connections=1),
         (Claim("rend", None, CALLS, 3.05),), (COUNT_CALLS,)),
    proxy("proxy-text-1", "a memcached behind, unpipelined text", Workload(),
          Claim("rend", "nutcracker", CPU, 0.75)),
    proxy("proxy-text-16", "a memcached behind, pipelined text", Workload(depth=16),
          Claim("rend", "nutcracker", CPU, 0.45)),
    proxy("proxy-multiget", "a memcached behind, gets of ten keys", Workload(width=10),
          Claim("rend", "nutcracker", CPU, 0.8)),
    proxy("proxy-connections", "a memcached behind, a thousand busy connections", Workload(connections=1000),
          Claim("rend", "nutcracker", CPU, 0.6)),
    # nutcracker has no binary: rend's own text is what there is to compare with.
    beside_text("proxy-binary-1", "a memcached behind, unpipelined binary", Workload("binary")),
    beside_text("proxy-binary-16", "a memcached behind, pipelined binary", Workload("binary", depth=16)),
    hits("tiers-hits-1", "copies in memory before a memcached, unpipelined, all of them hits", Workload(get_percent=100), 1.1),
    hits("tiers-hits-16", "copies in memory before a memcached, pipelined, all of them hits", Workload(depth=16, get_percent=100), 1.1),
    misses("tiers-1", "copies in memory before a memcached, unpipelined, one miss in twenty", Workload(get_percent=100, keys_asked=HOTSPOT)),
    misses("tiers-16", "copies in memory before a memcached, pipelined, one miss in twenty",
           Workload(depth=16, get_percent=100, keys_asked=HOTSPOT)),
    Case("bulk", "sets of different keys through l1l2batch, pipelined, and a millisecond to the memcached behind", BULK,
         ("one at a time again", "one at a time"), Workload(connections=1, depth=64, get_percent=0, keys_asked="sequential"),
         (Claim("at once", "one at a time", WALL, 0.05),), (PAIRS,)),
    watched("metrics-1", "what an admin port with /metrics costs, unpipelined text", Workload()),
    watched("metrics-16", "what an admin port with /metrics costs, pipelined text", Workload(depth=16)),
    Case("idle", "what idle connections cost the busy ones",
         {"rend with 15,000 idle": Rend(idle=IDLE), "rend": Rend(), "rend again": Rend(), "echo floor": EchoFloor()},
         REND_TWICE, Workload(),
         (Claim("rend with 15,000 idle", "rend", CPU, 1.15),
          Claim("rend with 15,000 idle", "rend", INSTRUCTIONS, 1.02))),
    Case("idle-memory", "memory of the server for a connection that is idle after one request",
         {"rend": Rend(), "memcached": Memcached(), "memcached again": Memcached(), "nutcracker": Nutcracker(), "echo floor": EchoFloor()},
         MEMCACHED_TWICE, Workload(connections=10000),
         (Claim("rend", None, IDLE_BYTES, 512),), (MEMORY,)),
    within("scale-2", "two workers of one store beside one", WORKERS, ("one worker again", "one worker"), 100_000,
           Workload(INSIDE, inside="16 requests in a turn, one in ten a set, values of 100 bytes, all keys as often as each other"),
           Claim("two workers", "one worker", WALL, 0.555), Claim("two workers", "two apart", WALL, 1.15)),
    within("prefetch", "requests that arrived together, told to the handler before they are asked", HINTED, ("not told again", "not told"), 2_000_000,
           Workload(INSIDE, inside="16 requests in a turn, gets, values of 100 to 150 bytes, all keys as often as each other"),
           Claim("told", "not told", CPU, 0.6)),
    within("set-tail", "sets that each have to make room, beside gets", ONE_EACH, ("gets beside them again", "gets beside them"), 450_000,
           Workload(INSIDE, inside="one request in a turn, every second one a set, values of 100 to 1,000 bytes, four times as much as there is room for",
                    misses=1),
           Claim("sets", "gets beside them", P99_9, 2)),
    Case("set-tail-1", "the same over a socket: sets that each have to make room, beside gets", ONE_EACH_SERVED, ("gets beside them again", "gets beside them"),
         Workload(connections=1, value_bytes=500, get_percent=50, misses=1), (Claim("sets", "gets beside them", P99_9, 2),), (PAIRS,), 450_000),
    replayed("zipf-0.99", "skewed as usual"),
    replayed("zipf-0.8", "less skewed"),
    replayed("zipf-1.2", "more skewed"),
    replayed("scan", "now and then somebody goes through much that nobody else asks for"),
    replayed("ttl", "most of it lives for some seconds"),
    replayed("shift", "values of 1 KB, and after half of the time of 3 KB", Claim(REND, MEMCACHED, SHIFTED, points=15)),
    replayed("writes", "half of it sets, of other lengths each time"),
    replayed("deletes", "one request in five a delete"),
    replayed("once", "most of it asked for once"),
    replayed("loop", "most of it asked for in turn, again and again"),
    Case("memory-objects", "memory for ten million values of 100 bytes", ALL_IN_MEMORY, (), Workload(get_percent=100),
         (Claim("rend", "memcached", OBJECT_BYTES, 0.85), Claim("rend", None, OBJECT_BYTES, 100 + len(FIRST_KEY) + 48)), (OBJECTS,), OBJECT_COUNT),
    from_disk("ssd-50", "values on a disk, 50 connections", 50,
              Claim("rend", "extstore", WALL, 0.5),
              Claim("rend", "extstore", CPU, 0.55)),
    from_disk("ssd-1", "values on a disk, one connection", 1,
              Claim("rend", "extstore", P50, 0.85)),
    by_itself("ssd-io-1", 1),
    by_itself("ssd-io-32", 32),
    Case("ssd-set", "a set, from submit to done inside the handler", SETS_INSIDE, ("inmem again", "inmem"),
         Workload(INSIDE, connections=1, value_bytes=4096), (Claim("ssd", None, P99, 10),), (PAIRS,), KEYS_ON_DISK),
    Case("ssd-writes", "what a set costs the disk", {"rend": RendSsd(size="512MiB", more="reinsert = 0; ")}, (), on_disk(8),
         (Claim("rend", None, WRITTEN, 1.05),), (WRITES,), KEYS_ON_DISK // 2),
    Case("stores", "stores that are read and written at once, and then only read", BORNE, (),
         Workload(value_bytes=1024, get_percent=47, misses=0.02, fill_rate=SETS_A_SECOND // 2),
         (Claim("mnemonic", None, BESIDE_SETS, 9000), Claim("mnemonic", None, GETS_ALONE, 600), Claim("ssd", "mnemonic", BESIDE_SETS, 1.0),
          Claim("ssd", "mnemonic", GETS_ALONE, 1.0)), (SUSTAINED,), KEYS_BORNE),
    Case("ssd-objects", "memory for ten million objects of 100 bytes on a disk, and a start after kill -9", MANY, (),
         Workload(get_percent=100, misses=MISSES_GRANTED),
         (Claim("rend", "extstore", OBJECT_BYTES, 0.5), Claim("rend", None, RECOVERY, 5)), (OBJECTS,), OBJECT_COUNT),
)


def chosen(names):
    """The cases of these names, in the table's order; all, if there is no name.  Raises KeyError."""
    known = {case.name: case for case in CASES}
    for name in names:
        known[name]
    return [case for case in CASES if not names or case.name in names]
