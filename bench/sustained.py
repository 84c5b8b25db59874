"""How much reading and writing at once a store can bear: the largest rate that it keeps up with, the times of gets at some of that, and then without
sets.  The shape of what Netflix published of Mnemonic: 53 sets to 47 gets, then gets alone."""
from dataclasses import replace

import disk
from load import WARM_S, wrong
from process import TICKS, Failed

# A store keeps up with a rate if next to nothing that was due is not sent, and 99 of a hundred have their answer in such a time.
UNSENT_MAX = 0.002
LATE_MS = 100

FIRST_RATE = 1000        # requests a second
STEP = 1.4
PROBE_S = 5
# What is written has to be merged, later: so the rate that it kept up with for a moment has to hold for so long.
HOLD_S = 30

# All are measured at so much of the least.
SHARE = 0.8
REPEATS, BESIDE_S, ALONE_S = 3, 10, 5

KEY_BYTES = 14
READS_S = 3


def measure(make_stage, names, reads):
    """(commands, {store: gets beside sets}, {store: gets alone}), all at the rate that the least of them bears.  Nobody runs beside it.  reads: the name
    of the one that says how many reads a second the disk can do."""
    commands, largest, beside, alone = {}, {}, {}, {}
    with make_stage([reads]) as stage:
        commands.update(stage.commands())
        most = stage.actors[reads].take_turn(stage.load, 0, 1, seconds=READS_S, warm=0.5)["per_second"]
    for name in names:
        with make_stage([name]) as stage:
            commands.update(stage.commands())
            largest[name] = _largest_rate(stage, stage.actors[name])
    rate = SHARE * min(largest.values())
    for name in names:
        with make_stage([name]) as stage:
            actor = stage.actors[name]
            beside[name] = dict(_beside_sets(stage, actor, rate), largest=largest[name], of_reads=largest[name] / most)
            alone[name] = _gets_alone(stage, actor, rate * actor.workload.get_percent / 100)
    return commands, beside, alone


def _ask(stage, actor, rate, seconds, seed):
    said = stage.load.paced(actor, stage.keys, seed, rate, seconds)
    if said["wrong"] or said["protocol"] or said["lost"]:
        raise Failed(f"{actor.name}: {said['faults'][:1]}")
    return said


def _bears(stage, actor, rate, seed, seconds=PROBE_S):
    said = _ask(stage, actor, rate, seconds, seed)
    due = said["requests"] + said["unsent"]
    return (said["unsent"] <= UNSENT_MAX * due and said["latency"]["p99_us"] <= 1000 * LATE_MS and
            wrong(said, 1) == 0 and said["misses"] <= actor.workload.misses * said["commands"]["get"]["requests"])


def _largest_rate(stage, actor):
    """Upwards in steps until it does not keep up, then between the two, and down again until it does for longer."""
    rate, seed = FIRST_RATE, 1
    if not _bears(stage, actor, rate, seed):
        raise Failed(f"{actor.name} does not keep up with {rate} requests a second")
    while _bears(stage, actor, rate * STEP, seed := seed + 1):
        rate *= STEP
    for share in (0.5, 0.25):
        between = rate * STEP ** share
        if _bears(stage, actor, between, seed := seed + 1):
            rate = between
    while not _bears(stage, actor, rate, seed := seed + 1, HOLD_S):
        rate /= STEP ** 0.25
        if rate < FIRST_RATE:
            raise Failed(f"{actor.name} does not keep up with {FIRST_RATE} requests a second for {HOLD_S} s")
    return rate


def _beside_sets(stage, actor, rate):
    """p99 of gets, each time; and what else was seen."""
    stored, before, ticks, turns = 0, disk.written_by(actor.process.pid), sum(actor.process.ticks()), []
    for at in range(REPEATS):
        turns.append(_ask(stage, actor, rate, BESIDE_S, 100 + at))
        stored += turns[-1]["commands"]["set"]["requests"] * (KEY_BYTES + actor.workload.value_bytes)
    found = _times(turns)
    # Turns begin with some time that is not measured.
    stored *= 1 + WARM_S / BESIDE_S
    found.update(rate=rate, written=(disk.written_by(actor.process.pid) - before) / stored, rss_kb=actor.process.check().rss_kb(),
                 cores=(sum(actor.process.ticks()) - ticks) / TICKS / (REPEATS * (WARM_S + BESIDE_S)), refused=sum(t["server_errors"] for t in turns),
                 sets_p99_us=[t["commands"]["set"]["latency"]["p99_us"] for t in turns])
    found.update(actor.system.look(actor))
    return found


def _gets_alone(stage, actor, rate):
    actor.workload = replace(actor.workload, get_percent=100)
    return dict(_times([_ask(stage, actor, rate, ALONE_S, 200 + at) for at in range(REPEATS)]), rate=rate)


def _times(turns):
    gets = [t["commands"]["get"] for t in turns]
    return dict(per_request=[g["latency"]["p99_us"] for g in gets], p50_us=[g["latency"]["p50_us"] for g in gets],
                missed=sum(g["misses"] for g in gets) / sum(g["requests"] for g in gets), unsent=sum(t["unsent"] for t in turns))
