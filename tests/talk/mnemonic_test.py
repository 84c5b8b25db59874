#!/usr/bin/python3
"""Values in RocksDB: clients see a memcached; what was answered is there again after an end of whatever kind; what goes wrong is said."""
import fcntl
import glob
import os
import re
import resource
import shutil
import signal
import tempfile
import threading

import harness
from harness import Rend, wait_for
from reloads import Reloaded

KEYS = 60
ROUNDS = 200 if os.environ.get("REND_TEST_LONG") else 3


def conf(path, more="", policy='main = { plugin = "l1only"; l1 = "disk"; };', others="", size="16MiB", bins="bins = 2;"):
    return f"""
item_size_max = "8MiB";
handlers = {{ disk = {{ plugin = "mnemonic"; path = "{path}"; size = "{size}"; {bins} readers = 2; jobs = 2; timeout = "20s"; {more} }}; {others} }};
policies = {{ {policy} }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""


TIERS = {"policy": 'main = { plugin = "l1l2"; l1 = "mem"; l2 = "disk"; };', "others": 'mem = { plugin = "inmem"; memory = "4MiB"; };'}


def folder():
    """In memory, where there is such a file system: RocksDB syncs a lot when it is opened.  harness.main() has no use for it afterwards."""
    at = "/dev/shm" if os.access("/dev/shm", os.W_OK) else os.environ.get("TMPDIR")
    path = tempfile.mkdtemp(prefix="rend-mnemonic.", dir=at)
    FOLDERS.append(path)
    return os.path.join(path, "disk")


FOLDERS = []


def value(key, n):
    """Says whose it is, and which write."""
    return b"%d.%d." % (key, n) + bytes(65 + (key + n + i) % 26 for i in range(key * 37 % 3000))


def put(c, n, keys=range(KEYS)):
    for key in keys:
        v = value(key, n)
        c.ask(b"set key%d %d 0 %d\r\n" % (key, n, len(v)) + v + b"\r\n", b"STORED\r\n")


def found(c, keys=range(KEYS)):
    """For each key the write that is there, or None; its bytes are that write's."""
    got = {}
    for key in keys:
        c.say(b"get key%d\r\n" % key)
        line = c.line()
        if line == b"END":
            got[key] = None
            continue
        n = int(line.split()[2])
        v = value(key, n)
        assert line == b"VALUE key%d %d %d" % (key, n, len(v)), line
        c.hear(v + b"\r\nEND\r\n")
        got[key] = n
    return got


def refused(text):
    """It does not come up: what it says."""
    rend = Rend(text)
    rend.start()
    status = rend.child.wait(harness.PATIENCE)
    rend.reader.join(harness.PATIENCE)
    said = rend.tail()
    rend.remove()
    assert status != 0, said
    return said


def test_every_verb():
    for tiers in ({}, TIERS):
        with Rend(conf(folder(), **tiers)) as rend, rend.client() as c:
            c.ask(b"get k\r\n", b"END\r\n").ask(b"set k 7 0 1\r\n1\r\n", b"STORED\r\n").ask(b"get k\r\n", b"VALUE k 7 1\r\n1\r\nEND\r\n")
            c.ask(b"add k 0 0 1\r\n2\r\n", b"NOT_STORED\r\n").ask(b"add l 0 0 1\r\n2\r\n", b"STORED\r\n")
            c.ask(b"replace k 8 0 2\r\n10\r\n", b"STORED\r\n").ask(b"replace x 0 0 1\r\n2\r\n", b"NOT_STORED\r\n")
            c.ask(b"incr k 5\r\n", b"15\r\n").ask(b"decr k 14\r\n", b"1\r\n").ask(b"incr x 1\r\n", b"NOT_FOUND\r\n")
            c.ask(b"append l 0 0 2\r\nbc\r\n", b"STORED\r\n").ask(b"prepend l 0 0 1\r\na\r\n", b"STORED\r\n")
            c.ask(b"get k l x\r\n", b"VALUE k 8 2\r\n1 \r\nVALUE l 0 4\r\na2bc\r\nEND\r\n")
            c.ask(b"gat 0 l\r\n", b"VALUE l 0 4\r\na2bc\r\nEND\r\n").ask(b"touch k 100\r\n", b"TOUCHED\r\n").ask(b"touch x 1\r\n", b"NOT_FOUND\r\n")
            c.ask(b"mg k t v\r\n", b"VA 2 t100\r\n1 \r\n")
            c.say(b"gets k\r\n")
            cas = int(c.line().split()[4])
            c.until(b"END\r\n")
            c.ask(b"cas k 1 0 1 %d\r\nx\r\n" % cas, b"STORED\r\n").ask(b"cas k 1 0 1 %d\r\ny\r\n" % cas, b"EXISTS\r\n")
            c.ask(b"cas x 1 0 1 1\r\ny\r\n", b"NOT_FOUND\r\n")
            c.ask(b"delete k\r\n", b"DELETED\r\n").ask(b"delete k\r\n", b"NOT_FOUND\r\n").ask(b"get k\r\n", b"END\r\n")
            c.ask(b"set k 0 -1 1\r\nx\r\n", b"STORED\r\n").ask(b"get k\r\n", b"END\r\n")
            c.ask(b"flush_all\r\n", b"OK\r\n").ask(b"get l\r\n", b"END\r\n").ask(b"set l 0 0 1\r\nz\r\n", b"STORED\r\n")
            c.ask(b"get l\r\n", b"VALUE l 0 1\r\nz\r\nEND\r\n")


def test_large_values():
    """In pieces: all of it, or nothing, and gone when it is overwritten."""
    for more in ("", 'compaction = "level";'):
        path = folder()
        large = bytes(i * 7 % 251 for i in range(2500000)).replace(b"\r", b"x")
        with Rend(conf(path, more, size="32MiB")) as rend, rend.client() as c:
            c.ask(b"set k 5 0 %d\r\n" % len(large) + large + b"\r\n", b"STORED\r\n")
            c.ask(b"append k 0 0 3\r\nend\r\n", b"STORED\r\n").ask(b"touch k 1000\r\n", b"TOUCHED\r\n")
        with Rend(conf(path, more, size="32MiB")) as rend, rend.client() as c:
            c.ask(b"get k\r\n", b"VALUE k 5 %d\r\n" % (len(large) + 3) + large + b"end\r\nEND\r\n")
            c.ask(b"mg k s t\r\n", b"HD s%d t" % (len(large) + 3)).line()
            # Among small ones, which are read with it.
            c.ask(b"".join(b"set small%d 0 0 1\r\n%d\r\n" % (n, n) for n in range(9)), b"STORED\r\n" * 9)
            small = [b"VALUE small%d 0 1\r\n%d\r\n" % (n, n) for n in range(9)]
            c.ask(b"get small0 small1 small2 small3 k small4 small5 small6 k small7 none small8\r\n",
                  b"".join(small[:4] + [b"VALUE k 5 %d\r\n" % (len(large) + 3) + large + b"end\r\n"] + small[4:7] +
                           [b"VALUE k 5 %d\r\n" % (len(large) + 3) + large + b"end\r\n"] + small[7:]) + b"END\r\n")
            c.ask(b"set k 0 0 1\r\nx\r\n", b"STORED\r\n").ask(b"get k\r\n", b"VALUE k 0 1\r\nx\r\nEND\r\n")


def test_a_large_value_leaves_the_cache_alone():
    """Its pieces would take the place of many small values."""
    path, large = folder(), b"l" * 3000000
    more = 'cache = "8MiB"; compression = "none"; write_buffer = "4MiB";'
    with Rend(conf(path, more, size="64MiB")) as rend, rend.client() as c:
        for key in range(1000):
            c.ask(b"set k%d 0 0 3000\r\n%s\r\n" % (key, b"s" * 3000), b"STORED\r\n")
        c.ask(b"set large 0 0 %d\r\n%s\r\n" % (len(large), large), b"STORED\r\n")
    with Rend(conf(path, more, size="64MiB")) as rend, rend.client() as c:
        right = b"VALUE large 0 %d\r\n%s\r\nEND\r\n" % (len(large), large)
        c.ask(b"mg large s\r\n", b"HD s%d\r\n" % len(large))
        for key in range(1000):
            c.ask(b"get k%d\r\n" % key, b"VALUE k%d 0 3000\r\n%s\r\nEND\r\n" % (key, b"s" * 3000))
        before = int(rend.stats("node disk")["disk.cache_bytes"])
        assert before > 2000000, before
        for _ in range(3):
            c.ask(b"get large\r\n", right)
        assert int(rend.stats("node disk")["disk.cache_bytes"]) == before


def test_after_a_proper_end_everything_is_there():
    for wal in ("on", "sync", "off"):
        path = folder()
        with Rend(conf(path, f'wal = "{wal}";')) as rend, rend.client() as c:
            put(c, 1)
            c.ask(b"delete key7\r\n", b"DELETED\r\n").ask(b"touch key8 -1\r\n", b"TOUCHED\r\n").say(b"gets key9\r\n")
            cas = int(c.line().split()[4])
        with Rend(conf(path, f'wal = "{wal}";', bins="")) as rend, rend.client() as c:
            assert found(c) == {key: None if key in (7, 8) else 1 for key in range(KEYS)}
            c.say(b"gets key9\r\n")
            assert int(c.line().split()[4]) == cas
            c.until(b"END\r\n")
            c.ask(b"set key9 0 0 1\r\nx\r\n", b"STORED\r\n").say(b"gets key9\r\n")
            assert int(c.line().split()[4]) > cas


def test_kill_9_again_and_again():
    """What was answered is there, each time; what was being written is there or not, and nothing else is."""
    path, n = folder(), 0
    acked = dict.fromkeys(range(KEYS))
    for turn in range(ROUNDS):
        with Rend(conf(path, 'write_buffer = "64KiB";')) as rend, rend.client() as c:
            got = found(c)
            for key in range(KEYS):
                assert got[key] in (acked[key], *pending(turn, n, key)), (turn, key, got[key], acked[key], n)
            acked = got
            n += 1
            put(c, n)
            acked = dict.fromkeys(range(KEYS), n)
            c.ask(b"delete key0\r\n", b"DELETED\r\n")
            acked[0] = None
            if turn % 2:
                c.ask(b"flush_all\r\n", b"OK\r\n")
                acked = dict.fromkeys(range(KEYS))
            # Not waited for: killed while it writes.
            n += 1
            c.say(b"".join(b"set key%d %d 0 %d\r\n" % (key, n, len(value(key, n))) + value(key, n) + b"\r\n" for key in range(KEYS)))
            c.hear(b"STORED\r\n" * (KEYS // 3))
            acked.update(dict.fromkeys(range(KEYS // 3), n))
            rend.kill()


def pending(turn, n, key):
    return (n,) if turn else ()


def test_beside_flush_all():
    """Several clients at once, each with many requests under way, beside one that takes everything away: what is seen is whole, and some is."""
    v = b"0123456789" * 20
    said = b"".join(b"add k%d 5 0 200\r\n%s\r\nappend k%d 0 0 1\r\nx\r\nget k%d\r\nincr n 1\r\ndelete k%d\r\n" % (k, v, k, k, k) for k in range(8))
    alone = b"".join(b"STORED\r\nSTORED\r\nVALUE k%d 5 201\r\n%sx\r\nEND\r\n%%d\r\nDELETED\r\n" % (k, v) for k in range(8))
    hits = misses = turn = 0
    with Rend(conf(folder(), 'wal = "sync";')) as rend:
        clients, flusher = [rend.client() for _ in range(3)], rend.client()
        while turn < 20 or not (hits and misses):
            assert turn < 500, (hits, misses)
            turn += 1
            for c in clients:
                c.say(said)
            flusher.ask(b"flush_all\r\n" * 3 + b"add n 0 0 1\r\n1\r\n", b"OK\r\n" * 3).line()
            for c in clients:
                for k in range(8):
                    assert c.line() in (b"STORED", b"NOT_STORED") and c.line() in (b"STORED", b"NOT_STORED")
                    line = c.line()
                    misses += line == b"END"
                    if line != b"END":
                        hits += 1
                        assert line.startswith(b"VALUE k%d 5 " % k), line
                        got = c.line()
                        # Several clients append to one.
                        assert len(got) == int(line.split()[3]) and got.startswith(v) and got.strip(b"x") == v, got
                        c.hear(b"END\r\n")
                    line = c.line()
                    assert line == b"NOT_FOUND" or line.isdigit(), line
                    assert c.line() in (b"DELETED", b"NOT_FOUND")
            # And when all is quiet it is as anywhere.
            flusher.ask(b"set n 0 0 1\r\n0\r\n" + said, b"STORED\r\n" + alone % tuple(range(1, 9)))
        for c in clients + [flusher]:
            c.close()


def test_a_copy_is_made_while_clients_write():
    """rendctl asks for it: what had been answered before is in it, or what was written later; and the store goes on."""
    path = folder()
    copy, acked, errors, stop = path + ".copy", {}, [], threading.Event()

    def write(rend, keys):
        try:
            n = 1
            with rend.client() as c:
                while not stop.is_set():
                    n += 1
                    for key in keys:
                        put(c, n, [key])
                        acked[key] = n
        except Exception as e:  # pylint: disable=broad-except
            errors.append(repr(e))

    with Reloaded(conf(path, 'write_buffer = "64KiB";', size="64MiB")) as rend, rend.client() as c:
        put(c, 1, range(KEYS + 10))
        threads = [threading.Thread(target=write, args=(rend, range(i, KEYS, 2)), daemon=True) for i in range(2)]
        for t in threads:
            t.start()
        wait_for("all to be written", lambda: errors or len(acked) == KEYS)
        before = dict(acked)
        code, out, err = rend.ctl("node", "disk", "checkpoint", copy)
        after = dict(acked)
        assert (code, out, err) == (0, f"{copy} has 2 bins, each as it was at a moment of its own\n", "")
        # The copy is no part of it: what comes later is not in it.
        wait_for("all to be written again", lambda: errors or all(acked[key] > after[key] + 1 for key in range(KEYS)))
        stop.set()
        for t in threads:
            t.join(harness.PATIENCE)
        assert not errors, errors
        c.ask(b"delete key%d\r\n" % KEYS, b"DELETED\r\n")
        for words, says in (((copy,), f"{copy} cannot be made: File exists"), (("here",), "checkpoint wants a folder, beginning with /"),
                            ((), "checkpoint wants a folder"), ((copy, "twice"), "checkpoint wants a folder"),
                            ((copy + "/a/b",), f"{copy}/a/b cannot be made: No such file or directory")):
            code, _, err = rend.ctl("node", "disk", "checkpoint", *words)
            assert code == 1 and err.startswith(f"disk: checkpoint: {says}"), err
        assert found(c) == acked
    with Rend(conf(copy, 'write_buffer = "64KiB";', size="64MiB", bins="")) as rend, rend.client() as c:
        got = found(c, range(KEYS + 10))
        for key in range(KEYS):
            assert got[key] is not None and before[key] <= got[key] <= after[key] + 1, (key, before[key], got[key], after[key])
        assert all(got[key] == 1 for key in range(KEYS, KEYS + 10)), got
        put(c, 9999)
        assert found(c) == dict.fromkeys(range(KEYS), 9999)


def test_a_state_that_is_gone():
    path = folder()
    with Rend(conf(path)) as rend, rend.client() as c:
        put(c, 1)
        c.ask(b"flush_all\r\n", b"OK\r\n")
    os.rename(path + "/STATE", path + "/kept")
    said = refused(conf(path))
    assert f"{path}/STATE cannot be read" in said and "empty the folder, and it begins anew" in said, said
    with open(path + "/kept", "rb") as f:
        state = f.read()
    # The floor of the first bin: it shows nothing of what it had; the others do.
    with open(path + "/STATE", "wb") as f:
        f.write(state[:32] + b"\0" + state[33:])
    with Rend(conf(path)) as rend, rend.client() as c:
        assert rend.said("STATE is damaged: 1 of 2 bins show nothing of what they had"), rend.tail()
        assert set(found(c).values()) == {None}
        put(c, 2)
        assert found(c) == dict.fromkeys(range(KEYS), 2)


def test_one_folder_is_for_one_process():
    path = folder()
    with Rend(conf(path)) as rend, rend.client() as c:
        c.ask(b"set k 0 0 1\r\nv\r\n", b"STORED\r\n")
        said = refused(conf(path))
        assert f"{path} is in use by another process, process {rend.child.pid}: each store needs a folder of its own" in said, said
        c.ask(b"get k\r\n", b"VALUE k 0 1\r\nv\r\nEND\r\n")


def test_what_it_was_made_with():
    path = folder()
    with Rend(conf(path)) as rend, rend.client() as c:
        c.ask(b"set k 0 0 1\r\nv\r\n", b"STORED\r\n")
    said = refused(conf(path, bins="bins = 3;"))
    assert f"{path} was made with 2 bins, and bins is 3" in said and "Say bins = 2, or nothing" in said, said
    said = refused(conf(path, 'compaction = "level";'))
    assert f'{path} was made with compaction = "fifo", and now it is "level"' in said, said
    said = refused(conf(path, size="1MiB", bins="bins = 2; write_buffer = \"1MiB\";"))
    assert "less than twice the write_buffer" in said, said
    # It begins anew in an empty one, and only there.
    with Rend(conf(path, bins="")) as rend, rend.client() as c:
        c.ask(b"get k\r\n", b"VALUE k 0 1\r\nv\r\nEND\r\n")
    with open(os.path.join(path, "LABEL"), "w") as f:
        f.write("nothing of the kind\n")
    said = refused(conf(path))
    assert f"{path}/LABEL is none of ours" in said, said


def test_a_label_that_is_gone():
    """It is not a new folder, and nothing is removed; one whose making was interrupted is made anew."""
    path = folder()
    with Rend(conf(path)) as rend, rend.client() as c:
        put(c, 1)
        assert not os.path.exists(path + "/NEW")
    os.rename(path + "/LABEL", path + "/kept")
    said = refused(conf(path))
    assert f"{path} has a store and no LABEL: nobody knows how it was made" in said, said
    os.rename(path + "/STATE", path + "/kept-too")
    said = refused(conf(path))
    assert f"{path} has a store and no LABEL" in said, said
    os.rename(path + "/kept", path + "/LABEL")
    os.rename(path + "/kept-too", path + "/STATE")
    with Rend(conf(path)) as rend, rend.client() as c:
        assert found(c) == dict.fromkeys(range(KEYS), 1)
    os.unlink(path + "/LABEL")
    with open(path + "/NEW", "wb"):
        pass
    with Rend(conf(path)) as rend, rend.client() as c:
        assert set(found(c).values()) == {None}
        put(c, 2)
    with Rend(conf(path)) as rend, rend.client() as c:
        assert found(c) == dict.fromkeys(range(KEYS), 2)


def test_what_cannot_be_removed():
    """Another process has a bin open, for a moment: what is in it would be shown, as if it were new, so it does not begin anew there."""
    path = folder()
    with Rend(conf(path, "keep = false;")) as rend, rend.client() as c:
        put(c, 1)
    with open(path + "/bin.001/LOCK", "r+b") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        said = refused(conf(path, "keep = false;"))
        assert re.search("what an earlier one left in .*/bin.001 cannot be removed: IO error: .*lock", said), said
    with Rend(conf(path, "keep = false;")) as rend, rend.client() as c:
        assert set(found(c).values()) == {None}


def test_what_was_damaged():
    """A file with other bytes than were written: what was in it is a miss, never something older, and is said; a database that cannot be opened begins
    empty, and its files are there to be looked at."""
    path = folder()
    more = 'bins = 1; write_buffer = "64KiB"; compression = "none"; direct = false; cache = "1MiB"; wal = "off";'
    with Rend(conf(path, more, bins="")) as rend, rend.client() as c:
        put(c, 1)
    with Rend(conf(path, more, bins="")) as rend, rend.client() as c:
        put(c, 2)
    files = sorted(glob.glob(path + "/bin.000/*.sst"))
    assert len(files) > 1, files
    newest = files[-1]
    with open(newest, "r+b") as f:
        data = f.read()
        first = data.index(b"59.2.")
        f.seek(first)
        f.write(b"59.9.")
    with Rend(conf(path, more, bins="")) as rend, rend.client() as c:
        got = found(c)
        assert got[59] is None and set(got.values()) == {2, None}, got
        wait_for("it to be said", lambda: rend.said(r"bin.000 is damaged, and what it had there is a miss: Corruption"))
        # A delete says the truth, and what is stored anew is there.
        c.ask(b"delete key59\r\n", b"NOT_FOUND\r\n")
        put(c, 3)
        assert found(c) == dict.fromkeys(range(KEYS), 3)
        assert int(rend.stats("node disk")["disk.check_errors"]) > 0
    for at in glob.glob(path + "/bin.000/*.sst"):
        with open(at, "r+b") as f:
            f.truncate(100)
    with Rend(conf(path, more, bins="")) as rend, rend.client() as c:
        assert rend.said(r"bin.000 is damaged \(Corruption: .*\): its files are in .*/bin.000.damaged now, and it begins empty"), rend.tail()
        assert set(found(c).values()) == {None}
        put(c, 4)
        assert os.path.exists(path + "/bin.000.damaged/CURRENT")


def gets(c):
    for key in range(KEYS):
        line = c.say(b"get key%d\r\n" % key).line()
        if line.startswith(b"VALUE"):
            c.until(b"END\r\n")
        yield line


def limit(rend, size):
    resource.prlimit(rend.child.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def bins_failed(rend):
    return int(rend.stats("node disk")["disk.bins_failed"])


def test_a_disk_that_takes_no_more():
    """No file may grow, as on a full disk: what fails is said, and nothing is shown of which it is not known whether it is there; when there is room
    again all that had been answered is.  Also where rend ended meanwhile, or was killed."""
    for wal, more, end in (("on", "", None), ("sync", 'compaction = "level";', "kill"), ("on", "", "close")):
        path = folder()
        more = f'wal = "{wal}"; mend = "1h"; {more}'
        with Rend(conf(path, more), preexec=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN)) as rend, rend.client() as c:
            put(c, 1)
            c.ask(b"set n 0 0 1\r\n1\r\n", b"STORED\r\n")
            limit(rend, 4096)
            perhaps = set()
            for key in range(KEYS):
                v = value(key, 2)
                answer = c.say(b"set key%d 2 0 %d\r\n" % (key, len(v)) + v + b"\r\n").line()
                # Only what was under way when it failed may be there: one in each bin.
                assert answer in (b"SERVER_ERROR backend error", b"SERVER_ERROR backend down"), answer
                if answer.endswith(b"error"):
                    perhaps.add(key)
            assert len(perhaps) == 2, perhaps
            for change in (b"delete key1\r\n", b"incr n 1\r\n", b"touch key2 100\r\n", b"append key3 0 0 1\r\nx\r\n", b"get key4\r\n"):
                assert c.say(change).line() == b"SERVER_ERROR backend down", change
            assert bins_failed(rend) == 2
            wait_for("the log to say so", lambda: rend.said(r"bin.00\d failed .*: it is down until it could be opened again with all that it had"))
            if end == "kill":
                rend.kill()
            if end is None:
                limit(rend, resource.RLIM_INFINITY)
                wait_for("it to be well", lambda: bins_failed(rend) == 0)
                wait_for("the log to say so", lambda: rend.said(r"is open again, with all that was answered"))
                wait_for("it to be counted", lambda: int(rend.stats("node disk")["disk.bins_reopened"]) >= 2)
                is_as_answered(c, perhaps)
                c.ask(b"incr n 1\r\n", b"2\r\n")
                put(c, 3)
        with Rend(conf(path, more)) as rend, rend.client() as c:
            if end is None:
                assert found(c) == dict.fromkeys(range(KEYS), 3)
            else:
                is_as_answered(c, perhaps)


def is_as_answered(c, perhaps):
    got = found(c)
    assert all(got[key] == 1 or (got[key] == 2 and key in perhaps) for key in range(KEYS)), (got, perhaps)
    assert found(c) == got


def test_a_disk_that_takes_no_more_for_too_long():
    """Then the bins begin empty: nothing older is shown in place of what could not be stored, and when there is room again it goes on."""
    path = folder()
    with Rend(conf(path, 'mend = "0";'), preexec=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN)) as rend, rend.client() as c:
        put(c, 1)
        limit(rend, 4096)
        answers = set()
        for key in range(KEYS):
            v = value(key, 2)
            c.say(b"set key%d 2 0 %d\r\n" % (key, len(v)) + v + b"\r\n")
            answers.add(c.line())
        assert b"STORED" not in answers and all(a.startswith(b"SERVER_ERROR") for a in answers), answers
        # Those that failed while it was noted what they had are down, not misses.
        wait_for("it to be noted", lambda: set(gets(c)) == {b"END"})
        wait_for("the log to say so", lambda: rend.said(r"what .*bin.00\d had is not shown any more"))
        assert bins_failed(rend) > 0
        limit(rend, resource.RLIM_INFINITY)
        wait_for("it to be well", lambda: bins_failed(rend) == 0)
        wait_for("the log to say so", lambda: rend.said(r"is open again, and empty"))
        assert 1 not in found(c).values()
        put(c, 3)
        assert found(c) == dict.fromkeys(range(KEYS), 3)
    with Rend(conf(path)) as rend, rend.client() as c:
        assert found(c) == dict.fromkeys(range(KEYS), 3)


def test_fifo_stays_within_its_size():
    """The oldest go; what is there is right; and of RocksDB's own ideas of when data is to go none is left."""
    path = folder()
    with Rend(conf(path, 'write_buffer = "64KiB"; compression = "none";', size="2MiB")) as rend, rend.client() as c:
        for n in range(1, 100):
            put(c, n)
        wait_for("old files to be dropped", lambda: int(rend.stats("node disk")["disk.bytes"]) <= 2 << 20)
        got = found(c)
        assert set(got.values()) <= {99, None} and 99 in got.values(), got
        c.ask(b"append key1 0 0 1\r\nx\r\n", b"STORED\r\n")
    for options in glob.glob(path + "/bin.*/OPTIONS-*"):
        with open(options) as f:
            text = f.read()
        for line in ("ttl=0", "periodic_compaction_seconds=0", "max_open_files=-1", "merge_operator=nullptr", "enable_blob_files=false",
                     "compaction_style=kCompactionStyleFIFO", "allow_compaction=true", "max_table_files_size=1048576"):
            assert line in text, (line, text)


def test_a_check_touches_nothing():
    path = folder()
    rend = Rend(conf(path))
    rend.argv.append("-t")
    rend.start()
    assert rend.child.wait(harness.PATIENCE) == 0, rend.tail()
    assert not os.path.exists(path)
    rend.remove()


if __name__ == "__main__":
    try:
        harness.main()
    finally:
        for at in FOLDERS:
            shutil.rmtree(at, ignore_errors=True)
