#!/usr/bin/python3
"""A mnemonic goes to the process that takes over: it is open in one of the two at a time, nothing of it is lost, and what was given up for nothing is opened
again."""
import os
import shutil
import threading

import harness
from harness import wait_for
from mnemonic_test import FOLDERS, KEYS, TIERS, conf, folder, found, put
from upgrade_stores_test import play_new
from upgrades import Letters, Upgraded, call, locked, refusals

TEMPFAIL = 75


def goes_on(path, **kw):
    with Upgraded(conf(path, **kw)) as rend, rend.client() as c:
        put(c, 1)
        for n in (2, 3):
            rend.upgrade()
            # Those of the first tier went with the process before: what is there is the disk's.
            assert found(c) == dict.fromkeys(range(KEYS), n - 1)
            put(c, n)
            assert locked(path, "LOCK") is None
        c.ask(b"delete key5\r\n", b"DELETED\r\n").ask(b"touch key6 1000\r\n", b"TOUCHED\r\n")
        rend.upgrade()
        assert found(c) == {key: None if key == 5 else 3 for key in range(KEYS)}
        c.say(b"mg key6 t\r\n")
        assert 900 < int(c.line()[len(b"HD t"):]) <= 1000
        c.ask(b"flush_all\r\n", b"OK\r\n")
        rend.upgrade()
        assert set(found(c).values()) == {None}


def test_what_it_has_goes_on():
    for wal in ("on", "off"):
        goes_on(folder(), more=f'wal = "{wal}";')


def test_behind_memory_it_goes_on():
    goes_on(folder(), **TIERS)


def test_nothing_is_lost_while_clients_write():
    path, stop, errors, asked = folder(), threading.Event(), [], [0] * 3

    def ask(rend, n):
        try:
            with rend.client() as c:
                i = 0
                while not stop.is_set():
                    i += 1
                    put(c, i, range(n * 10, n * 10 + 10))
                    assert set(found(c, range(n * 10, n * 10 + 10)).values()) == {i}, i
                    asked[n] = i
        except Exception as e:  # pylint: disable=broad-except
            errors.append(repr(e))

    with Upgraded(conf(path, **TIERS), more='reload_wait = "200ms"; handover_timeout = "20s";') as rend:
        threads = [threading.Thread(target=ask, args=(rend, n), daemon=True) for n in range(3)]
        for t in threads:
            t.start()
        for turn in range(3):
            before = list(asked)
            wait_for("all to be heard", lambda before=before: errors or all(a > b for a, b in zip(asked, before)))
            if turn < 2:
                rend.upgrade()
        stop.set()
        for t in threads:
            t.join(harness.PATIENCE)
        assert not errors, errors[:3]
        rend.upgrade()
        with rend.client() as c:
            assert found(c, range(30)) == {key: asked[key // 10] for key in range(30)}


def new_one_dies(rend, path, steps, keeps_lock=False):
    before = refusals(rend)
    letters = call(rend.control)
    assert isinstance(letters, Letters), letters
    play_new(letters, steps)
    # Who was told that what is exclusive may be opened can open it, and nobody else has it.
    fd = locked(path, "LOCK")
    assert (fd is not None) == (steps >= 2), steps
    if fd is not None and not keeps_lock:
        os.close(fd)
    letters.close()
    wait_for("the old process to serve on", lambda: refusals(rend) > before)
    return fd


def test_the_new_one_dies():
    """Before and after it was let go of; and nobody may tell it anything while it is away."""
    path = folder()
    with Upgraded(conf(path)) as rend, rend.client() as c:
        put(c, 1)
        for steps in (1, 2, 4):
            new_one_dies(rend, path, steps)
            assert found(c) == dict.fromkeys(range(KEYS), steps if steps < 4 else 3), steps
            put(c, {1: 2, 2: 3, 4: 4}[steps])
        fd = new_one_dies(rend, path, 2, keeps_lock=True)
        wait_for("the log", lambda: rend.said("disk: it is not asked, until it can be opened again"))
        assert c.say(b"get key1\r\n").line().startswith(b"SERVER_ERROR"), rend.tail()
        code, _, err = rend.ctl("node", "disk", "checkpoint", path + ".copy")
        assert code == TEMPFAIL and "it was to go to another process, and could not be opened again yet" in err, (code, err)
        os.close(fd)
        wait_for("the log", lambda: rend.said("disk: it is asked again"))
        assert found(c) == dict.fromkeys(range(KEYS), 4)
        assert rend.ctl("node", "disk", "checkpoint", path + ".copy")[0] == 0
        rend.upgrade()
        assert found(c) == dict.fromkeys(range(KEYS), 4)


def test_a_new_one_that_began_anew_and_died_leaves_nothing_behind():
    """keep = false: it forgets the folder before it removes the files, or has another seed; the old process begins empty then, and does not show what was left."""
    for label in (None, b"mnemonic 2\nbins 4\ncompaction fifo\nseed 0000000000000007\n"):
        path = folder()
        with Upgraded(conf(path, more="keep = false;")) as rend, rend.client() as c:
            put(c, 1)
            c.ask(b"flush_all\r\n", b"OK\r\n")
            put(c, 2, range(10))
            fd = new_one_dies(rend, path, 2, keeps_lock=True)
            os.unlink(os.path.join(path, "LABEL"))
            os.unlink(os.path.join(path, "STATE"))
            if label is not None:
                with open(os.path.join(path, "LABEL"), "wb") as f:
                    f.write(label)
            os.close(fd)
            wait_for("the log", lambda: rend.said("disk: it is asked again"))
            assert set(found(c).values()) == {None}
            put(c, 3)
            assert found(c) == dict.fromkeys(range(KEYS), 3)
            c.ask(b"flush_all\r\n", b"OK\r\n")
            assert set(found(c).values()) == {None}


if __name__ == "__main__":
    try:
        harness.main()
    finally:
        for at in FOLDERS:
            shutil.rmtree(at, ignore_errors=True)
