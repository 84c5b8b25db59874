"""How much of what is asked for is there, when a cache is smaller than what is asked of it: traffic that is replayed against each system alone."""
import json
import os
import subprocess

from process import CLIENT_CORE, Failed, on_core

REQUESTS = 12_000_000

# Times to live are whole seconds of a server's clock.  At this rate a second of the traffic is a tenth of one, and a time of 20 becomes one of 2.
RATES = {"ttl": 100_000}

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
    return dict(per_request=[100 * (1 - said["hit_ratio"])], bytes_missed=100 * (1 - said["byte_hit_ratio"]),
                rss_kb=actor.process.check().rss_kb(), windows=[100 * hits for hits in said["windows"]], after_shift=_after_shift(said["windows"]))


def _after_shift(windows):
    """Percent of misses in the first tenth of all requests after the half: when the traffic has another kind of values from there on."""
    part = windows[len(windows) // 2:len(windows) // 2 + len(windows) // 10]
    return 100 * (1 - sum(part) / len(part))
