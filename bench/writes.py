"""What is written to a disk for each byte that is stored: of the process, and of the whole device."""
import disk
from process import wait_for
from stores import stats

REPEATS = 3

KEY_BYTES = 14


def amplification(stage, load):
    """{system: bytes written per byte of keys and values, each time all keys are stored again}."""
    return {name: _of(stage, actor, load) for name, actor in stage.actors.items()}


def _of(stage, actor, load):
    by_process, by_device = [], []
    for _ in range(REPEATS):
        before = _settled(stage, actor)
        load.fill(actor, stage.keys)
        after = _settled(stage, actor)
        stored = stage.keys * (KEY_BYTES + actor.workload.value_bytes)
        by_process.append((after[0] - before[0]) / stored)
        if before[1] is not None:
            by_device.append((after[1] - before[1]) / stored)
    return dict(per_request=by_process, of_the_device=by_device)


def _settled(stage, actor):
    """What was written when nothing more is."""
    seen = [None]

    def same():
        now, was = disk.written_by(actor.process.check().pid), seen[0]
        seen[0] = now
        stats(actor.address)       # it takes its time, and shows that the server is there
        return now == was
    wait_for(f"{actor.name} to have written all", same, pause=0.5)
    return seen[0], disk.written(stage.disk)
