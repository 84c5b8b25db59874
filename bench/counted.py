"""What is counted instead of timed: how a count is made to be that of requests alone.

Each count is made with a small and with a larger number of requests; the difference is what the requests cost, without the start of the server
and of its connections.  It is repeated, the systems taking turns.
"""

from process import Failed

REPEATS = 5

# Few keys: what a server does with all that it keeps once a second, valgrind stretches; and filling takes no time.
KEYS = 1_000


def scaled(requests, workload):
    """More of those that share system calls and turns, so that as many of these are seen."""
    return [count * max(1, workload.depth * workload.width // 4) for count in requests]


def per_request(small, large):
    """Of two (requests, count)."""
    return (large[1] - small[1]) / (large[0] - small[0])


def actors(stage):
    """The systems that are worth counting: a second process of the same program has nothing new to say."""
    return [stage.actors[name] for name in stage.names if name != stage.case.again[0]]


def sound_run(load, actor, keys, seed, requests, prefix=()):
    """A run that is counted.  Raises Failed if an answer was wrong: what was counted then is no figure of a server that does its work."""
    record = load.run(actor, keys, seed=seed, requests=requests, prefix=prefix)
    if record["wrong"]:
        raise Failed(f"{actor.name}: {record['wrong']} answers were wrong or missing while it was counted")
    return record
