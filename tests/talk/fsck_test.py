#!/usr/bin/python3
"""rend-fsck reads a store that rend left, as it should be, killed, or damaged."""
import glob
import os
import re
import subprocess
import tempfile

import harness
from harness import Rend

TOOL = os.path.join(os.path.dirname(harness.REND), "rend-fsck")
VALUE = b"x" * 3000


def conf(path):
    return f"""
handlers = {{ disk = {{ plugin = "ssd"; path = "{path}"; size = "24MiB"; segment = "1MiB"; flush = "5ms"; timeout = "20s"; }}; }};
policies = {{ main = {{ plugin = "l1only"; l1 = "disk"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""


def folder():
    return os.path.join(tempfile.mkdtemp(dir=os.environ.get("TMPDIR")), "disk")


def fsck(*args):
    run = subprocess.run([TOOL, *args], capture_output=True, text=True, timeout=300)
    return run.returncode, run.stdout, run.stderr


def fill(rend, keys):
    with rend.client() as c:
        for key in range(keys):
            c.ask(b"set key%d 0 0 %d\r\n" % (key, len(VALUE)) + VALUE + b"\r\n", b"STORED\r\n")


def test_of_a_store_that_was_left_as_it_should_be():
    path = folder()
    with Rend(conf(path)) as rend:
        fill(rend, 200)
        status, out, err = fsck(path)
        assert status == 75 and "in use" in err, (status, out, err)
    status, out, err = fsck(path)
    assert status == 0 and err == "", (status, out, err)
    # Two of them may look alike to the index, and are one then.
    objects = int(re.search(r"^  objects +(\d+)$", out, re.M).group(1))
    assert 197 <= objects <= 200 and "0 things are wrong\n" in out, out
    assert fsck("--quiet", path) == (0, "", "")
    # It has changed nothing, and rend starts on it.
    with Rend(conf(path)) as rend:
        assert rend.said("as they were left"), rend.tail()


def test_of_a_store_whose_rend_was_killed():
    path = folder()
    with Rend(conf(path)) as rend:
        fill(rend, 200)
        rend.kill()
    status, out, err = fsck(path)
    assert status == 0 and "the next start rebuilds its index" in out, (status, out, err)


def test_of_a_damaged_store():
    path = folder()
    with Rend(conf(path)) as rend:
        fill(rend, 200)
    damaged = 0
    for name in sorted(glob.glob(os.path.join(path, "data.*"))):
        with open(name, "r+b") as f:
            data = f.read()
            at = data.find(VALUE)
            while at >= 0 and damaged < 120:
                f.seek(at + 1000)
                f.write(b"y")
                damaged += 1
                at = data.find(VALUE, at + len(VALUE))
    assert damaged == 120
    status, out, err = fsck(path)
    assert status == 1 and out.count("wrong: ") == 100 and "and 20 more\n" in out, (status, out[-500:], err)
    assert "120 things are wrong\n" in out, out
    status, out, err = fsck("--all", "--quiet", path)
    assert status == 1 and out.count("wrong: ") == 120, (status, out, err)


def stored(path):
    """A store with values in many segments, left as it should be."""
    with Rend(conf(path)) as rend:
        fill(rend, 1000)


def write(path, name, at, data):
    with open(os.path.join(path, name), "r+b") as f:
        f.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
        f.write(data)


def right_values(path):
    """rend serves it, and what it finds is what was stored."""
    with Rend(conf(path)) as rend, rend.client() as c:
        hits = 0
        for key in range(1000):
            line = c.say(b"get key%d\r\n" % key).line()
            if line == b"END":
                continue
            assert line == b"VALUE key%d 0 %d" % (key, len(VALUE)), line
            c.hear(VALUE + b"\r\nEND\r\n")
            hits += 1
        return hits


SEGMENT = 1 << 20


def test_of_all_that_can_be_damaged():
    """Each is told, and rend starts on what is left, and serves nothing else."""
    for what, damage, words in (
            ("a segment's head", lambda path: write(path, "data.000", SEGMENT, b"x" * 100), "segment 1"),
            ("a segment's trailer", lambda path: write(path, "data.000", 2 * SEGMENT - 4096, b"x" * 100), "segment 1"),
            ("the list of a segment's records", lambda path: write(path, "data.000", 2 * SEGMENT - 4096 - 24, b"x" * 24), "segment 1"),
            ("a superblock", lambda path: write(path, "super.b", 0, b"x" * 64), "super.b"),
            ("the index", lambda path: write(path, "index.snap", 8192, b"x" * 64), "index.snap"),
            ("a file that is cut", lambda path: os.truncate(os.path.join(path, "data.000"), 20 * SEGMENT), "data.000 has")):
        path = folder()
        stored(path)
        damage(path)
        status, out, err = fsck(path)
        assert status == 1 and err == "", (what, status, out, err)
        wrong = [line for line in out.splitlines() if line.startswith("wrong: ")]
        assert wrong and any(words in line for line in wrong), (what, out)
        hits = right_values(path)
        print(f"     {what}: {wrong[0]}; {hits} of 1000 values are there", flush=True)
        # Of what was in the rest of a file nobody knows what it hid.
        assert hits > 0 or what == "a file that is cut", what


def test_of_several_stores_the_worst_counts():
    good, bad, none = folder(), folder(), folder()
    stored(good)
    stored(bad)
    write(bad, "data.000", SEGMENT, b"x" * 100)
    assert fsck(good)[0] == 0 and fsck(good, bad)[0] == 1 and fsck(bad, good)[0] == 1 and fsck(good, none)[0] == 65
    status, out, err = fsck("-q", good, bad)
    assert status == 1 and good not in out and f"{bad}: " in out, out
    assert "has no store" in fsck(good, none)[2]


def test_of_what_is_no_store():
    path = folder()
    assert fsck(path)[0] == 65
    assert fsck()[0] == 64 and fsck("--what", path)[0] == 64
    status, out, err = fsck("--help")
    assert status == 0 and "rend-fsck" in out and err == ""


if __name__ == "__main__":
    harness.main()
