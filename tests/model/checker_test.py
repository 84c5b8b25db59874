#!/usr/bin/python3
"""Does the checker find what is wrong? Histories and small protocols with a planted fault, each beside one that is right."""
import sys
import traceback

from atomic import Atomic
from cache import MISS
from explorer import WAIT, Done, explore, record
from fresh import Fresh

# ---- histories: (who, "asks", op) and (who, "hears", result); "-" and "tick": time passes


def legal(history, monitor=Atomic, first=(0, 0), lossy=False):
    """Does some explanation remain at the end?"""
    judge, now, asked = monitor(1, first, lossy), 0, {}
    state = judge.start
    for who, what, *rest in history:
        if what == "tick":
            now += 1
            state = judge.tick(state, now)
        elif what == "asks":
            asked[who] = (rest[0][0], 0) + rest[0][1:]
            state = judge.invoke(state, 0, who, asked[who])
        else:
            state = judge.answer(state, 0, who, rest[0], now, rest[0] == "error")
        if state is None:
            return False
    return True


def in_turn(*calls):
    """A history of calls one after the other: (op, result)."""
    history = []
    for who, (op, result) in enumerate(calls):
        history += [(who, "asks", op), (who, "hears", result)]
    return history


SET1, SET2, GET, DEL = ("set", 1), ("set", 2), ("get",), ("del",)
BOTH = (Atomic, Fresh)


def test_what_was_written_is_read():
    for monitor in BOTH:
        assert legal(in_turn((SET1, "ok"), (GET, 1), (SET2, "ok"), (GET, 2), (DEL, "ok"), (GET, MISS)), monitor)


def test_a_stale_read_is_found():
    for monitor in BOTH:
        assert not legal(in_turn((SET1, "ok"), (GET, 0)), monitor)


def test_a_value_from_nowhere_is_found():
    for monitor in BOTH:
        assert not legal(in_turn((GET, 7)), monitor)


def test_a_value_from_the_future_is_found():
    for monitor in BOTH:
        assert not legal(in_turn((GET, 1), (SET1, "ok")), monitor)


def test_a_resurrected_value_is_found():
    for monitor in BOTH:
        assert not legal(in_turn((SET1, "ok"), (DEL, "ok"), (GET, 1)), monitor)


def test_a_lost_value_is_found_unless_there_are_evictions():
    for monitor in BOTH:
        assert not legal(in_turn((SET1, "ok"), (GET, MISS)), monitor)
        assert legal(in_turn((SET1, "ok"), (GET, MISS)), monitor, lossy=True)
        assert not legal(in_turn((SET1, "ok"), (SET2, "ok"), (GET, MISS), (GET, 1)), monitor, lossy=True)


def during_a_write(*reads):
    return [("w", "asks", SET1)] + in_turn(*((GET, r) for r in reads)) + [("w", "hears", "ok")]


def test_reads_during_a_write_see_old_then_new():
    for monitor in BOTH:
        assert legal(during_a_write(0, 0, 1, 1), monitor)


def test_new_then_old_is_found_by_atomic_and_is_allowed_by_fresh():
    assert not legal(during_a_write(1, 0), Atomic)
    assert legal(during_a_write(1, 0), Fresh)


def test_a_write_with_an_error_may_land_once_at_any_time():
    lost = [("w", "asks", SET1), ("w", "hears", "error")]
    for reads in ((0,), (1,), (0, 1), (0, 0, 1, 1)):
        assert legal(lost + in_turn(*((GET, r) for r in reads))), reads
    assert not legal(lost + in_turn((GET, 1), (GET, 0)))


def test_a_refused_write_that_is_seen_is_found():
    refused = [("w", "asks", SET1), ("w", "hears", "refused")]
    assert legal(refused + in_turn((GET, 0)))
    assert not legal(refused + in_turn((GET, 1)))
    assert not legal([("w", "asks", SET1)] + in_turn((GET, 1)) + [("w", "hears", "refused")])


def test_a_lost_update_is_found():
    incrs = [("a", "asks", ("incr", 1)), ("b", "asks", ("incr", 10)), ("a", "hears", 1), ("b", "hears", 10)]
    assert not legal(incrs + in_turn((GET, 10)))
    assert legal(incrs[:3] + [("b", "hears", 11)] + in_turn((GET, 11)))


def test_two_cas_of_one_version_are_found():
    assert legal(in_turn((("cas", 0, 1), "ok"), (("cas", 0, 2), "exists")))
    assert not legal(in_turn((("cas", 0, 1), "ok"), (("cas", 0, 2), "ok")))


def test_two_deletes_of_one_value_are_found():
    assert legal(in_turn((DEL, "ok"), (DEL, "none")))
    assert not legal(in_turn((DEL, "ok"), (DEL, "ok")))


def test_a_value_that_outlives_its_time_is_found():
    timed = in_turn((("set", 1, 1), "ok"))
    assert legal(timed + in_turn((GET, 1)))
    assert legal(timed + [("-", "tick")] + in_turn((GET, MISS)))
    assert not legal(timed + [("-", "tick")] + in_turn((GET, 1)))


# ---- protocols: one cell, and as little else as the explorer asks for

World = record("cell", "owner", "now")


class OneCell:
    """incr reads in one step and writes in the next; with `locked` it owns the cell meanwhile."""

    def __init__(self, locked=False, forgets=False, leaks=False):
        self.locked, self.forgets, self.leaks = locked, forgets, leaks

    def first(self, op):
        return {"get": "get", "incr": "read", "set": "set"}[op[0]]

    def get(self, c):
        return Done(c.s.cell)

    def set(self, c):
        """It may be kept, refused, or said to be kept and forgotten."""
        way = c.choose(3 if self.forgets else 2)
        if way == 1:
            return Done("refused")
        if way == 0:
            c.s.cell = c.op[2]
        return Done("ok")

    def read(self, c):
        if self.locked:
            if c.s.owner is not None:
                return WAIT
            c.s.owner = c.who
        c.me.value = c.s.cell
        return "write"

    def write(self, c):
        c.s.cell = c.me.value + c.op[2]
        if not self.leaks:
            c.s.owner = None
        return Done(c.s.cell)

    steps = {"get": get, "set": set, "read": read, "write": write}

    def spec(self, op):
        return op

    def may_tick(self, begun):
        return True

    def environment(self, world, live):
        return ()

    def probe(self, world):
        yield 0, world.cell, "get"

    def tidy(self, world):
        pass

    def forget(self, world, thread, position):
        return position

    def line(self, step, op, result):
        return f"{op[0]}.{step}"


def go(protocol, *programs, limit=10_000):
    return explore(protocol, World((0, None, 0)), [(0, list(p)) for p in programs], Atomic(1, (0, 0), False), limit)


INCR1, INCR10, READ = ("incr", 0, 1), ("incr", 0, 10), ("get", 0)


def test_the_explorer_finds_a_lost_update_and_says_how():
    found = go(OneCell(), [INCR1], [INCR10])
    assert found.trace is not None
    assert len(found.trace) == 4, found.trace                # read, read, write, write: there is no shorter one
    assert sorted(line.split(".")[2].split()[0] for line in found.trace) == ["read", "read", "write", "write"], found.trace


def test_the_explorer_finds_nothing_where_nothing_is():
    found = go(OneCell(locked=True), [INCR1], [INCR10], [READ, READ])
    assert found.trace is None and not found.cut
    assert found.states > 20, found.states


def test_every_way_of_a_step_is_gone():
    assert go(OneCell(), [("set", 0, 1)], [READ]).trace is None
    assert go(OneCell(forgets=True), [("set", 0, 1)], [READ]).trace is not None


def test_the_end_is_looked_at():
    found = go(OneCell(forgets=True), [("set", 0, 1)])
    assert found.trace[-1].startswith("then get -> 0"), found.trace


def test_who_waits_for_ever_is_found():
    found = go(OneCell(locked=True, leaks=True), [INCR1], [INCR10])
    assert found.trace[-1] == "nobody can go on", found.trace


def test_what_is_not_seen_to_its_end_is_said():
    found = go(OneCell(locked=True), [INCR1, INCR1], [INCR10, INCR10], limit=5)
    assert found.trace is None and found.cut


def main():
    passed = failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        try:
            test()
            passed += 1
            print(f"ok   {name}")
        except Exception:
            failed += 1
            print(f"FAIL {name}")
            traceback.print_exc(limit=-2)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
