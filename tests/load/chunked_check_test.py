#!/usr/bin/python3
"""rend-load check over values in pieces: a read is whole, and never stale, whoever keeps the pieces, as one tier, as the first of two, as the second,
and with two rends that write the same values at once.

With REND_TEST_LONG=1 each set-up is asked two million times.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from check_test import amount, both, sound  # noqa: E402
from loading import harness, load  # noqa: E402

# Nearly all of them have several pieces.
SIZES = ("--size", "500-6KiB")
BACK = 'plugin = "memcached"; servers = [ "unix:%s" ]; request_timeout = "20s";'


def one(below):
    return f"""
handlers = {{ below = {{ {below} }}; big = {{ plugin = "chunked"; over = "below"; window = 3; }}; }};
policies = {{ main = {{ plugin = "l1only"; l1 = "big"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""


def two(first, second, pieces):
    """pieces: which of the two is in pieces."""
    l1, l2 = ("big", "second") if pieces == "l1" else ("first", "big")
    return f"""
handlers = {{
    first = {{ {first} }};
    second = {{ {second} }};
    big = {{ plugin = "chunked"; over = "{"first" if pieces == "l1" else "second"}"; }};
}};
policies = {{
    online = {{ plugin = "l1l2"; l1 = "{l1}"; l2 = "{l2}"; }};
    bulk = {{ plugin = "l1l2batch"; l1 = "{l1}"; l2 = "{l2}"; }};
}};
listeners = ( {{ port = 0; policy = "online"; }}, {{ port = 0; policy = "bulk"; }} );
"""


def test_over_values_in_memory():
    for memory in ("64MiB", "2MiB"):
        with harness.Rend(one(f'plugin = "inmem"; memory = "{memory}";')) as rend:
            sound("over inmem of " + memory, load("check", rend, "-n", amount(20000), *SIZES, "--keys", 200), 2000)


def test_over_a_memcached():
    with harness.Memcached() as m, harness.Rend(one(BACK % m.path)) as rend:
        for protocol in ("text", "binary", "meta"):
            sound("over memcached, " + protocol, load("check", rend, "-n", amount(12000), *SIZES, "--protocol", protocol), 2000)


def test_as_a_first_tier_in_memory():
    with harness.Memcached() as m, harness.Rend(two('plugin = "inmem"; memory = "4MiB";', BACK % m.path, "l1")) as rend:
        sound("l1 in pieces, in memory", load("check", rend, *both(rend), "-n", amount(20000), *SIZES), 4000)


def test_as_a_first_tier_in_a_memcached():
    with harness.Memcached() as l1, harness.Memcached() as l2, harness.Rend(two(BACK % l1.path, BACK % l2.path, "l1")) as rend:
        sound("l1 in pieces, in a memcached", load("check", rend, *both(rend), "-n", amount(12000), *SIZES), 2000)


def test_as_a_second_tier():
    with harness.Memcached() as m, harness.Rend(two('plugin = "inmem"; memory = "4MiB";', BACK % m.path, "l2")) as rend:
        sound("l2 in pieces", load("check", rend, *both(rend), "-n", amount(20000), *SIZES), 4000)


def test_two_rends_over_one_memcached():
    with harness.Memcached() as m, harness.Rend(one(BACK % m.path)) as a, harness.Rend(one(BACK % m.path)) as b:
        run = load("check", a, "--also", "127.0.0.1:%d" % b.port, "-n", amount(20000), *SIZES, "--keys", 50)
        sound("two rends over one memcached", run, 2000)


if __name__ == "__main__":
    harness.main(limit=1200)
