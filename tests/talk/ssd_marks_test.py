#!/usr/bin/python3
"""Stale items, and who fills them, over ssd: what meta's I, R, N and x do, what is left of that after an end of whatever kind, and that it is what inmem does."""
import os
import random

import harness
from harness import Rend, wait_for
from ssd_test import TIERS, conf, folder, written


def talk(c, *said_and_heard):
    for said, heard in said_and_heard:
        c.ask(said, heard)


def set_up(c, *keys):
    for key in keys:
        c.ask(b"ms %s 3 T0 F5\r\nold\r\n" % key, b"HD\r\n")


def test_each_flag():
    for more in ("", 'sync = "always";'):
        with Rend(conf(folder(), more)) as rend, rend.client() as c:
            talk(c,
                 # md I: one is told to fill it, the others that one was.
                 (b"ms k 3 E100 T0 F5\r\nold\r\n", b"HD\r\n"),
                 (b"md k I E200 T500\r\n", b"HD\r\n"),
                 (b"mg k v c f\r\n", b"VA 3 c200 f5 X W\r\nold\r\n"),
                 (b"mg k v c\r\n", b"VA 3 c200 Z X\r\nold\r\n"),
                 (b"get k\r\n", b"VALUE k 5 3\r\nold\r\nEND\r\n"),
                 (b"mg k u v\r\n", b"VA 3 Z X\r\nold\r\n"),
                 (b"md k I C199\r\n", b"EX\r\n"),
                 (b"md k I C200 E300\r\nmg k v\r\n", b"HD\r\nVA 3 X W\r\nold\r\n"),
                 # ms I: who comes late.
                 (b"ms k 4 C250 I E260\r\nlate\r\n", b"HD\r\n"),
                 (b"mg k v c\r\n", b"VA 4 c260 Z X\r\nlate\r\n"),
                 (b"ms k 1 C261 I\r\nx\r\n", b"EX\r\n"),
                 (b"ms k 5 C260 E400\r\nfresh\r\n", b"HD\r\n"),
                 (b"mg k v c\r\n", b"VA 5 c400\r\nfresh\r\n"),
                 (b"md none I\r\n", b"NF\r\n"),
                 # md x.
                 (b"md k x E500\r\nmg k v c f\r\n", b"HD\r\nVA 0 c500 f0\r\n\r\n"),
                 (b"md k x I E600\r\nmg k v c\r\nmg k v c\r\n", b"HD\r\nVA 0 c600 X W\r\n\r\nVA 0 c600 Z X\r\n\r\n"),
                 (b"md none x\r\n", b"NF\r\n"),
                 # mg R.
                 (b"ms r 1 T100\r\n1\r\n", b"HD\r\n"),
                 (b"mg r v R30\r\nmg r v R5000\r\nmg r v R5000\r\nmg r v\r\n", b"VA 1\r\n1\r\nVA 1 W\r\n1\r\nVA 1 Z\r\n1\r\nVA 1 Z\r\n1\r\n"),
                 (b"ms r 1 T100\r\n2\r\n", b"HD\r\n"),
                 (b"mg r v R30\r\n", b"VA 1\r\n2\r\n"),
                 (b"ms r 1 T0\r\n3\r\nmg r v R5000\r\n", b"HD\r\nVA 1\r\n3\r\n"),
                 (b"mg r T20 R30 v\r\n", b"VA 1 W\r\n3\r\n"),
                 # mg N.
                 (b"mg n N100 v\r\nmg n N100 v\r\nms n 1\r\nx\r\nmg n N100 v\r\n", b"VA 0 W\r\n\r\nVA 0 Z\r\n\r\nHD\r\nVA 1\r\nx\r\n"))


def test_after_an_end_and_a_kill():
    """Stale stays stale.  Who is to fill it is known after an end, and asked anew after a crash."""
    path = folder()
    large = b"y" * (2 << 20)
    with Rend(conf(path), fields='item_size_max = "4MiB";') as rend, rend.client() as c:
        set_up(c, b"a", b"b", b"c", b"d")
        c.ask(b"ms l %d\r\n%s\r\n" % (len(large), large), b"HD\r\n")
        c.ask(b"md a I\r\nmd b I\r\nmd c x\r\nmd l I\r\nmg b\r\nms d 1 C1 I\r\nx\r\n", b"HD\r\nHD\r\nHD\r\nHD\r\nHD X W\r\nHD\r\n")
        assert rend.end() == 0
    with Rend(conf(path), fields='item_size_max = "4MiB";') as rend:
        assert rend.said("as they were left"), rend.tail()
        with rend.client() as c:
            # One after the other: of two that read from the disk at once either may be the first.
            c.ask(b"mg a v\r\nmg b v\r\nmg c v\r\nmg d v\r\nmg l s\r\n",
                  b"VA 3 X W\r\nold\r\nVA 3 Z X\r\nold\r\nVA 0\r\n\r\nVA 1 X W\r\nx\r\nHD s%d X W\r\n" % len(large))
            c.ask(b"mg l s v\r\n", b"VA %d s%d Z X\r\n%s\r\n" % (len(large), len(large), large))
            c.ask(b"ms a 3\r\nnew\r\nms e 3\r\nold\r\nmd e I\r\n", b"HD\r\n" * 3)
        written(rend)
        rend.kill()
    with Rend(conf(path), fields='item_size_max = "4MiB";') as rend:
        assert rend.said("rebuilt"), rend.tail()
        with rend.client() as c:
            c.ask(b"mg a v\r\nmg b v\r\n", b"VA 3\r\nnew\r\nVA 3 X W\r\nold\r\n")
            c.ask(b"mg b v\r\nmg e v\r\nmg l s\r\n", b"VA 3 Z X\r\nold\r\nVA 3 X W\r\nold\r\nHD s%d X W\r\n" % len(large))


def test_behind_a_cache_in_memory():
    """Marks are l1's; what is stale in l2 is never copied as if it were new."""
    with Rend(conf(folder(), **TIERS)) as rend, rend.client() as c:
        talk(c,
             (b"mg k N100 v\r\nmg k N100 v\r\n", b"VA 0 W\r\n\r\nVA 0 Z\r\n\r\n"),
             (b"ms k 3 T100\r\nold\r\n", b"HD\r\n"),
             (b"mg k v R30\r\nmg k v R5000\r\nmg k v R5000\r\n", b"VA 3\r\nold\r\nVA 3 W\r\nold\r\nVA 3 Z\r\nold\r\n"),
             (b"ms k 3 T100\r\nnew\r\nmg k v\r\n", b"HD\r\nVA 3\r\nnew\r\n"),
             (b"md k I\r\nmg k v\r\nmg k v\r\n", b"HD\r\nVA 3 X W\r\nnew\r\nVA 3 Z X\r\nnew\r\n"),
             (b"ms k 3\r\nend\r\nmg k v u\r\n", b"HD\r\nVA 3\r\nend\r\n"),
             (b"md k x\r\nmg k v\r\nmg k v\r\n", b"HD\r\nVA 0\r\n\r\nVA 0\r\n\r\n"),
             # Who comes late leaves a stale one in l2.
             (b"ms k 1 E1000\r\n1\r\nms k 1 C900 I E950\r\n2\r\n", b"HD\r\nHD\r\n"),
             (b"mg k v c\r\nmg k v c\r\nmg k v c\r\n", b"VA 1 c950 X W\r\n2\r\nVA 1 c950 Z X\r\n2\r\nVA 1 c950 Z X\r\n2\r\n"),
             (b"ms k 1 E2000\r\n3\r\nmg k v c\r\n", b"HD\r\nVA 1 c2000\r\n3\r\n"))


# ---- the same as inmem, whatever is asked ----

def commands(seed, count):
    """Versions are given, so both answer the same."""
    rnd, cas = random.Random(seed), 1000
    for _ in range(count):
        key = rnd.choice([b"a", b"b", b"c"])
        cas += rnd.randrange(1, 5)
        given, old = b" E%d" % cas, b" C%d" % (cas - rnd.randrange(1, 9))
        some = lambda *flags: b"".join(b" " + flag for flag in flags if rnd.randrange(3) == 0)
        time = rnd.choice([b"T0", b"T100", b"T1000"])
        kind = rnd.randrange(10)
        if kind < 3:
            data = rnd.choice([b"1", b"22", b"word", b""])
            mode = rnd.choice([b"", b"", b" ME", b" MR", b" MA", b" MP"])
            yield b"ms %s %d%s%s%s\r\n%s\r\n" % (key, len(data), mode, given, some(b"I", old[1:], time, b"F7", b"c", b"s"), data)
        elif kind < 5:
            yield b"md %s%s%s\r\n" % (key, given, some(b"I", b"I", b"x", time, old[1:]))
        elif kind < 6:
            yield b"ma %s%s%s\r\n" % (key, given, some(b"N100", b"J9", b"D5", b"MD", time, b"v", b"c", old[1:]))
        else:
            # An answer without a version could have one of its own.
            yield b"mg %s c%s%s\r\n" % (key, given, some(b"v", b"f", b"s", b"N100", b"R30", b"R500", b"R5000", time, b"u", old[1:]))


def clean(line):
    """The same flag twice is refused, and not what this is about."""
    head, rest = line.split(b"\r\n", 1)
    seen, words = set(), []
    for word in head.split(b" "):
        is_flag = len(words) > (2 if head.startswith(b"ms") else 1)
        if is_flag and word[:1] in seen:
            continue
        if is_flag:
            seen.add(word[:1])
        words.append(word)
    return b" ".join(words) + b"\r\n" + rest


def answer(c, said):
    """All that is heard up to the answer to mn."""
    c.say(said + b"mn\r\n")
    lines = []
    while not lines or lines[-1] != b"MN":
        lines.append(c.line())
    return lines


def test_what_inmem_says():
    memory = """
handlers = { mem = { plugin = "inmem"; }; };
policies = { main = { plugin = "l1only"; l1 = "mem"; }; };
listeners = ( { port = 0; policy = "main"; } );
"""
    seen = set()
    with Rend(conf(folder(), 'reinsert = 90;')) as rend, Rend(memory) as model, rend.client() as c, model.client() as m:
        for seed in range(4):
            for n, said in enumerate(map(clean, commands(seed, 1500))):
                is_, should = answer(c, said), answer(m, said)
                assert is_ == should, (seed, n, said, is_, should)
                seen.update(is_[0].split(b" "))
            c.ask(b"flush_all\r\n", b"OK\r\n")
            m.ask(b"flush_all\r\n", b"OK\r\n")
    assert {b"W", b"X", b"Z", b"EX", b"NF", b"NS", b"HD", b"VA", b"EN"} <= seen, seen


if __name__ == "__main__":
    harness.main()
