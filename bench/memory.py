"""What an idle connection costs a server in memory."""
from systems import Crowd

REPEATS = 3


def idle_bytes(make_stage, names, connections):
    """{system: bytes of RSS for each connection, once for each repetition}.  Each time with new processes: memory is not given back."""
    found = {name: [] for name in names}
    for _ in range(REPEATS):
        for name in names:
            with make_stage([name]) as stage:
                actor = stage.actors[name]
                # The first connections also pay for what is made once.
                first = Crowd(actor.address).gather(100)
                before = actor.process.rss_kb()
                crowd = Crowd(actor.address).gather(connections)
                found[name].append((actor.process.rss_kb() - before) * 1024 / connections)
                crowd.leave()
                first.leave()
    return {name: dict(per_request=figures) for name, figures in found.items()}
