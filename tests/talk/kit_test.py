#!/usr/bin/python3
"""The handler kit over a handler whose values are in a real memcached, in another rend, or in a backend of ours."""
import os
import re
import subprocess

import harness
from harness import Memcached, Rend
from scripted_backend import ScriptedBackend

TOOL = os.path.join(os.path.dirname(harness.REND), "rend-plugin-test")

# What is left out: what a store has that keeps things itself (one about claims, four about memory, two about draining); of memcached 1.6.18,
# what it cannot say, and two of the guard, which a value in another process cannot honour; of another rend those two, and connections told
# apart, which it has no need of.
BEYOND_MEMCACHED = 7 + 5
BEYOND_REND = 7 + 3


def run(server, beyond, least, *args):
    # Thousands of ops at once may take their time.
    done = subprocess.run([TOOL, "--seconds", "300", "-o", "servers=" + server, "-o", "request_timeout=20s", *args, os.path.join(harness.PLUGINS, "memcached.so")],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1500)
    said = done.stdout + done.stderr
    last = said.strip().splitlines()[-1]
    found = re.match(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", last)
    assert found, said[-2000:]
    passed, failed, skipped = (int(n or 0) for n in found.groups())
    assert failed == 0 and done.returncode == 0, said
    assert skipped <= beyond, said
    assert passed >= least, said


def test_every_behaviour_over_memcached():
    with Memcached("-m", "256", "-I", "8m") as memcached:
        run(memcached.server, BEYOND_MEMCACHED, 77)


def test_every_behaviour_over_memcached_answered_later():
    with Memcached("-m", "256", "-I", "8m") as memcached:
        run(memcached.server, BEYOND_MEMCACHED, 77, "--later")


def test_every_behaviour_over_another_rend():
    with Rend(fields='item_size_max = "8MiB";') as rend:
        run("127.0.0.1:%d" % rend.port, BEYOND_REND, 79)


def test_leases_over_a_backend_that_gives_our_versions_and_one_that_does_not():
    for sets_cas in (True, False):
        with ScriptedBackend(sets_cas=sets_cas) as b:
            run(b.server, int(sets_cas), 7 - sets_cas, "--only", "lease")


def test_nothing_tried_is_no_success():
    inmem = os.path.join(harness.PLUGINS, "inmem.so")
    for options, why in ((("--only", "frobnicate"), "nothing has frobnicate in its name"), (("--seconds", "5x"), "--seconds is a number"),
                         (("--seconds", "0"), "--seconds is a number"), (("--seconds", ""), "--seconds is a number")):
        done = subprocess.run([TOOL, *options, inmem], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        assert done.returncode == 64 and why in done.stderr, (options, done)


if __name__ == "__main__":
    harness.main(limit=3600)
