#!/usr/bin/python3
"""A store on a disk goes to the process that takes over: it is open in one of the two at a time, and what was given up for nothing is opened again."""
import os
import threading

import harness
from harness import wait_for
from ssd_test import conf, folder
from upgrade_stores_test import Items, play_new, value_of
from upgrades import Letters, Upgraded, call, locked, refusals

KEYS = 1000 if not harness.sanitized() else 300
TIERS = {"policy": 'main = { plugin = "l1l2"; l1 = "mem"; l2 = "disk"; };',
         "others": 'mem = { plugin = "inmem"; memory = "64MiB"; hand_over = true; };'}


def opens(pid, path):
    """How many files of the store that process has open."""
    count = 0
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += os.readlink(f"/proc/{pid}/fd/{fd}").startswith(path + "/")
        except OSError:
            pass
    return count


def all_there(client, keys=KEYS):
    for i in range(keys):
        v = value_of(i)
        client.ask(b"get k%d\r\n" % i, b"VALUE k%d %d %d\r\n%s\r\nEND\r\n" % (i, i, len(v), v))


def goes_on(rend, path):
    with rend.client() as c:
        Items(c, KEYS)
        for turn in range(3):
            rend.upgrade()
            all_there(c)
            c.ask(b"set k%d %d 0 %d\r\n%s\r\n" % (turn, turn, len(value_of(turn)), value_of(turn)), b"STORED\r\n")
            c.ask(b"set n%d 0 0 1\r\nv\r\n" % turn, b"STORED\r\n")
        assert opens(rend.pid, path) > 0 and locked(path, "super.a") is None
        c.ask(b"flush_all\r\n", b"OK\r\n")
        rend.upgrade()
        for i in range(KEYS):
            c.ask(b"mg k%d v\r\n" % i, b"EN\r\n")


def test_what_is_on_the_disk_goes_on():
    path = folder()
    with Upgraded(conf(path)) as rend:
        goes_on(rend, path)
        assert not rend.said("rebuil"), rend.tail()


def test_two_tiers_go_on():
    path = folder()
    with Upgraded(conf(path, **TIERS)) as rend:
        goes_on(rend, path)
        assert not rend.said("rebuil") and not rend.said("begins empty"), rend.tail()


def test_under_load():
    """Nobody hears of it but by the time that it takes."""
    path, stop, errors, asked = folder(), threading.Event(), [], [0] * 4

    def ask(rend, n):
        try:
            with rend.client() as c:
                i = 0
                while not stop.is_set():
                    i += 1
                    v = b"%d-%d" % (n, i)
                    c.ask(b"set own%d 0 0 %d\r\n%s\r\nget own%d\r\n" % (n, len(v), v, n), b"STORED\r\nVALUE own%d 0 %d\r\n%s\r\nEND\r\n" % (n, len(v), v))
                    w, k = value_of(i % 100), i % 100
                    c.ask(b"get k%d\r\n" % k, b"VALUE k%d %d %d\r\n%s\r\nEND\r\n" % (k, k, len(w), w))
                    asked[n] += 1
        except Exception as e:  # pylint: disable=broad-except
            errors.append(repr(e))

    with Upgraded(conf(path, **TIERS), more='reload_wait = "200ms"; handover_timeout = "20s";') as rend, rend.client() as c:
        Items(c, 100)
        threads = [threading.Thread(target=ask, args=(rend, n), daemon=True) for n in range(4)]
        for t in threads:
            t.start()
        for _ in range(3):
            before = list(asked)
            wait_for("all to be heard", lambda: errors or all(a > b for a, b in zip(asked, before)))
            rend.upgrade()
        before = list(asked)
        wait_for("all to be heard", lambda: errors or all(a > b for a, b in zip(asked, before)))
        stop.set()
        for t in threads:
            t.join(harness.PATIENCE)
        assert not errors, errors[:3]
        all_there(c, 100)


def new_one_dies(rend, path, c, steps, keeps_lock=False):
    before = refusals(rend)
    letters = call(rend.control)
    assert isinstance(letters, Letters), letters
    play_new(letters, steps)
    # Who was told that what is exclusive may be opened can open it, and nobody else has it.
    fd = locked(path, "super.a")
    assert (fd is not None) == (steps >= 2), steps
    assert (opens(rend.pid, path) == 0) == (steps >= 2), steps
    if fd is not None and not keeps_lock:
        os.close(fd)
    letters.close()
    wait_for("the old process to serve on", lambda: refusals(rend) > before)
    if not keeps_lock:
        all_there(c)
        assert locked(path, "super.a") is None and opens(rend.pid, path) > 0
    return fd


def dies_at_each_step(path, **kw):
    with Upgraded(conf(path, **kw)) as rend, rend.client() as c:
        Items(c, KEYS)
        for steps in range(5):
            new_one_dies(rend, path, c, steps)
            c.ask(b"set k%d %d 0 %d\r\n%s\r\n" % (steps, steps, len(value_of(steps)), value_of(steps)), b"STORED\r\n")
        assert int(c.stats()["cmd_set"]) == KEYS + 5
        rend.upgrade()
        all_there(c)
        assert not rend.said("rebuil"), rend.tail()


def test_the_new_one_dies_at_each_step():
    dies_at_each_step(folder())


def test_the_new_one_dies_at_each_step_over_two_tiers():
    dies_at_each_step(folder(), **TIERS)


def test_the_new_one_cannot_start():
    path = folder()
    with Upgraded(conf(path)) as rend, rend.client() as c:
        Items(c, KEYS)
        rend.write(conf(path).replace('size = "24MiB"', 'size = "32MiB"'))
        code, out, err = rend.tried("upgrade")
        assert code not in (0, 75), (code, out, err)
        all_there(c)
        rend.write(conf(path))
        rend.upgrade()
        all_there(c)


def test_who_cannot_be_opened_again_is_away_until_it_can():
    path = folder()
    with Upgraded(conf(path)) as rend, rend.client() as c:
        Items(c, KEYS)
        fd = new_one_dies(rend, path, c, 2, keeps_lock=True)
        wait_for("the log", lambda: rend.said("disk: it is not asked, until it can be opened again"))
        c.say(b"get k1\r\n")
        assert c.line().startswith(b"SERVER_ERROR"), rend.tail()
        c.say(b"set k1 0 0 1\r\nx\r\n")
        assert c.line().startswith(b"SERVER_ERROR"), rend.tail()
        os.close(fd)
        wait_for("the log", lambda: rend.said("disk: it is asked again"))
        all_there(c)
        rend.upgrade()
        all_there(c)


if __name__ == "__main__":
    harness.main()
