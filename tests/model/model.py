#!/usr/bin/python3
"""Does a two-tier cache stay one cache? Every interleaving of small programs over L1 and L2, for several protocols.

    model.py                    the whole table
    model.py --deep             larger programs too: many minutes, several GiB
    model.py --trace            with the shortest counterexample under every violation
    model.py --part=one_proxy   one part of it: see PARTS in table.py
    model.py NAME ...           only the protocols of these names, with traces

Exit status 0: every protocol does what table.py says of it. README.md says how to read the table.
"""
import gc
import os
import sys
import time

from explorer import explore
from fresh import Fresh
from programs import DEEP, FAMILIES
from table import PARTS
from world import first_world


class Cell:
    """One protocol over one family: what was found."""

    def __init__(self):
        self.count = self.bad = self.cut = self.states = 0
        self.worst = None                               # the program and the trace of the shortest violation

    def add(self, result, program):
        self.count += 1
        self.states += result.states
        self.cut += result.cut
        if result.trace:
            self.bad += 1
            if self.worst is None or len(result.trace) < len(self.worst[1]):
                self.worst = program, result.trace

    def right(self, holds):
        """What is cut was not seen, and what has no programs shows nothing: neither proves anything."""
        return self.count > 0 and (self.bad == 0 and self.cut == 0 if holds else self.bad > 0)

    def __str__(self):
        if self.bad:
            return "BAD"
        return f"ok {self.count}" + (f" ({self.cut} cut)" if self.cut else "")


def spell(programs, env, warm):
    def one(op):
        return op[0] + ("'" if op[1] else "") + ("(%s)" % ",".join(str(a) for a in op[2:]) if op[2:] else "")

    said = " | ".join(";".join(one(op) for op in program) for program in programs)
    return f"{said}; L1 {'warm' if warm else 'cold'}" + "".join(f"; {k} {v}" for k, v in env.items())


def judged_by(monitor, programs):
    """Fresh knows nothing of values that are computed."""
    return monitor is not Fresh or not any(op[0] in ("incr", "append") for program in programs for op in program)


def check(row, family, proxies, deep):
    cell = Cell()
    for env, programs in FAMILIES[family] + (DEEP.get(family, []) if deep and row.holds else []):
        if not judged_by(row.monitor, programs):
            continue
        for warm in (False, True):
            p = row.make()
            p.alias, p.calm = family == "alias", bool(env.get("calm"))
            keys = 2 if any(op[1] == 1 for program in programs for op in program) else 1
            monitor = row.monitor(keys, (0, 0), bool(env.get("evict2")))
            threads = [(t % proxies, program) for t, program in enumerate(programs)]
            cell.add(explore(p, first_world(p, keys, warm, proxies, env), threads, monitor), spell(programs, env, warm))
            if cell.bad and not row.holds:              # a mutant: one is enough
                return cell
    return cell


def families_of(row, long, deep):
    for family in row.families:
        if not family.endswith("*"):
            yield family
        elif deep or (long and row.holds):
            yield family[:-1]


def show(row, family, cell):
    print(f"      {family}: {cell.worst[0]}")
    for line in cell.worst[1]:
        print("        " + line)


def run(part, names=(), long=False, deep=False, traces=False):
    """Prints a line for each protocol and family, then the table. -> (passed, failed)"""
    passed = failed = states = 0
    table, began = [], time.monotonic()
    for row in part.rows:
        if names and row.name not in names:
            continue
        cells = {family: check(row, family, part.proxies, deep) for family in families_of(row, long, deep)}
        for family, cell in cells.items():
            right = cell.right(row.holds)
            passed, failed, states = passed + right, failed + (not right), states + cell.states
            print("%s %s%s, %s: %s" % ("ok  " if right else "FAIL", "" if row.holds else "mutant ", row.name, family,
                                       cell if row.holds else "found" if cell.bad else "not found"), flush=True)
            if cell.worst and (traces or (row.holds and not right)):
                show(row, family, cell)
        table.append("%-8s %-42s %-6s %s" % ("" if row.holds else "mutant", row.name, row.monitor.__name__,
                                             " · ".join(f"{family} {cell}" for family, cell in cells.items())))
    print(f"\n{part.title}: {states} states, {time.monotonic() - began:.0f} s")
    print("\n".join(table))
    return passed, failed


def main(argv):
    gc.disable()                                        # nothing here makes cycles, and the collector would walk every state
    names = [a for a in argv if not a.startswith("--")]
    wanted = [a[7:] for a in argv if a.startswith("--part=")]
    known = {row.name for part in PARTS.values() for row in part.rows}
    strange = [n for n in names if n not in known] + [w for w in wanted if w not in PARTS]
    strange += [a for a in argv if a.startswith("--") and a not in ("--deep", "--trace") and not a.startswith("--part=")]
    if strange:
        sys.exit(f"there is no {strange[0]}")
    passed = failed = 0
    for key, part in PARTS.items():
        if wanted and key not in wanted:
            continue
        more = run(part, names, bool(os.environ.get("REND_TEST_LONG")), "--deep" in argv, "--trace" in argv or bool(names))
        passed, failed = passed + more[0], failed + more[1]
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
