"""The log of inmem: memory that is read without a lock, and used again when nobody can be reading it any more.

A segment holds one record here. A set reserves one, writes it, and publishes it in the index; who was there before is dead. What is dead is
given to others after a *grace*: when each thread that was at work has said since that it holds nothing. Two waits hang on it: of a segment that
was cleaned, for readers who found it before; and of one that is full, before it is cleaned, for writers who have not published yet.
"""
from cache import MISS
from explorer import WAIT, Done, record
from world import put

World = record(
    "record",   # per segment: (key, value), each written by itself
    "state",    # per segment: free | (full, epoch) | victim | (limbo, epoch)
    "index",    # per key: segment or None
    "epoch",    # counts; a grace for what happened at E is over when nobody at work has said less than E
    "said",     # per thread: the epoch it said when it began; None: not at work
    "now")
Locals = record("at", "result")


class Log:
    """The knobs are the mutants; as they stand here, it is what log.c and grace.c do."""
    locals = Locals, (None, None)
    readers = True              # (mutant) a segment that was cleaned is free at once
    writers = True              # (mutant) a full segment may be cleaned at once
    say = "first"               # (mutant) late: a reader says that it is at work after it has looked into the index

    def __init__(self, **knobs):
        for k, v in knobs.items():
            assert hasattr(type(self), k), k
            setattr(self, k, v)

    def first(self, op):
        return "begin"

    def spec(self, op):
        return op

    def may_tick(self, begun):
        return True

    def tidy(self, world):
        """Only the order of epochs counts, and only of those that somebody remembers."""
        used = sorted({world.epoch} | {e for e in world.said if e is not None} |
                      {s[1] for s in world.state if isinstance(s, tuple)})
        low = used[0]
        if low > 1:
            world.epoch -= low - 1
            world.said = tuple(None if e is None else e - low + 1 for e in world.said)
            world.state = tuple((s[0], s[1] - low + 1) if isinstance(s, tuple) else s for s in world.state)

    def forget(self, world, thread, position):
        return position

    def line(self, step, op, result):
        return "%s(%s).%s" % (op[0], op[1], step)

    def work(self, c):
        return "r_find" if c.op[0] == "get" else "w_reserve"

    def begin(self, c):
        """grace_say() looks again until what it said is the epoch: that moment is this step."""
        if self.say == "first":
            c.s.said = put(c.s.said, c.who[0], c.s.epoch)
        return self.work(c)

    def end(self, c):
        c.s.said = put(c.s.said, c.who[0], None)
        return Done(c.me.result)

    def r_find(self, c):
        c.me.at = c.s.index[c.key]
        if c.me.at is None:
            return "end"
        return "r_say" if self.say == "late" else "r_key"

    def r_say(self, c):
        c.s.said = put(c.s.said, c.who[0], c.s.epoch)
        return "r_key"

    def r_key(self, c):
        return "r_value" if c.s.record[c.me.at][0] == c.key else "end"

    def r_value(self, c):
        c.me.result = c.s.record[c.me.at][1]
        return "end"

    def w_reserve(self, c):
        free = [i for i, s in enumerate(c.s.state) if s == "free"]
        if not free:
            c.s.said = put(c.s.said, c.who[0], None)    # who waits holds nothing
            return "w_wait"
        c.me.at = free[0]
        c.s.epoch += 1
        c.s.state = put(c.s.state, free[0], ("full", c.s.epoch))
        return "w_key"

    def w_wait(self, c):
        return "begin" if "free" in c.s.state else WAIT

    def w_key(self, c):
        c.s.record = put(c.s.record, c.me.at, (c.key, c.s.record[c.me.at][1]))
        return "w_value"

    def w_value(self, c):
        c.s.record = put(c.s.record, c.me.at, (c.key, c.op[2]))
        return "w_publish"

    def w_publish(self, c):
        c.s.index = put(c.s.index, c.key, c.me.at)
        c.me.result = "ok"
        return "end"

    def over(self, s, epoch):
        return all(e is None or e >= epoch for e in s.said)

    def environment(self, s, live):
        """The cleaner: takes full segments in which nothing is alive."""
        for i, state in enumerate(s.state):
            t = World(World.key(s))
            if state == "victim":
                key = s.record[i][0]
                if key is not None and s.index[key] == i:
                    continue                            # it lives; here that is only tried again
                t.epoch += 1
                t.state = put(t.state, i, ("limbo", t.epoch) if self.readers else "free")
                yield "(segment %d is clean)" % i, t, False
            elif state != "free" and state[0] == "full" and (not self.writers or self.over(s, state[1])):
                t.state = put(t.state, i, "victim")
                yield "(segment %d is to be cleaned)" % i, t, False
            elif state != "free" and state[0] == "limbo" and self.over(s, state[1]):
                t.state = put(t.state, i, "free")
                yield "(segment %d is free)" % i, t, False

    def probe(self, s):
        for key, i in enumerate(s.index):
            there = i is not None and s.record[i][0] == key
            yield key, s.record[i][1] if there else MISS, "get %d" % key


Log.steps = {n: getattr(Log, n) for n in dir(Log) if n[:2] in ("r_", "w_")}
Log.steps.update({"begin": Log.begin, "end": Log.end})


def first_world(segments, threads):
    """Key 0 is 0, in segment 0; key 1 is nowhere."""
    return World((((0, 0),) + ((None, None),) * (segments - 1), (("full", 0),) + ("free",) * (segments - 1), (0, None), 1,
                  (None,) * threads, 0))
