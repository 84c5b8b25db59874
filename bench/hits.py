"""How much of what is asked for is there, when a cache is smaller than what is asked of it: traffic that is replayed against each system alone."""
import json
import os
import subprocess

from claims import ENDED, MISSED, SHIFTED
from foretold import FORETOLD, foretold
from process import CLIENT_CORE, Failed, on_core

REQUESTS = 12_000_000

# Times to live are whole seconds of a server's clock.  At this rate, which a busy machine can keep to, a second of the traffic is a fifth of one, and a
# time of 20 becomes one of 4.
RATES = {"ttl": 50_000}

# By such a share more a replay may take than its rate says.
LATE_MAX = 0.02

# All requests, from the first to the last, in so many parts; and a tenth of these.
WINDOWS = 60
TENTH = WINDOWS // 10

# Where the tenth begins that is counted by itself.
TENTHS = {SHIFTED: WINDOWS // 2, ENDED: WINDOWS - TENTH}

PATIENCE_S = 900


def measure(make_stage, names, traffic, requests=REQUESTS):
    """(commands, {system: percent of the gets that were misses; its RSS; percent of hits in each of the windows}).  Nobody runs beside it."""
    commands, found = {}, {}
    for name in names:
        with make_stage([name]) as stage:
            commands.update(stage.commands())
            found[name] = _replay(stage, stage.actors[name], traffic, requests)
    return commands, found


def _replay(stage, actor, traffic, requests):
    argv = [os.path.join(stage.build, "bench", "replay"), str(actor.address[1]), traffic, str(requests)]
    if traffic in RATES:
        argv.append(str(RATES[traffic]))
    done = subprocess.run(on_core(CLIENT_CORE, argv), capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    if done.returncode != 0:
        raise Failed(f"{actor.name}: {done.stderr.strip()}")
    said = json.loads(done.stdout)
    if said["refused"] > requests / 100_000:
        raise Failed(f"{actor.name}: {said['refused']} of {requests} requests were refused")
    due_s = requests / RATES[traffic] if traffic in RATES else None
    if due_s and said["seconds"] > due_s * (1 + LATE_MAX):
        raise Failed(f"{actor.name}: the requests took {said['seconds']:.0f} s, and were due in {due_s:.0f}: times to live were other ones")
    return dict(per_request=[100 * (1 - said["hit_ratio"])], bytes_missed=100 * (1 - said["byte_hit_ratio"]),
                rss_kb=actor.process.check().rss_kb(), windows=[100 * hits for hits in said["windows"]])


def parts(traffic, missed):
    """{what: {system: ...}} of {system: what measure() found}, with what was foretold."""
    found = {MISSED: {name: dict(said) for name, said in missed.items()}}
    for what, first in TENTHS.items():
        if what in FORETOLD[traffic]:
            found[what] = {name: dict(per_request=[misses_in(said["windows"][first:first + TENTH])]) for name, said in missed.items()}
    for what, by_name in found.items():
        for name, said in by_name.items():
            said["foretold"] = foretold(traffic, what, name)
    return found


def misses_in(windows):
    """Percent of misses, of windows with percents of hits."""
    return 100 - sum(windows) / len(windows)
