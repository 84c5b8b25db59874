"""How many instructions of its own a program takes for a request, and in which functions, by callgrind.

The kernel's are not seen.  Counts of two runs differ by one or two in a hundred, on any machine, however busy.
"""
import glob
import os
import re
import subprocess

from counted import REPEATS, actors, per_request, scaled, sound_run
from process import PATIENCE, Failed

REQUESTS = (2_000, 12_000)

# Descriptors that valgrind keeps for itself.
VALGRIND_FILES = 12

LIBRARIES_SHOWN = 5
FUNCTIONS_SHOWN = 12


def wrap(argv):
    """Under callgrind, each thread for itself."""
    return ["valgrind", "--tool=callgrind", "--separate-threads=yes", "--callgrind-out-file=callgrind.%p", *argv]


def files(connections_max):
    """The limit of descriptors: a memcached wants to set its own, and may under valgrind only if this one is the same already."""
    return connections_max + VALGRIND_FILES


def dump(actor):
    """Writes down what each thread did since the last time.  Returns what was written, by thread."""
    folder = os.path.dirname(actor.process.log)
    before = set(glob.glob(os.path.join(folder, "callgrind.*")))
    said = subprocess.run(["callgrind_control", "-d", str(actor.process.pid)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=PATIENCE)
    found = {}
    for path in set(glob.glob(os.path.join(folder, f"callgrind.{actor.process.pid}.*"))) - before:
        with open(path) as f:
            found[path.rsplit("-", 1)[1]] = f.read()
    if not found:
        raise Failed(f"callgrind wrote nothing of {actor.name}: {said.stdout[-200:]} {said.stderr[-200:]}")
    return found


def total(text):
    return int(re.search(r"^totals: (\d+)", text, re.M).group(1))


def own_costs(text):
    """{(library, function): instructions of its own} of one thread.

    Names are written once and then go by their number.  A line of positions and costs belongs to the function above it, but for the one
    after "calls=", which says what the function that was called took in all.
    """
    own, names = {}, {}
    library = function = ""
    skip = False

    def named(kind, value):
        number, _, name = value.partition(" ")
        if name:
            names[kind, number] = name
        return names[kind, number]
    for line in text.splitlines():
        kind, is_name, value = line.partition("=")
        if kind == "ob" and is_name:
            library = os.path.basename(named("ob", value))
        elif kind == "cob" and is_name:
            named("ob", value)
        elif kind == "fn" and is_name:
            function = named("fn", value)
        elif kind == "cfn" and is_name:
            named("fn", value)
        elif kind == "calls":
            skip = True
        elif re.match(r"[-+*\d]\S* \d+$", line):
            if not skip:
                own[library, function] = own.get((library, function), 0) + int(line.split()[1])
            skip = False
    return own


def shares(costs, name_of, shown):
    """[(name, per cent)], the largest first."""
    sums = {}
    for (library, function), cost in costs.items():
        name = name_of(library, function)
        sums[name] = sums.get(name, 0) + cost
    return [(name, round(100 * cost / sum(sums.values()), 1)) for name, cost in sorted(sums.items(), key=lambda item: -item[1])[:shown]]


def profile(text):
    """Where a thread's instructions went: by library, and by function.  One without a name goes by its library's."""
    costs = own_costs(text)
    return dict(libraries=shares(costs, lambda library, function: library, LIBRARIES_SHOWN),
                functions=shares(costs, lambda library, function: f"({library})" if function.startswith("0x") else function, FUNCTIONS_SHOWN))


def count(stage, load, requests=None, repeats=REPEATS):
    """The thread that does most is the one that serves.  The others run by the clock, which valgrind stretches: they are left out."""
    requests = requests or scaled(REQUESTS, stage.case.workload)
    figures = {actor.name: [] for actor in actors(stage)}
    profiles = {}
    for actor in actors(stage):
        dump(actor)
    for at in range(repeats):
        for actor in actors(stage):
            counts = []
            for n in requests:
                record = sound_run(load, actor, stage.keys, seed=at + 1, requests=n)
                thread = max(dump(actor).values(), key=total)
                counts.append((record["requests"], total(thread)))
            figures[actor.name].append(round(per_request(*counts), 1))
            profiles[actor.name] = profile(thread)
    return {name: dict(per_request=found, requests=requests, **profiles[name]) for name, found in figures.items()}
