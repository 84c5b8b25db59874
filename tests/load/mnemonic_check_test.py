#!/usr/bin/python3
"""rend-load check over a cache in memory before RocksDB: no read is stale, while files are dropped, or merged, and in none of the lives between which rend
is killed.

With REND_TEST_LONG=1 each set-up is asked two million times.
"""
import contextlib
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from check_test import LOCKED, amount, both, sound  # noqa: E402
from loading import Load, harness, load, wait_for  # noqa: E402
from ssd_check_test import EVICTING, live_again_and_again  # noqa: E402


@contextlib.contextmanager
def folder():
    """In memory, where there is such a file system: RocksDB syncs a lot when it is opened."""
    path = tempfile.mkdtemp(prefix="rend-mnemonic.", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else os.environ.get("TMPDIR"))
    try:
        yield os.path.join(path, "disk")
    finally:
        shutil.rmtree(path, ignore_errors=True)


def tiers(path, size="8MiB", more="", online="online", bulk="bulk", wrap=""):
    return f"""
handlers = {{
    hot = {{ plugin = "inmem"; memory = "1MiB"; }};
    all = {{ plugin = "mnemonic"; path = "{path}"; size = "{size}"; bins = 2; write_buffer = "512KiB"; readers = 2; jobs = 2; timeout = "20s"; {more} }};
}};
policies = {{
    online = {{ plugin = "l1l2"; l1 = "hot"; l2 = "all"; }};
    bulk = {{ plugin = "l1l2batch"; l1 = "hot"; l2 = "all"; }};
    {wrap}
}};
listeners = ( {{ port = 0; policy = "{online}"; }}, {{ port = 0; policy = "{bulk}"; }} );
"""


def test_few_keys():
    for protocol in ("text", "binary", "meta"):
        with folder() as path, harness.Rend(tiers(path)) as rend:
            sound("l1l2 and l1l2batch over RocksDB, " + protocol, load("check", rend, *both(rend), "--protocol", protocol, "-n", amount(10000),
                  "--may-fail"), 1000)


def test_files_that_go():
    """Dropped, the oldest first; or merged, where twice as much has room."""
    for compaction, size in (("fifo", "8MiB"), ("level", "64MiB"), ("universal", "64MiB")):
        with folder() as path, harness.Rend(tiers(path, size, f'compaction = "{compaction}";')) as rend:
            with Load("check", rend, *both(rend), "--seconds", 600, "--may-fail", *EVICTING) as run:
                def enough():
                    node = rend.stats("node all")
                    # Several times what there is room for.
                    return run.child.poll() is not None or (int(node.get("all.get.OK", 0)) > 300 and int(node.get("all.set.OK", 0)) > 4000)

                wait_for("files to go", enough, 5 * harness.PATIENCE)
                run.child.terminate()
                assert run.wait() == 143, run.err
                sound(f"l1l2 and l1l2batch over RocksDB, {compaction}", run, 300)
            node = rend.stats("node all")
            assert int(node["all.check_errors"]) == int(node["all.bins_failed"]) == 0, node


def test_under_locks():
    with folder() as path, harness.Rend(tiers(path, **LOCKED)) as rend:
        sound("locked over l1l2 and l1l2batch over RocksDB", load("check", rend, *both(rend), "-n", amount(10000), "--may-fail"), 1000)


def test_life_after_life():
    with folder() as path:
        live_again_and_again(tiers(path), 3000)


if __name__ == "__main__":
    harness.main(3600 if harness.LONG else 1200)
