#!/usr/bin/python3
"""rend-load check over a cache in memory before a disk: no read is stale, while segments are freed and values moved, by io_uring and by threads; and in
none of the lives between which rend is killed.  What is true from life to life kill_test.py looks at: what a crash takes back is old to `check`.

With REND_TEST_LONG=1 each set-up is asked two million times.
"""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from check_test import LOCKED, SLOW_REND, amount, both, sound  # noqa: E402
from loading import Load, harness, load, wait_for  # noqa: E402

# Most of it is in no memory, and much is freed.
EVICTING = ("--keys", 2000, "--size", "2KiB-8KiB", "--dist", "zipf:0.5", "--mix",
            "get:20,gets:4,gat:2,set:10,add:4,cas:2,delete:2,touch:2")


def folder():
    return os.path.join(tempfile.mkdtemp(dir=os.environ.get("TMPDIR")), "disk")


def tiers(path, more="", online="online", bulk="bulk", wrap=""):
    return f"""
handlers = {{
    hot = {{ plugin = "inmem"; memory = "1MiB"; }};
    all = {{ plugin = "ssd"; path = "{path}"; size = "12MiB"; segment = "512KiB"; flush = "5ms"; timeout = "20s"; objects = 20000; {more} }};
}};
policies = {{
    online = {{ plugin = "l1l2"; l1 = "hot"; l2 = "all"; }};
    bulk = {{ plugin = "l1l2batch"; l1 = "hot"; l2 = "all"; }};
    {wrap}
}};
listeners = ( {{ port = 0; policy = "{online}"; }}, {{ port = 0; policy = "{bulk}"; }} );
"""


def test_few_keys():
    with harness.Rend(tiers(folder())) as rend:
        for protocol in ("text", "binary", "meta"):
            sound("l1l2 and l1l2batch over a disk, " + protocol, load("check", rend, *both(rend), "--protocol", protocol, "-n", amount(20000),
                  "--may-fail"), 2000)


def test_a_disk_that_is_too_small():
    for engine in ("auto", "threads"):
        with harness.Rend(tiers(folder(), f'engine = "{engine}";')) as rend:
            with Load("check", rend, *both(rend), "--seconds", 600, "--may-fail", *EVICTING) as run:
                def enough():
                    node = rend.stats("node all")
                    return run.child.poll() is not None or (int(node.get("all.get.OK", 0)) > 500 and int(node["all.freed_segments"]) > 2)

                wait_for("segments to be freed", enough, 5 * harness.PATIENCE)
                run.child.terminate()
                assert run.wait() == 143, run.err
                sound(f"l1l2 and l1l2batch over a small disk, {engine}", run, 500)
            node = rend.stats("node all")
            assert int(node["all.check_errors"]) == int(node["all.read_errors"]) == 0, node


def test_under_locks():
    with harness.Rend(tiers(folder(), **LOCKED)) as rend:
        sound("locked over l1l2 and l1l2batch over a disk", load("check", rend, *both(rend), "-n", amount(10000), "--may-fail"), 1000)


def test_times_to_live():
    with harness.Rend(tiers(folder())) as rend:
        run = load("check", rend, *both(rend), "--rate", 3000, "--seconds", 6, "--keys", 200, "--ttl", "0:1,1-2:1", "--mix",
                   "get:20,gat:1,touch:2,set:2,delete:0.1", "--may-fail")
        sound("TTLs over a disk", run, 2000)


def sockets_of(pid):
    """None, too, of one that has ended."""
    found = []
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
            except FileNotFoundError:
                continue
    except FileNotFoundError:
        pass
    return [name for name in found if name.startswith("socket:")]


def live_again_and_again(conf, rate):
    """Each life is judged by itself: what an earlier run left is taken for what was there at first."""
    for life in range(20 if harness.LONG else 3):
        with harness.Rend(conf) as rend:
            with Load("check", rend, *both(rend), "--rate", 1000 if SLOW_REND else rate, "--seconds", 600, "--keys", 300, "--may-lose", "--may-fail") as run:
                goal = 500 if SLOW_REND else 3000
                wait_for("load", lambda: run.child.poll() is not None or int(rend.stats()["cmd_get"]) > goal)
                rend.kill()
                wait_for("the load to see it", lambda: not sockets_of(run.child.pid))
                run.child.terminate()
                run.wait()
                assert run.json["connections"]["closed"] > 0, run.err
                sound(f"a life that is ended, {life + 1}", run, 200)


def test_life_after_life():
    live_again_and_again(tiers(folder()), 4000)


if __name__ == "__main__":
    harness.main(3600 if harness.LONG else 1200)
