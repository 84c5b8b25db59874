#!/usr/bin/python3
"""The protocols inside inmem, in every interleaving: its index and its log. What is right must hold; each mutant must be found."""
import gc
import sys
import time

import inmem_index
import inmem_log
from atomic import Atomic
from cache import MISS
from explorer import explore
from inmem_index import Index
from inmem_log import Log


def judge(firsts):
    monitor = Atomic(len(firsts), MISS, False)
    monitor.start = tuple((frozenset([(MISS if v is MISS else (v, 0), frozenset())]), ()) for v in firsts)
    return monitor


# ---- the index: (what lies where, what becomes of the last page, programs); where a plan begins with "shrink", it is there

AWAY = {0: (1, 10), 1: (0, 20)}                 # key 0 lives in another bucket than its own
FULL = {0: (1, 10), 1: (2, 30)}                 # key 0 has no room but by moving key 1
LAST = {0: (1, 10), 3: (0, 20)}                 # key 0 lives in the last page, and its old home is full
CROWDED = {0: (1, 10), 3: (0, 20), 4: (2, 30)}  # key 0 can come back as long as key 2 is not there
GROW, SHRINK = ("grow",), ("shrink",)
INDEX = [
    (AWAY, (), [("get", 0)], [("del", 0)], [("set", 2, 1)]),
    (AWAY, (), [("get", 0), ("get", 1)], [("del", 1), ("set", 1, 2)], [("del", 0), ("set", 0, 3)]),
    (FULL, (), [("get", 1)], [("get", 1), ("get", 0)], [("set", 0, 1)]),
    (FULL, (), [("get", 1), ("get", 1)], [("set", 0, 1), ("del", 1)]),
    ({0: (0, 10)}, (), [("set", 1, 1)], [("set", 2, 2)], [("get", 2)]),
    ({}, (), [("set", 0, 1)], [("set", 1, 2)], [("set", 2, 3)]),
    (AWAY, GROW, [("get", 0)], [("get", 0), ("get", 0)]),
    (AWAY, GROW, [("get", 0), ("get", 1)], [("set", 0, 1)]),
    (AWAY, GROW, [("set", 0, 1)], [("set", 0, 2)], [("get", 0)]),
    (AWAY, GROW, [("del", 0), ("set", 0, 1)], [("get", 0)]),
    ({0: (0, 10), 1: (2, 30)}, GROW, [("get", 0)], [("set", 1, 2)], [("set", 2, 3)]),
    ({0: (0, 10), 1: (2, 30)}, GROW, [("get", 2)], [("del", 2)], [("set", 0, 3)]),
    (LAST, SHRINK, [("get", 0)], [("get", 0), ("get", 1)]),
    (LAST, SHRINK, [("set", 0, 1)], [("get", 0), ("get", 0)]),
    (LAST, SHRINK, [("set", 0, 1)], [("set", 0, 2)]),
    (LAST, SHRINK, [("del", 0), ("set", 0, 1)], [("get", 0)]),
    (LAST, SHRINK + GROW, [("get", 0)], [("set", 0, 1)]),
    (AWAY, GROW + SHRINK, [("get", 0)], [("set", 0, 1)]),
    (AWAY, GROW + SHRINK + GROW, [("get", 0)], [("get", 0)]),
    (AWAY, GROW + SHRINK + GROW, [("del", 0), ("set", 0, 1)]),
    (CROWDED, SHRINK, [("get", 2)], [("get", 0), ("set", 2, 1)]),
    (CROWDED, SHRINK, [("get", 2)], [("del", 1)], [("set", 0, 1)]),
    (CROWDED, SHRINK + SHRINK, [("get", 2)], [("set", 2, 3)]),
]
INDEX_MUTANTS = [dict(claim="store"), dict(displace="put"), dict(count="last"), dict(scan="count"), dict(where="before"), dict(follow=False),
                 dict(grow="clear"), dict(migrate="home"), dict(publish="first"),
                 dict(again=False), dict(check=False), dict(count_back="lock"), dict(count_back="mark"), dict(count_back="clear"), dict(reduce="last"),
                 dict(full="drop"), dict(wait=False)]


def index(knobs, config):
    slots, plan, *programs = config
    firsts = [MISS] * len(inmem_index.HOME)
    for key, value in slots.values():
        firsts[key] = value
    return explore(Index(**knobs), inmem_index.first_world(slots, plan, plan[:1] == SHRINK), [(0, p) for p in programs], judge(firsts))


# ---- the log: (segments, programs)

LOG = [
    (3, [("get", 0)], [("set", 0, 1), ("set", 1, 2)]),
    (3, [("get", 0)], [("set", 0, 1)], [("set", 1, 2)]),
    (3, [("set", 0, 1), ("get", 0)], [("set", 1, 2), ("get", 1)]),
    (2, [("get", 0)], [("set", 0, 1)]),
]
LOG_MUTANTS = [dict(readers=False), dict(writers=False), dict(say="late")]


def log(knobs, config):
    segments, *programs = config
    return explore(Log(**knobs), inmem_log.first_world(segments, len(programs)), [(0, p) for p in programs], judge([0, MISS]))


def main():
    gc.disable()
    passed = failed = states = 0
    began = time.monotonic()
    for name, run, configs, mutants in (("index", index, INDEX, INDEX_MUTANTS), ("log", log, LOG, LOG_MUTANTS)):
        for knobs in [{}, *mutants]:
            found = None
            for config in configs:
                result = run(knobs, config)
                states += result.states
                if result.trace or result.cut:
                    found = result
                    break
            right = (found is None) if not knobs else (found is not None and found.trace is not None)
            passed, failed = passed + right, failed + (not right)
            print("%s %s%s" % ("ok  " if right else "FAIL", name, "".join(", mutant %s = %s" % k for k in knobs.items())), flush=True)
            if found is not None and (not right or "--trace" in sys.argv):
                print("     ", config)
                for line in found.trace or ["cut off"]:
                    print("        " + line)
    print(f"{states} states, {time.monotonic() - began:.0f} s")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
