"""Rounds in pairs: the systems take turns, A B C A B C, so that what the machine does meanwhile meets all of them."""
import resource
import time

from process import TICKS, busy_seconds


def interleave(names, rounds):
    """[(round, name)] in the order in which they are measured."""
    return [(at, name) for at in range(rounds) for name in names]


class Watch:
    """What others did on this machine while a round ran."""

    def __init__(self, stage, actor):
        # An asker's, if it stays from turn to turn, is none that ends and is counted then.
        own = actor.process or getattr(actor.system, "process", None)
        self.processes = [process for process in (own, stage.backend) if process]
        self.begun = self._now()

    def _now(self):
        client = resource.getrusage(resource.RUSAGE_CHILDREN)
        ours = sum(sum(process.ticks()) for process in self.processes) / TICKS + client.ru_utime + client.ru_stime
        return time.monotonic(), busy_seconds(), ours

    def cores_of_others(self):
        elapsed, busy, ours = [now - before for before, now in zip(self.begun, self._now())]
        return round(max(0.0, busy - ours) / elapsed, 3)


def measure(stage, load, rounds, **window):
    """Returns one record for each turn; window is what load.run() takes: seconds and warm, or requests."""
    records = []
    for at, name in interleave(stage.names, rounds):
        actor = stage.actors[name]
        watch = Watch(stage, actor)
        record = dict(round=at, system=name, role=actor.system.role)
        record.update(actor.take_turn(load, stage.keys, seed=at + 1, **window))
        record.update(other_cores=watch.cores_of_others())
        records.append(record)
    return records
