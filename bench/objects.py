"""What many objects cost in memory, and how long a server that has them on a disk takes to have them again after kill -9."""
import os
import signal
import time

from load import FIRST_KEY
from process import Failed
from stores import stats, value, value_soon

REPEATS = 3

# Gets of any of them, after the last start.
SAMPLE = 200_000


def measure(make_stage, names):
    """(commands, {system: RSS per object}, {a system of which they last: seconds from a start after kill -9 to the first right answer, each time})."""
    commands, memory, recovery = {}, {}, {}
    for name in names:
        with make_stage([name]) as stage:
            actor = stage.actors[name]
            commands.update(stage.commands())
            held = int(stats(actor.address)["curr_items"])
            memory[name] = dict(per_request=[actor.process.rss_kb() * 1024 / held], objects=held)
            if actor.system.lasts:
                recovery[name] = dict(per_request=[_kill_and_wait(stage, name) for _ in range(REPEATS)])
                recovery[name]["misses"] = _ask(stage, name)
    return commands, memory, recovery


def _kill_and_wait(stage, name):
    actor = stage.actors[name]
    was = value(actor.address, FIRST_KEY)
    if was is None:
        raise Failed(f"{name} does not have the key that was stored first")
    os.kill(actor.process.pid, signal.SIGKILL)
    actor.process.child.wait()
    began = time.monotonic()
    stage.restart(name)
    if value_soon(actor.address, FIRST_KEY) != was:
        raise Failed(f"{name} has another value of {FIRST_KEY} after it was killed")
    return time.monotonic() - began


def _ask(stage, name):
    """How many of so many gets were misses.  Raises Failed if one was wrong."""
    found = stage.load.run(stage.actors[name], stage.keys, seed=1, requests=SAMPLE)
    if found["wrong"]:
        raise Failed(f"{name}: {found['wrong']} of {SAMPLE} answers were wrong or missing after it was killed")
    return found["misses"]
