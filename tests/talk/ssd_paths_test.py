#!/usr/bin/python3
"""A store in two folders, as on two disks: after a restart it is there if both are, and as they were.

Two keys may look alike to the index, which is a miss: a few are no fault, and another value than the last always is.
"""
import os
import re
import shutil
import tempfile

import harness
from fsck_test import fsck
from harness import Rend
from ssd_hang_test import get, known, put
from ssd_test import written

KEYS = 900  # more than fits in a segment or two
MISSED = 10
SIZE = "48MiB"


def conf(paths, more="", others=""):
    listed = ", ".join(f'"{path}"' for path in paths)
    return f"""
drain_timeout = "5s";
handlers = {{ disk = {{ plugin = "ssd"; path = [ {listed} ]; size = "{SIZE}"; segment = "1MiB"; flush = "5ms"; timeout = "20s"; {more} }}; {others} }};
policies = {{ main = {{ plugin = "l1only"; l1 = "disk"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""


def folders(count=2):
    top = tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
    return [os.path.join(top, chr(ord("a") + i)) for i in range(count)]


def fill(rend, n, keys=range(KEYS)):
    with rend.client() as c:
        for key in keys:
            assert put(c, key, n) == b"STORED", key


def right(rend, n, keys=range(KEYS), missed=MISSED):
    with rend.client() as c:
        got = [known(c, key, n) for key in keys]
    assert got.count(None) <= missed, got.count(None)


def stored(paths, n=1, more=""):
    with Rend(conf(paths, more)) as rend:
        fill(rend, n)


def refused(paths, *words, text=None):
    rend = Rend(text or conf(paths))
    rend.start()
    assert rend.child.wait(harness.PATIENCE) != 0
    rend.reader.join(harness.PATIENCE)
    for word in words:
        assert rend.said(word), (word, rend.tail())
    rend.remove()


def begins_anew(paths):
    with Rend(conf(paths, 'mismatch = "empty";')) as rend:
        with rend.client() as c:
            assert all(get(c, key) is None for key in range(KEYS))
        fill(rend, 5)
    with Rend(conf(paths)) as rend:
        assert rend.said("as they were left"), rend.tail()
        right(rend, 5)


def test_both_are_used_and_everything_is_there_after_an_end():
    paths = folders()
    stored(paths)
    for path in paths:
        assert {"super.a", "super.b"} <= set(os.listdir(path)), path
        held = [name for name in os.listdir(path) if name.startswith("data.")]
        assert len(held) == 1 and os.stat(os.path.join(path, held[0])).st_size == 24 << 20, os.listdir(path)
    assert os.path.exists(os.path.join(paths[0], "index.snap")) and not os.path.exists(os.path.join(paths[1], "index.snap"))
    with Rend(conf(paths)) as rend:
        assert rend.said("as they were left"), rend.tail()
        right(rend, 1)
        fill(rend, 2)
        written(rend)
        rend.kill()
    for engine in ("auto", "threads"):
        with Rend(conf(paths, f'engine = "{engine}";')) as rend:
            assert rend.said("rebuilt"), rend.tail()
            right(rend, 2)
            stats = rend.stats("node disk")
            assert int(stats["disk.limit_maxbytes"]) == 48 << 20 and stats["disk.disk_down"] == stats["disk.disk_out"] == "0", stats
            rend.kill()


def test_one_path_is_as_ever():
    """Alone in a list, or without one, it is the same store."""
    path = folders()[0]
    stored([path])
    with Rend(conf([path]).replace(f'[ "{path}" ]', f'"{path}"')) as rend:
        assert rend.said("as they were left"), rend.tail()
        right(rend, 1)


def test_many_paths():
    paths = folders(5)
    global SIZE
    before, SIZE = SIZE, "90MiB"
    try:
        stored(paths)
        with Rend(conf(paths)) as rend:
            assert rend.said("as they were left"), rend.tail()
            right(rend, 1)
        assert fsck("-q", *paths) == (0, "", "")
    finally:
        SIZE = before
    refused(folders(17), "17 folders")
    refused(folders(8), "too few")


def test_folders_that_are_not_those_it_was_left_in_are_refused():
    for killed in (False, True):
        # In another order.
        paths = folders()
        stored(paths)
        if killed:
            with Rend(conf(paths)) as rend:
                fill(rend, 1)
                rend.kill()
        refused(paths[::-1], "in the order")
        # One is missing, each of them; and there is nothing in its place afterwards that would count.
        for path in paths:
            os.rename(path, path + ".away")
            refused(paths, f"{path} is empty")
            refused(paths, f"{path} is empty")
            shutil.rmtree(path)
            os.rename(path + ".away", path)
        refused(paths[:1], "a store of 2 paths")
        refused(paths[1:], "a store of 2 paths")
        refused(paths + folders(1), "is empty, and others")
        # As it was.
        with Rend(conf(paths)) as rend:
            right(rend, 1)
        # Of another store.
        others = folders()
        stored(others)
        refused([paths[0], others[1]], "two stores")
        begins_anew([paths[0], others[1]])
        refused(paths, "two stores")
        refused(others, "two stores")


def test_an_older_copy_of_one_is_refused():
    for which in range(2):
        paths = folders()
        stored(paths)
        shutil.copytree(paths[which], paths[which] + ".old")
        stored(paths, 2)
        shutil.rmtree(paths[which])
        os.rename(paths[which] + ".old", paths[which])
        refused(paths, f"what is in {paths[which]} is older")
        status, out, err = fsck(*paths)
        assert status == 1 and f"{paths[which]} is older" in out, (status, out, err)
        begins_anew(paths)


def test_no_folder_is_used_twice():
    paths = folders()
    refused(None, "twice", text=conf([paths[0], paths[0]]))
    both = conf(paths, others=f'more = {{ plugin = "ssd"; path = [ "{paths[0]}x", "{paths[1]}" ]; size = "{SIZE}"; segment = "1MiB"; }};')
    refused(None, "two stores cannot share it", text=both)
    # Under another name, and in another process.
    os.mkdir(paths[1])
    os.symlink(paths[1], paths[1] + ".link")
    refused(None, "another process has it", text=conf([paths[1], paths[1] + ".link"]))
    shutil.rmtree(paths[1])
    with Rend(conf(paths)):
        refused([paths[0] + "y", paths[1]], "another process has it")


def test_each_folder_has_to_be_its_own():
    for which in range(2):
        paths = folders()
        os.mkdir(paths[which])
        os.chmod(paths[which], 0o777)
        refused(paths, "others may change what is in the folder " + paths[which])
    paths = folders()
    stored(paths)
    name = os.path.join(paths[1], "data.001")
    os.rename(name, paths[1] + ".data")
    os.symlink(paths[1] + ".data", name)
    refused(paths, "data.001 in " + paths[1])


def test_fsck_looks_at_all_folders():
    paths, others = folders(), folders(1)
    stored(paths)
    stored(others)
    for given in (paths, paths[::-1]):
        status, out, err = fsck(*given)
        assert status == 0 and err == "" and "paths     2\n" in out and "0 things are wrong" in out, (status, out, err)
        objects = int(re.search(r"^  objects +(\d+)$", out, re.M).group(1))
        assert KEYS - MISSED <= objects <= KEYS, out
    assert fsck("-q", paths[0], others[0], paths[1]) == (0, "", "")
    for path, number in zip(paths, (2, 1)):
        status, out, err = fsck(path)
        assert status == 65 and f"path {number} of it is not among" in out and "not all folders" in err, (status, out, err)
        assert fsck(path, others[0])[0] == 65
    with Rend(conf(paths)) as rend:
        assert fsck(*paths)[0] == 75 and fsck(paths[1])[0] == 75
        fill(rend, 2)
        rend.kill()
    status, out, err = fsck(*paths)
    assert status == 0 and "the next start rebuilds its index" in out, (status, out, err)
    # In the second one.
    with open(os.path.join(paths[1], "data.001"), "r+b") as f:
        data = f.read()
        f.seek(data.find(b"v" * 3000) + 100)
        f.write(b"y")
    status, out, err = fsck(*paths)
    assert status == 1 and "wrong: data.001, " in out, (status, out, err)
    shutil.copytree(paths[0], paths[0] + ".copy")
    status, out, err = fsck(paths[0], paths[0] + ".copy")
    assert status == 65 and "one is a copy" in out, (status, out, err)


if __name__ == "__main__":
    harness.main()
