#!/usr/bin/python3
"""Values on a disk: they are there again after an end of whatever kind, and clients see a memcached.

Where a few hundred keys are stored two of them may look alike to the index, once in some thousand runs; then the later one takes the place of the
earlier, and that is a miss.  So misses are counted here, a few of them are no fault, and an older value always is.
"""
import os
import re
import tempfile
import time

import harness
from conf_test import TOP
from harness import Rend, wait_for
from watcher import Watched, promtool

KEYS = 300
ALIKE = 3  # keys that may be missed, for what the index is


def conf(path, more="", policy='main = { plugin = "l1only"; l1 = "disk"; };', others=""):
    return f"""
handlers = {{ disk = {{ plugin = "ssd"; path = "{path}"; size = "24MiB"; segment = "1MiB"; flush = "5ms"; timeout = "20s"; {more} }}; {others} }};
policies = {{ {policy} }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""


TIERS = {"policy": 'main = { plugin = "l1l2"; l1 = "mem"; l2 = "disk"; };', "others": 'mem = { plugin = "inmem"; memory = "4MiB"; };'}


def folder():
    return os.path.join(tempfile.mkdtemp(dir=os.environ.get("TMPDIR")), "disk")


def value(key, n):
    return b"%d.%d." % (key, n) + bytes(65 + (key + i) % 26 for i in range(key * 37 % 5000))


def put(c, n, keys=range(KEYS)):
    for key in keys:
        v = value(key, n)
        c.ask(b"set key%d %d 0 %d\r\n" % (key, n, len(v)) + v + b"\r\n", b"STORED\r\n")


def found(c, keys=range(KEYS)):
    """For each key the write that is there, or None."""
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


def right(got, want):
    """What is found is what should be there; want: by key the write, or a tuple of those that may be."""
    for key, n in got.items():
        may = want[key] if isinstance(want[key], tuple) else (want[key],)
        assert n is None or n in may, f"key{key}: write {n} is there, not {may}"
    missed = [key for key, n in got.items() if n is None and want[key] is not None]
    assert len(missed) <= ALIKE, f"missed: {missed}"


def written(rend):
    """All that was answered by now is on the disk: a flush that left nothing over began later."""
    begun = time.monotonic()

    def flushed():
        asked = time.monotonic()
        return asked - int(rend.stats("node disk")["disk.flush_age"]) / 1e6 > begun

    wait_for("a flush", flushed)


def test_after_a_proper_end_everything_is_there():
    path = folder()
    with Rend(conf(path)) as rend:
        with rend.client() as c:
            put(c, 1)
            c.ask(b"delete key7\r\n", b"DELETED\r\n").ask(b"touch key8 -1\r\n", b"TOUCHED\r\n")
            c.say(b"gets key9\r\n")
            cas = int(c.line().split()[4])
    with Rend(conf(path)) as rend:
        assert rend.said("as they were left"), rend.tail()
        with rend.client() as c:
            want = {key: 1 for key in range(KEYS)}
            want[7] = want[8] = None
            right(found(c), want)
            c.say(b"gets key9\r\n")
            assert int(c.line().split()[4]) == cas
            c.until(b"END\r\n")
            c.ask(b"cas key9 2 0 1 %d\r\nx\r\n" % cas, b"STORED\r\n")
            c.ask(b"cas key9 2 0 1 %d\r\ny\r\n" % cas, b"EXISTS\r\n")
            c.say(b"gets key9\r\n")
            assert int(c.line().split()[4]) > cas


def test_after_kill_9_what_was_flushed_is_there():
    path = folder()
    with Rend(conf(path)) as rend:
        with rend.client() as c:
            put(c, 1)
            put(c, 2, range(100))
            c.ask(b"delete key200\r\n", b"DELETED\r\n")
        written(rend)
        with rend.client() as c:
            put(c, 3, range(50))
        rend.kill()
    with Rend(conf(path)) as rend:
        assert rend.said("rebuilt"), rend.tail()
        with rend.client() as c:
            want = {key: (2, 3) if key < 50 else 2 if key < 100 else 1 for key in range(KEYS)}
            want[200] = None
            right(found(c), want)


def test_with_sync_always_what_was_answered_is_there():
    """Nothing is flushed by itself here, so it is there because it was answered."""
    path = folder()
    always = lambda path: conf(path, 'sync = "always";').replace('flush = "5ms"', 'flush = "10s"')
    with Rend(always(path)) as rend:
        with rend.client() as c, rend.client() as other:
            put(c, 1)
            c.ask(b"delete key7\r\ntouch key8 -1\r\nset n 0 0 1\r\n1\r\nincr n 6\r\n", b"DELETED\r\nTOUCHED\r\nSTORED\r\n7\r\n")
            c.ask(b"mg new N60 v\r\n", b"VA 0 W\r\n\r\n")
            many = range(2000, 3000)
            c.say(b"".join(b"set key%d 2 0 %d\r\n%s\r\n" % (key, len(value(key, 2)), value(key, 2)) for key in many))
            c.hear(b"STORED\r\n" * len(many))
            put(c, 3, range(20, 25))
            put(other, 3, range(25, 30))
            rend.kill()
    with Rend(always(path)) as rend:
        assert rend.said("rebuilt"), rend.tail()
        with rend.client() as c:
            want = {key: 3 if key in range(20, 30) else 1 for key in range(KEYS)}
            want[7] = want[8] = None
            right(found(c), want)
            right(found(c, many), dict.fromkeys(many, 2))
            c.ask(b"get n\r\n", b"VALUE n 0 1\r\n7\r\nEND\r\n").ask(b"mg new v\r\n", b"VA 0 Z\r\n\r\n")
            c.ask(b"flush_all\r\n", b"OK\r\n")
        rend.kill()
    with Rend(always(path)) as rend, rend.client() as c:
        assert all(n is None for n in found(c).values())


def test_what_is_stored_together_shares_a_sync():
    with Rend(conf(folder(), 'sync = "always"; size = "64MiB";').replace('size = "24MiB"; ', "")) as rend, rend.client() as c:
        count = lambda name: int(rend.stats("node disk")["disk." + name])
        put(c, 1, range(20))
        wait_for("the counters", lambda: count("syncs") >= 20)
        before, so_far, many = count("syncs"), count("user_bytes"), 3000
        c.say(b"".join(b"set key%d 0 0 1\r\nx\r\n" % key for key in range(many)))
        c.hear(b"STORED\r\n" * many)
        # All are counted at one moment, once a second.
        wait_for("the counters", lambda: count("user_bytes") - so_far > many * 68)
        shared = count("syncs") - before
        print(f"{many} stores, {shared} syncs", flush=True)
        assert 0 < shared < many / 4, shared


def overwrite(path, what):
    """Somebody, or the disk, has changed the bytes of what was stored."""
    places = 0
    for name in sorted(os.listdir(path)):
        if not name.startswith("data."):
            continue
        with open(os.path.join(path, name), "r+b") as f:
            data = f.read()
            at = data.find(what)
            while at >= 0:
                f.seek(at)
                f.write(b"?" * len(what))
                places += 1
                at = data.find(what, at + len(what))
    return places


def test_what_was_damaged_hides_nothing_that_is_served():
    path = folder()
    with Rend(conf(path)) as rend, rend.client() as c:
        put(c, 1)
    with Rend(conf(path)) as rend:
        with rend.client() as c:
            put(c, 2, range(200))
            for key in range(200, KEYS):
                c.ask(b"delete key%d\r\n" % key, b"DELETED\r\n")
        written(rend)
        rend.kill()
    # In a segment that was open: nobody knows what else was in there.
    assert overwrite(path, value(70, 2)[:40]) == 1
    with Rend(conf(path)) as rend:
        assert rend.said("not all could be read"), rend.tail()
        assert int(rend.stats("nodes")["disk.lost_segments"]) == 1
        with rend.client() as c:
            assert all(n in (None, 2) for n in found(c).values())
            put(c, 3)
        written(rend)
        rend.kill()
    # One of the two that say which store it is.
    with open(os.path.join(path, "super.b"), "r+b") as f:
        f.write(b"?" * 64)
    with Rend(conf(path)) as rend, rend.client() as c:
        right(found(c), {key: 3 for key in range(KEYS)})


def test_a_folder_that_others_may_write_to_is_refused():
    path = folder()
    os.mkdir(path)
    os.chmod(path, 0o777)
    rend = Rend(conf(path))
    rend.start()
    assert rend.child.wait(harness.PATIENCE) != 0
    rend.reader.join(harness.PATIENCE)
    assert rend.said("others may change what is in the folder"), rend.tail()
    rend.remove()


def test_two_processes_cannot_have_one_folder():
    path = folder()
    with Rend(conf(path)):
        second = Rend(conf(path))
        second.start()
        assert second.child.wait(harness.PATIENCE) != 0
        second.reader.join(harness.PATIENCE)
        assert second.said("another process has it"), second.tail()
        second.remove()


def test_other_sizes_are_refused_or_begin_empty():
    path = folder()
    with Rend(conf(path)) as rend:
        with rend.client() as c:
            put(c, 1, range(5))
    other = conf(path).replace("24MiB", "32MiB")
    refused = Rend(other)
    refused.start()
    assert refused.child.wait(harness.PATIENCE) != 0
    refused.reader.join(harness.PATIENCE)
    assert refused.said("other sizes"), refused.tail()
    refused.remove()
    with Rend(other.replace('segment =', 'mismatch = "empty"; segment =')) as rend:
        with rend.client() as c:
            assert found(c, range(5)) == {key: None for key in range(5)}


def test_behind_a_cache_in_memory():
    """Far more than fits in memory, and it is found; also by threads instead of io_uring."""
    for engine in ("auto", "threads"):
        with Rend(conf(folder(), f'engine = "{engine}"; objects = 20000;', **TIERS)) as rend:
            with rend.client() as c:
                for n in (1, 2):
                    put(c, n, range(2000))
                right(found(c, range(2000)), dict.fromkeys(range(2000), 2))
                c.ask(b"set key1 0 0 1\r\nx\r\nincr key1 1\r\n", b"STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n")
                c.ask(b"set n 0 0 2\r\n99\r\nincr n 1\r\nget n\r\n", b"STORED\r\n100\r\nVALUE n 0 3\r\n100\r\nEND\r\n")
                c.ask(b"append n 0 0 1\r\n5\r\nget n\r\n", b"STORED\r\nVALUE n 0 4\r\n1005\r\nEND\r\n")
                c.ask(b"flush_all\r\n", b"OK\r\n")
                assert all(n is None for n in found(c, range(0, 2000, 100)).values())
                put(c, 3, range(10))
                assert found(c, range(10)) == {key: 3 for key in range(10)}


def test_what_a_miss_leaves():
    """An empty item for the first who asks, and what an incr, or an append, brings for when nothing is there; after a restart, too."""
    path = folder()
    for policy in ({}, TIERS):
        with Rend(conf(path, "keep = false;", **policy)) as rend:
            with rend.client() as c:
                c.ask(b"mg new N60 v\r\nmg new N60 v\r\nmg new v\r\n", b"VA 0 W\r\n\r\nVA 0 Z\r\n\r\nVA 0 Z\r\n\r\n")
                c.ask(b"ms new 3\r\nabc\r\nmg new N60 v\r\n", b"HD\r\nVA 3\r\nabc\r\n")
                c.ask(b"ma n N60 J41 v\r\nma n N60 J41 v\r\nmg n v\r\n", b"VA 2\r\n41\r\nVA 2\r\n42\r\nVA 2\r\n42\r\n")
                c.ask(b"ms a 1 MA N0\r\nx\r\nms a 1 MA N0\r\ny\r\nmg a v\r\n", b"HD\r\nHD\r\nVA 2\r\nxy\r\n")
                c.ask(b"ma gone v\r\n", b"NF\r\n")
    with Rend(conf(path)) as rend:
        with rend.client() as c:
            c.ask(b"mg left N0 v\r\n", b"VA 0 W\r\n\r\n")
    with Rend(conf(path)) as rend:
        with rend.client() as c:
            c.ask(b"mg left N0 v\r\n", b"VA 0 Z\r\n\r\n")


# ---- what is not stored, because the options say so ----

REFUSED = b"SERVER_ERROR out of memory storing object\r\n"


def test_what_is_too_long_or_gone_too_soon():
    """It is refused by each verb that brings a value, and nothing older is there then, in no tier."""
    for policy in ({}, TIERS):
        with Rend(conf(folder(), 'min_ttl = "60s"; max_value = 100;', **policy)) as rend, rend.client() as c:
            ok, long = b"set k 0 0 2\r\n10\r\n", b"x" * 101
            for said, heard in (
                    (b"set k 0 0 101\r\n%s\r\n" % long, REFUSED),
                    (b"replace k 0 0 101\r\n%s\r\n" % long, REFUSED),
                    (b"append k 0 0 99\r\n%s\r\n" % long[:99], REFUSED),
                    (b"prepend k 0 0 99\r\n%s\r\n" % long[:99], REFUSED),
                    (b"ms k 101\r\n%s\r\n" % long, REFUSED),
                    (b"set k 0 59 1\r\nx\r\n", REFUSED),
                    (b"set k 0 %d 1\r\nx\r\n" % (time.time() + 20), REFUSED),
                    (b"ms k 1 T30\r\nx\r\n", REFUSED)):
                c.ask(ok, b"STORED\r\n").ask(b"get k\r\n", b"VALUE k 0 2\r\n10\r\nEND\r\n")
                c.ask(said, heard).ask(b"get k\r\n", b"END\r\n")
            # What would not be stored anyway, is answered so.
            c.ask(ok, b"STORED\r\n").ask(b"add k 0 0 101\r\n%s\r\n" % long, b"NOT_STORED\r\n").ask(b"cas k 0 0 101 1\r\n%s\r\n" % long, b"EXISTS\r\n")
            c.ask(b"incr k 1\r\n", b"11\r\n")
            # A time of its own: what comes later, and what is a delete, and what clients leave for each other.
            c.ask(b"touch k 5\r\nincr k 1\r\nappend k 0 0 1\r\n0\r\nget k\r\n", b"TOUCHED\r\n12\r\nSTORED\r\nVALUE k 0 3\r\n120\r\nEND\r\n")
            c.ask(b"set k 0 -1 1\r\nx\r\nget k\r\n", b"STORED\r\nEND\r\n")
            c.ask(b"mg k N5\r\nmg k v\r\n", b"HD W\r\nVA 0 Z\r\n\r\n")
            c.ask(b"set l 0 90 100\r\n%s\r\n" % long[:100], b"STORED\r\n")
            wait_for("it to be counted", lambda: int(rend.stats("node disk")["disk.refused_ttl"]) == 3)
            assert int(rend.stats("node disk")["disk.refused_size"]) == 5
            assert int(rend.stats("node disk")["disk.not_admitted"]) == 8


def test_what_is_beyond_the_budget():
    with Rend(conf(folder(), 'write_budget = "1MiB";', **TIERS)) as rend, rend.client() as c:
        v, answers = b"v" * 4000, []
        begun = time.monotonic()
        # Many at once: however slow each of us is, they come faster than they may be written.
        for begin in range(0, 2000, 200):
            c.say(b"".join(b"set key%d 0 0 4000\r\n%s\r\n" % (n % 700, v) for n in range(begin, begin + 200)))
            answers += [c.line() + b"\r\n" for _ in range(200)]
        took = time.monotonic() - begun
        stored = answers.count(b"STORED\r\n")
        print(f"{stored} of 2000 stored in {took:.1f} s", flush=True)
        assert set(answers) == {b"STORED\r\n", REFUSED}
        assert 250 <= stored <= (took + 1) * (1 << 20) / 4096 + 2, (stored, took)
        # The last answer of each key is what is there.
        for key in range(600):
            last = answers[(1999 - key) // 700 * 700 + key]
            c.say(b"get key%d\r\n" % key)
            if c.line() != b"END":
                c.hear(v + b"\r\nEND\r\n")
                assert last == b"STORED\r\n", key
            else:
                assert last == REFUSED, key
        wait_for("it to be counted", lambda: int(rend.stats("node disk")["disk.refused_budget"]) == 2000 - stored)
        # After a while there is some again.
        wait_for("a store to be taken", lambda: c.say(b"set key1 0 0 1\r\nx\r\n").line() == b"STORED")


def test_options_that_make_no_sense():
    for option, said in (('write_budget = 50;', 'write_budget is 50 bytes a second: at least "64KiB", or 0 for no bound'),
            ('min_ttl = "1500ms";', "min_ttl has a part of a second, and values expire by whole ones")):
        rend = Rend(conf(folder(), option))
        rend.start()
        assert rend.child.wait(harness.PATIENCE) != 0
        rend.reader.join(harness.PATIENCE)
        assert rend.said(said), rend.tail()
        rend.remove()


# ---- what is seen of it ----

def test_what_is_counted():
    """/metrics and `stats` say the same, and Prometheus's own tool has nothing to say about it."""
    with Watched(conf(folder())) as rend:
        with rend.client() as c:
            put(c, 1)
            c.ask(b"touch key1 1000\r\ndelete key2\r\n", b"TOUCHED\r\nDELETED\r\n")
            written(rend)

            def told():
                return int(rend.stats("node disk")["disk.tombs"]) >= 1

            # Once a second.
            wait_for("the counters", told)
            before = rend.stats("node disk")
            m = rend.scrape()
            promtool(m.text)
            assert m.get("rend_ssd_touches_total", node="disk") == 1
            assert m.get("rend_ssd_user_bytes_total", node="disk") > sum(len(value(key, 1)) for key in range(KEYS))
            assert m.get("rend_ssd_bytes_written_total", node="disk") > 0
            assert KEYS - 1 - ALIKE <= m.get("rend_ssd_curr_items", node="disk") <= KEYS - 1
            assert m.get("rend_ssd_limit_maxbytes", node="disk") == 24 << 20
            assert m.get("rend_ssd_bytes", node="disk") == (24 - m.get("rend_ssd_segments_free", node="disk")) * (1 << 20)
            assert m.get("rend_node_memory_bytes", node="disk") > 17 << 20
            assert m.get("rend_node_up", node="disk") == 1
            for name in ("read_errors", "check_errors", "write_errors", "bad_segments", "index_evictions", "not_admitted", "discards"):
                assert m.get(f"rend_ssd_{name}_total", node="disk") == int(before["disk." + name]) == 0, name
            assert m.get("rend_ssd_segments_bad", node="disk") == 0
            # What was answered a while ago is on the disk.
            assert m.get("rend_ssd_flush_age", node="disk") < harness.PATIENCE * 1e6
            stats = rend.stats()
            assert int(stats["curr_items"]) == int(before["disk.curr_items"]) and int(stats["limit_maxbytes"]) == 24 << 20
            assert {"in_flight", "late", "refused"} <= {name.split(".")[1] for name in before}, before


def test_all_that_is_counted_is_in_the_papers():
    with open(os.path.join(TOP, "plugins", "ssd", "README.md")) as f:
        table = f.read().split("## What is counted", 1)[1].split("\n## ", 1)[0]
    listed = {name for row in re.findall(r"^\| (`.*?`) \|", table, re.M) for name in re.findall(r"`(\w+)`", row)}
    with Watched(conf(folder())) as rend:
        told = {re.sub("^rend_ssd_|_total$", "", name) for name in rend.scrape().help if name.startswith("rend_ssd_")}
    assert listed == told, (listed - told, told - listed)


if __name__ == "__main__":
    harness.main()
