#!/usr/bin/python3
"""The handler kit over a handler whose values are in a real memcached."""
import os
import re
import subprocess

import harness
from harness import Memcached

TOOL = os.path.join(os.path.dirname(harness.REND), "rend-plugin-test")

# What memcached 1.6.18 cannot say, and what belongs to a guard, which a value in another process cannot honour.
BEYOND = 5


def run(*args):
    with Memcached("-m", "256", "-I", "8m") as memcached:
        done = subprocess.run([TOOL, "-o", "servers=" + memcached.server, *args, os.path.join(harness.PLUGINS, "memcached.so")],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=400)
    said = done.stdout + done.stderr
    last = said.strip().splitlines()[-1]
    found = re.match(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", last)
    assert found, said[-2000:]
    passed, failed, skipped = (int(n or 0) for n in found.groups())
    assert failed == 0 and done.returncode == 0, said
    assert skipped <= BEYOND, said
    assert passed >= 70, said


def test_every_behaviour_over_memcached():
    run()


def test_every_behaviour_over_memcached_answered_later():
    run("--later")


if __name__ == "__main__":
    harness.main(limit=500)
