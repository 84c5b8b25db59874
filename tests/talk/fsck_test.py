#!/usr/bin/python3
"""rend-fsck reads a store that rend left, as it should be, killed, or damaged."""
import glob
import os
import signal
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
    run = subprocess.run([TOOL, *args], capture_output=True, text=True, timeout=60)
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
    assert "objects   200\n" in out and "0 things are wrong\n" in out, out
    assert fsck("--quiet", path) == (0, "", "")
    # It has changed nothing, and rend starts on it.
    with Rend(conf(path)) as rend:
        assert rend.said("as they were left"), rend.tail()


def test_of_a_store_whose_rend_was_killed():
    path = folder()
    rend = Rend(conf(path))
    with rend:
        fill(rend, 200)
        rend.end(signal.SIGKILL)
        rend.child = None
        rend.end = lambda: 0
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


def test_of_what_is_no_store():
    path = folder()
    assert fsck(path)[0] == 65
    assert fsck()[0] == 64 and fsck("--what", path)[0] == 64
    status, out, err = fsck("--help")
    assert status == 0 and "rend-fsck" in out and err == ""


if __name__ == "__main__":
    harness.main()
