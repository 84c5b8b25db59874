#!/usr/bin/python3
"""Values in RocksDB on a disk that is full in earnest: clients hear so, nobody sees anything older than what was answered, and with room it goes on."""
import os
import shutil
import tempfile

import harness
import mounts
from harness import Rend, wait_for

KEYS = 40
MIB = 24


def conf(path, more):
    return f"""
handlers = {{ disk = {{ plugin = "mnemonic"; path = "{path}"; size = "12MiB"; bins = 2; readers = 2; jobs = 2; timeout = "20s"; write_buffer = "128KiB";
	compression = "none"; {more} }}; }};
policies = {{ main = {{ plugin = "l1only"; l1 = "disk"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""


def value(key, n):
    return b"%d.%d." % (key, n) + bytes(65 + (key + n + i) % 26 for i in range(1000 + key * 37 % 1000))


class Answered:
    """What was said of each key: the write that was answered last, and those that may have happened since."""

    def __init__(self):
        self.last, self.perhaps, self.failures = {}, {}, set()

    def put(self, c, n, lost=False):
        """One write of each key; True: all of them were stored."""
        well = True
        for key in range(KEYS):
            v = value(key, n)
            answer = c.say(b"set key%d %d 0 %d\r\n" % (key, n, len(v)) + v + b"\r\n").line()
            if answer == b"STORED":
                self.last[key], self.perhaps[key] = n, set()
                continue
            well = False
            self.failures.add(answer)
            if answer == b"SERVER_ERROR backend error":
                self.perhaps.setdefault(key, set()).add(n)
            elif answer != b"SERVER_ERROR backend down":
                # Where a bin begins empty; nothing older is there then.
                assert lost and answer == b"SERVER_ERROR out of memory storing object", answer
                self.last.pop(key, None)
                self.perhaps.pop(key, None)
        return well

    def check(self, c, down=False, lost=False):
        """What is there is what was answered, byte for byte, or what may be; while it is down nothing is said; a miss only where a bin may begin empty."""
        got = {}
        for key in range(KEYS):
            line = c.say(b"get key%d\r\n" % key).line()
            if line == b"SERVER_ERROR backend down":
                assert down, "it is down"
                continue
            if line == b"END":
                assert lost or key not in self.last, f"key{key} is lost"
                got[key] = None
                continue
            n = int(line.split()[2])
            v = value(key, n)
            assert line == b"VALUE key%d %d %d" % (key, n, len(v)), line
            c.hear(v + b"\r\nEND\r\n")
            assert n == self.last.get(key) or n in self.perhaps.get(key, ()), (key, n, self.last.get(key), self.perhaps.get(key))
            got[key] = n
        return got


def number(rend, name):
    return int(rend.stats("node disk")["disk." + name])


def fill_and_write(rend, c, disk, answered, lost):
    """Until both bins have met the end of the room, or one, where it makes room for the other as it begins empty; meanwhile what is there is looked at."""
    n = 2
    mounts.fill(disk + "/ballast")
    failed = set()
    while len(failed) < (1 if lost else 2):
        answered.put(c, n, lost)
        answered.check(c, down=True, lost=lost)
        failed |= {nth for nth in (0, 1) if nth not in failed and rend.said(rf"bin.00{nth} failed, because the disk is full \(.*No space left on device.*\): it is down")}
        n += 1
        assert n < 2000 and rend.alive(), rend.tail()
    assert answered.failures, "nobody was told"
    return n


def on_a_small_disk(more, lost=False):
    """Full, then with room while it runs."""
    disk = os.path.join(FOLDER, "small%d" % len(os.listdir(FOLDER)))
    mounts.small(disk, MIB)
    path, answered = disk + "/store", Answered()
    with Rend(conf(path, more)) as rend, rend.client() as c:
        assert answered.put(c, 1)
        n = fill_and_write(rend, c, disk, answered, lost)
        os.unlink(disk + "/ballast")
        wait_for("it to be well", lambda: number(rend, "bins_failed") == 0)
        wait_for("the log to say so", lambda: rend.said("is open again, " + ("and empty" if lost else "with all that was answered")))
        answered.check(c, lost=lost)
        assert answered.put(c, n)
        answered.check(c)
    with Rend(conf(path, more)) as rend, rend.client() as c:
        answered.check(c)
        assert answered.put(c, n + 1)


def test_with_a_log():
    on_a_small_disk('mend = "1h";')


def test_levels_with_a_log_that_is_synced():
    on_a_small_disk('mend = "1h"; compaction = "level"; wal = "sync";')


def test_without_a_log():
    on_a_small_disk('wal = "off";', lost=True)


def test_an_end_while_it_is_full():
    """The next start says why there is none; with room, all that was answered is there."""
    for end in ("end", "kill"):
        disk = os.path.join(FOLDER, "ends-" + end)
        mounts.small(disk, MIB)
        path, answered, text = disk + "/store", Answered(), 'mend = "1h";'
        with Rend(conf(path, text)) as rend, rend.client() as c:
            assert answered.put(c, 1)
            fill_and_write(rend, c, disk, answered, False)
            if end == "kill":
                rend.kill()
        mounts.fill(disk + "/more")
        rend = Rend(conf(path, text))
        rend.start()
        assert rend.child.wait(harness.PATIENCE) != 0
        rend.reader.join(harness.PATIENCE)
        assert rend.said("No space left on device"), rend.tail()
        rend.remove()
        os.unlink(disk + "/ballast")
        os.unlink(disk + "/more")
        with Rend(conf(path, text)) as rend, rend.client() as c:
            answered.check(c)
            assert answered.put(c, 5000)
            answered.check(c)


if __name__ == "__main__":
    mounts.enter()
    FOLDER = tempfile.mkdtemp(prefix="rend-full.", dir=os.environ.get("TMPDIR"))
    try:
        harness.main()
    finally:
        for at in os.listdir(FOLDER):
            mounts.away(os.path.join(FOLDER, at))
        shutil.rmtree(FOLDER, ignore_errors=True)
