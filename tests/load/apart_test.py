#!/usr/bin/python3
"""rend-load check over an l1 in another process: two rends that share nothing but their tiers, and one alone; each protocol keeps its promise,
while l1 and l2 are slow, evict, are killed and stopped; and variants with one thing wrong are found out.

With REND_TEST_LONG=1 each set-up is asked two million times.
"""
import contextlib

from check_test import Slow, Trouble, amount, enough, find_faults, find_nothing, sound
from loading import Load, harness

ONLINE, BULK = 0, 1
HASTY = 'request_timeout = "100ms"; connect_timeout = "1s"; max_silence = "100ms"; retry_max = "200ms";'
PATIENT = 'request_timeout = "20s"; connect_timeout = "1s"; max_silence = "20s"; retry_max = "200ms";'

# A sanitizer takes its time: these are asked for less.
SLOW_REND = harness.sanitized()

# What the policies say, what the block of l1 says, what is promised, how many rends there may be.
PROTOCOLS = {
    "confirm": ("", "", "atomic", 2),
    "confirm, publish": ("publish = true;", "", "atomic", 2),
    "aside": ('promote = "aside";', "", "fresh", 2),
    "aside, publish": ('promote = "aside"; publish = true;', "", "fresh", 2),
    "confirm, l1 away: l2": ('when_l1_away = "l2";', "", "fresh", 2),
    "exclusive": ("", "exclusive = true;", "atomic", 1),
    "exclusive, publish": ("publish = true;", "exclusive = true;", "atomic", 1),
}


def apart(l1, l2, policy="", hot="", patience=PATIENT):
    """Two listeners: l1l2's and l1l2batch's."""
    return f"""
handlers = {{
    hot = {{ plugin = "memcached"; servers = [ "{l1}" ]; {hot} {patience} }};
    all = {{ plugin = "memcached"; servers = [ "{l2}" ]; {patience} }};
}};
policies = {{
    online = {{ plugin = "l1l2"; l1 = "hot"; l2 = "all"; {policy} }};
    bulk = {{ plugin = "l1l2batch"; l1 = "hot"; l2 = "all"; {policy} }};
}};
listeners = ( {{ port = 0; policy = "online"; }}, {{ port = 0; policy = "bulk"; }} );
"""


def one_step(*args):
    """A memcached whose flush_all is one step.  With several threads one may have looked at the version before it, and store behind it."""
    return harness.Memcached("-t", "1", *args)


@contextlib.contextmanager
def rends(conf, count):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(harness.Rend(conf)) for _ in range(count)]


def also(all_rends):
    """The listeners of all of them but the first, which --port says."""
    return [word for rend in all_rends for which in (ONLINE, BULK) if (rend, which) != (all_rends[0], ONLINE)
            for word in ("--also", "127.0.0.1:%d" % rend.address(which)[1])]


@contextlib.contextmanager
def knows_versions():
    """An l1 that takes E, which Debian's memcached does not: another rend."""
    with harness.Rend() as rend:
        yield "127.0.0.1:%d" % rend.port, rend


@contextlib.contextmanager
def small(versions):
    """An l1 that evicts."""
    if versions:
        with harness.Rend(harness.INMEM.replace("64MiB", "1MiB")) as rend:
            yield "127.0.0.1:%d" % rend.port
    else:
        with one_step("-m", "2") as m:
            yield m.server


def count(all_rends, row):
    return sum(int(rend.stats("policy").get(row, 0)) for rend in all_rends)


def quiet(name, l1, l2, options=(), n=12000):
    policy, hot, promise, number = PROTOCOLS[name]
    n = n // 4 if SLOW_REND else n
    with rends(apart(l1, l2, policy, hot), number) as all_rends:
        with Load("check", all_rends[0], *also(all_rends), "-n", amount(n), "--promise", promise, *options) as run:
            assert run.wait() == 0, run.err
            sound(name, run, n // 20)
            rows = ["online.get.fill.yes", "online.get.l1.yes"]
            if "publish" in policy:
                rows += ["online.set.publish.yes", "bulk.set.publish.yes"]
            for row in rows:
                assert count(all_rends, row) > 0 or SLOW_REND, row


def test_memcached():
    """Its versions are its own: gets go past it."""
    for name in PROTOCOLS:
        with one_step() as l1, one_step() as l2:
            quiet(name, l1.server, l2.server)


def test_an_l1_that_takes_versions():
    for name in ("confirm", "confirm, publish", "exclusive", "exclusive, publish"):
        with knows_versions() as (l1, rend), one_step() as l2:
            quiet(name, l1, l2.server)
            assert "sets versions" in rend.tail() or int(rend.stats()["get_hits"]) > 100


def test_slow_tiers():
    for seed, name in enumerate(("confirm, publish", "aside", "exclusive, publish")):
        with one_step() as l1, one_step() as l2:
            with Slow(l1.path, seed, to=(0.03, 0.005), back=(0.03, 0.005)) as slow1, Slow(l2.path, seed, to=(0.03, 0.01), back=(0.03, 0.01)) as slow2:
                quiet(name, "unix:" + slow1.path, "unix:" + slow2.path, ("--keys", 8), 8000)


EVICTING = ("--keys", 2000, "--size", "2KiB-8KiB", "--dist", "zipf:0.8", "--mix", "get:20,gets:4,gat:2,set:10,add:4,cas:2,delete:2,touch:2,flush_all:0.01")


def test_an_l1_that_evicts():
    for name, versions in (("confirm", False), ("confirm, publish", True), ("exclusive, publish", False)):
        with small(versions) as l1, one_step() as l2:
            quiet(name, l1, l2.server, EVICTING, 6000)


class Troubles:
    """What happens to both tiers: killed and started again, stopped and going on."""

    def __init__(self, run, rend, *tiers):
        self.run, self.each = run, [Trouble(run, rend, tier, 200 if SLOW_REND else 500) for tier in tiers]

    def go_on(self):
        while self.run.child.poll() is None:
            for trouble in self.each:
                trouble.once()


def troubled_for(name, how_long, seed, options):
    """False: on a slow machine there was not time for all that is to happen."""
    policy, hot, promise, number = PROTOCOLS[name]
    with one_step() as l1, one_step() as l2, Slow(l2.path, seed, to=(0.02, 0.01), back=(0.02, 0.01)) as slow:
        with rends(apart(l1.server, "unix:" + slow.path, policy, hot, HASTY), number) as all_rends:
            with Load("check", all_rends[0], *also(all_rends), *how_long, "--may-fail", "--seed", seed, "--promise", promise, *options) as run:
                troubles = Troubles(run, all_rends[0], l1, l2)
                troubles.go_on()
                assert run.wait() == 0, run.err
                sound(name + ", in trouble", run)
                if not all(t.killed > 0 < t.stopped for t in troubles.each) or run.json["check"]["writes_unknown"] == 0 or not enough(run, 200):
                    return False
                repaired = count(all_rends, "online.get.repair.yes") + count(all_rends, "online.get.repair.no")
                print("     l1 and l2 were killed %s and stopped %s times; repaired before a read: %d" % (
                    tuple(t.killed for t in troubles.each), tuple(t.stopped for t in troubles.each), repaired), flush=True)
                # In a short time few are in doubt; an exclusive l1 is waited for.
                return repaired > 0 or not (harness.LONG or "exclusive" in name)


def troubled(name, seed=1, options=()):
    if harness.LONG:
        assert troubled_for(name, ("--rate", 10000, "-n", 2_000_000), seed, options)
    else:
        assert any(troubled_for(name, ("--rate", 4000, "--seconds", seconds), seed, options) for seconds in (5, 20, 60))


@harness.only_long
def test_confirm_in_trouble():
    troubled("confirm")


def test_publish_in_trouble():
    troubled("confirm, publish")


def test_aside_in_trouble():
    troubled("aside")


@harness.only_long
def test_reads_from_l2_in_trouble():
    troubled("confirm, l1 away: l2")


def test_exclusive_in_trouble():
    troubled("exclusive, publish")


# ---- what is wrong ----

MIX = ("--mix", "get:20,set:3,delete:1,gat:0.5")


def unheard(seed):
    """What one of two rends tells l1 comes too late now and then, and is not waited for."""
    hasty = 'request_timeout = "20ms"; connect_timeout = "1s"; max_silence = "20s"; max_timeouts = 1000000;'
    with one_step() as l1, one_step() as l2, Slow(l1.path, seed, to=(0.02, 0.2)) as slow:
        with harness.Rend(apart(l1.server, l2.server)) as near, harness.Rend(apart("unix:" + slow.path, l2.server, patience=hasty)) as far:
            return checked([near, far], seed, "--rate", 4000, "--seconds", 3, "--keys", 8, *MIX)


def late_l2(seed):
    """What l2 says comes late now and then."""
    with knows_versions() as (l1, _), one_step() as l2, Slow(l2.path, seed, back=(0.05, 0.02)) as slow:
        with rends(apart(l1, "unix:" + slow.path), 2) as both:
            return checked(both, seed, "-n", 15000, "--keys", 4, *MIX)


def late_both(seed):
    """Both tiers are slow to hear and to answer."""
    with one_step() as l1, one_step() as l2:
        with Slow(l1.path, seed, to=(0.1, 0.02)) as slow1, Slow(l2.path, seed, back=(0.1, 0.01)) as slow2:
            with rends(apart("unix:" + slow1.path, "unix:" + slow2.path), 2) as both:
                return checked(both, seed, "-n", 15000, "--keys", 3, "-w", 100, *MIX)


def checked(all_rends, seed, *options):
    with Load("check", all_rends[0], *also(all_rends), "--seed", seed, "--may-fail", *options) as run:
        run.wait()
        return run


# Number: what brings it to light, and what it is seen as.
SEEN = {
    7: (unheard, ("stale", "resurrected")),
    8: (late_l2, ("stale", "resurrected", "inversion")),
    9: (late_both, ("inversion",)),
}


# A sanitizer looks for another kind of fault.
if not SLOW_REND:
    def test_each_fault_is_found():
        find_faults(SEEN)

    def test_without_a_fault_none_is_found():
        find_nothing(SEEN)


if __name__ == "__main__":
    harness.main(7200 if harness.LONG else 1200)
