#!/usr/bin/python3
"""The same random commands to a memcached and to rend over inmem: the same answers, byte by byte.

Three things memcached itself does not do the same way twice, and they are kept out.  A number that gets shorter keeps its length with spaces only
while nobody else holds the item, and its own threads may hold one (they are switched off, no_modern), or an answer on its way (so nobody counts
in a pipeline).  What it makes of a value of nothing but white space depends on what lies behind it in memory, and so does, beyond 2^63, whether
a number is one: there are none here.
"""
import random

import harness
from harness import Memcached, Rend

KEYS = [b"k%d" % n for n in range(8)]
VALUES = [b"1", b"99", b"100", b"0", b" 5", b"5 x", b"abc", b"", b"18446744073709551616", b"007", b"x" * 500, b"9" * 25]
JOINED = [b"abc", b" x", b"x ", b"", b"y" * 300]
EXPTIMES = [0, 0, 0, 100, 2000000000, -1]
DELTAS = [0, 1, 5, 90, 10**6]

LAST = b"VALUE last 0 1\r\n.\r\nEND\r\n"


def store(dice, verb):
    value = dice.choice(JOINED if verb in (b"append", b"prepend") else VALUES)
    return b"%s %s %d %d %d\r\n%s\r\n" % (verb, dice.choice(KEYS), dice.randrange(100), dice.choice(EXPTIMES), len(value), value)


def command(dice, counts):
    key = dice.choice(KEYS)
    verb = dice.choice([b"get", b"get", b"gat", b"set", b"add", b"replace", b"append", b"prepend", b"incr", b"decr", b"delete", b"touch"])
    if verb in (b"incr", b"decr") and not counts:
        verb = b"set"
    if verb == b"get":
        return b"get %s\r\n" % b" ".join(dice.sample(KEYS, dice.choice([1, 1, 3])))
    if verb == b"gat":
        return b"gat %d %s\r\n" % (dice.choice(EXPTIMES), key)
    if verb in (b"incr", b"decr"):
        return b"%s %s %d\r\n" % (verb, key, dice.choice(DELTAS))
    if verb == b"delete":
        return b"delete %s\r\n" % key
    if verb == b"touch":
        return b"touch %s %d\r\n" % (key, dice.choice(EXPTIMES))
    return store(dice, verb)


def answers(client, batch):
    """What comes back for a batch of commands, up to the answer to the get that ends it."""
    client.say(b"".join(batch) + b"get last\r\n")
    heard = b""
    while not heard.endswith(LAST):
        data = client.sock.recv(1 << 20)
        assert data, f"closed after {heard[-200:]!r}"
        heard += data
    return heard


def difference(their, our):
    at = next((i for i, (t, o) in enumerate(zip(their, our)) if t != o), min(len(their), len(our)))
    return f"memcached ...{their[max(0, at - 60):at + 60]!r}, rend ...{our[max(0, at - 60):at + 60]!r}"


def compare(seed, batch_length, batches):
    dice = random.Random(seed)
    with Memcached("-o", "no_modern") as memcached, Rend() as rend:
        with harness.Client(memcached.path) as theirs, rend.client() as ours:
            for client in (theirs, ours):
                client.say(b"set last 0 0 1\r\n.\r\n").hear(b"STORED\r\n")
            said = []
            for _ in range(batches):
                batch = [command(dice, batch_length == 1) for _ in range(batch_length)]
                said = (said + batch)[-12:]
                their, our = answers(theirs, batch), answers(ours, batch)
                assert their == our, f"seed {seed}: {difference(their, our)} after {said!r}"


def test_one_by_one():
    compare(1, 1, 6000)


def test_pipelined():
    for seed in range(2, 8):
        compare(seed, 40, 150)


if __name__ == "__main__":
    harness.main()
