"""The protocols of an L1 in the process of the proxy: guard words beside a table."""
from cache import MISS, apply
from explorer import WAIT, Done
from protocol import Protocol
from world import alive, copy, put


class InProcess(Protocol):
    """Guard words beside L1. The steps between `check` and `insert` run under L1's bucket lock, which readers of L1 need too."""
    fill = "token"              # token: only if the guard is as before the read | add | set: unchecked
    lock = True                 # check and insert are one critical section
    reply = "after"             # after: the promotion is tried before the answer | aside
    drop_first = True
    publish = "alone"           # alone | always | loose (nobody else now) | never
    delete = "always"           # always | if_l2_had
    deleted = "l2"              # whose answer is the answer to a delete: l2 | either
    mark = "alone"              # md I: alone: when L2 has deleted, L1's copy is marked if nobody else writes; else, or if L2 did not, it is
                                # dropped | first: marked before L2 is asked | drop: as a delete
    touch = "alone"             # alone: L1 takes the shorter time first, the new one after L2 if nobody else wrote |
                                # late: without the first half | always | never_expires (Rend's batch gat)

    def first(self, op):
        kind = op[0]
        if kind in ("get", "bget"):
            return "g_l1"
        if kind == "flush":
            return "f_begin" if self.flush == "guarded" else "f_l2"
        return "m_begin"

    def l1(self, c):
        return alive(c.s.l1[c.key], c.s.now)

    def take(self, c):
        if c.s.bucket[c.key] is not None:
            return False
        if self.lock:
            c.s.bucket = put(c.s.bucket, c.key, c.who)
        return True

    def give(self, c):
        c.s.bucket = put(c.s.bucket, c.key, None)

    # get: L1; load the guard; L2; check + insert
    def g_l1(self, c):
        if c.s.bucket[c.key] is not None:
            return WAIT
        item = self.l1(c)
        if item is not MISS:
            return Done(item[0])
        return "g_l2" if c.op[0] == "bget" else "g_load"

    def g_load(self, c):
        c.me.word = self.load(c)
        if self.join and self.join_or_lead(c, c.me.word, self.quiet(c, c.me.word)):
            return "g_wait"
        return "g_l2"

    def g_l2(self, c):
        c.me.value = item = alive(c.s.l2[c.key], c.s.now)
        if item is MISS or c.op[0] == "bget":
            return self.landed(c, MISS if item is MISS else item[0])
        if self.reply == "aside":
            c.s.mail += (("promote", self.where(c.proxy, c.op), c.key, item, c.me.word),)
            return self.landed(c, item[0])
        return "g_check"

    def g_check(self, c):
        if not self.take(c):
            return WAIT
        if self.fill == "token" and not self.quiet(c, c.me.word):
            self.give(c)
            return self.landed(c, c.me.value[0])
        return "g_insert"

    def g_insert(self, c):
        if not self.lock and c.s.bucket[c.key] is not None:
            return WAIT
        if self.fill == "set" or self.l1(c) is MISS:
            c.s.l1 = put(c.s.l1, c.key, c.me.value)
        self.give(c)
        return self.landed(c, c.me.value[0])

    # mutations: begin; drop L1; L2; check + publish; end
    def m_begin(self, c):
        if self.begin(c) is WAIT:
            return WAIT
        if self.spec(c.op)[0] in ("touch", "gat"):
            return "m_l2" if self.touch != "alone" else "m_shorten"
        if c.op[0] == "mark" and self.mark != "drop":
            return "m_mark" if self.mark == "first" else "m_l2"
        return "m_drop" if self.drop_first else "m_l2"

    def m_shorten(self, c):
        """touch, gat: L1 keeps the value, but from now on for the shorter of both times."""
        if c.s.bucket[c.key] is not None:
            return WAIT
        item = self.l1(c)
        if item is not MISS:
            c.s.l1 = put(c.s.l1, c.key, (item[0], item[1] if 0 < item[1] < (c.op[2] or 9) else c.op[2]))
        return "m_l2"

    def m_mark(self, c):
        """One critical section."""
        if c.s.bucket[c.key] is not None:
            return WAIT
        item = self.l1(c)
        if item is not MISS and self.still_alone(c):
            c.s.l1 = put(c.s.l1, c.key, apply(("mark", c.key), item, c.s.now)[0])
        else:
            c.s.l1 = put(c.s.l1, c.key, MISS)
        return "m_l2" if self.mark == "first" else "m_end"

    def m_unmark(self, c):
        if c.s.bucket[c.key] is not None:
            return WAIT
        c.s.l1 = put(c.s.l1, c.key, MISS)
        return "m_end"

    def m_drop(self, c):
        if c.s.bucket[c.key] is not None:
            return WAIT
        c.me.had = self.l1(c) is not MISS
        c.s.l1 = put(c.s.l1, c.key, MISS)
        return "m_l2"

    def m_l2(self, c):
        kind = self.spec(c.op)[0]
        if self.rmw == "split" and kind in ("incr", "append"):
            item = alive(c.s.l2[c.key], c.s.now)
            if item is MISS:
                c.me.result = "none" if kind == "append" else MISS
                return "m_check"
            c.me.value, c.me.result = apply(self.spec(c.op), item, c.s.now)
            return "m_write_l2"
        res = self.ask_l2(c)
        if res == "error" and self.lost == "leave":     # Rend: report the error, L1 is not touched
            return "m_end"
        if kind in ("touch", "gat"):
            return "m_touch"
        if kind == "mark":
            if res != "ok":
                return "m_unmark"
            return "m_end" if self.mark in ("first", "drop") else "m_mark"
        if res == "none" and kind == "del" and self.delete == "if_l2_had":
            return "m_end"
        if res == "none" and kind == "del" and self.deleted == "either" and c.me.had:
            c.me.result = "ok"
        if res in ("error", "refused"):
            return "m_end" if self.drop_first else "m_drop_last"
        if self.rmw == "both" and kind in ("incr", "append"):
            return "m_l1_too"
        return "m_check"

    def m_write_l2(self, c):
        c.s.l2 = put(c.s.l2, c.key, c.me.value)
        return "m_check"

    def m_l1_too(self, c):                              # Rend: the same command again, in L1
        if c.s.bucket[c.key] is not None:
            return WAIT
        c.s.l1 = put(c.s.l1, c.key, apply(c.op, c.s.l1[c.key], c.s.now)[0])
        return "m_end"

    def m_drop_last(self, c):
        if c.s.bucket[c.key] is not None:
            return WAIT
        c.s.l1 = put(c.s.l1, c.key, MISS)
        return "m_end"

    def m_check(self, c):
        if not self.take(c):
            return WAIT
        alone = {"alone": self.still_alone(c), "always": True, "never": False,
                 "loose": c.me.word[0] == self.load(c)[0] and self.load(c)[1] == 1}[self.publish]
        if c.op[0].startswith("b") and not c.me.had:
            alone = False                               # batch: refresh what was hot, warm nothing
        if alone and c.me.value is not MISS:
            return "m_publish"
        if not self.drop_first:
            c.s.l1 = put(c.s.l1, c.key, MISS)
        self.give(c)
        return "m_end"

    def m_publish(self, c):
        if not self.lock and c.s.bucket[c.key] is not None:
            return WAIT
        c.s.l1 = put(c.s.l1, c.key, c.me.value)
        self.give(c)
        return "m_end"

    def m_touch(self, c):
        """L1 follows only if alone; one critical section, because touch is one step inside L1."""
        if c.s.bucket[c.key] is not None:
            return WAIT
        item, at = self.l1(c), c.op[2]
        if self.touch == "never_expires":
            at = 0
        if item is not MISS:
            took = c.me.result not in ("none", MISS, "error", "refused")
            stay = took and (self.touch in ("always", "never_expires") or self.still_alone(c))
            if stay or took or self.touch in ("alone", "late"):
                c.s.l1 = put(c.s.l1, c.key, (item[0], at) if stay else MISS)
        return "m_end"

    def m_end(self, c):
        return self.end(c)

    # flush_all: a mutation of every key
    def f_begin(self, c):
        if self.queue and self.flush_queues and not self.own(c, range(len(c.s.l2))):
            return WAIT
        self.add_all(c, 1, 1)
        return "f_l1"

    def f_l1(self, c):
        if any(b is not None for b in c.s.bucket):
            return WAIT
        c.s.l1 = (MISS,) * len(c.s.l1)
        return "f_l2" if self.flush == "guarded" else Done("ok")

    def f_l2(self, c):
        c.s.l2 = (MISS,) * len(c.s.l2)
        return "f_end" if self.flush == "guarded" else "f_l1"

    def f_end(self, c):
        self.add_all(c, 0, -1)
        if self.queue and self.flush_queues:
            self.disown(c, range(len(c.s.l2)))
        return Done("ok")

    def tidy(self, s):
        """A promotion whose epoch has passed can do nothing any more."""
        if s.mail:
            s.mail = tuple(m for m in s.mail if s.word[m[1][0]][m[1][1]][0] == m[4][0])

    def environment(self, s, live):
        yield from super().environment(s, live)
        for i, (_, (r, slot), k, item, word) in enumerate(s.mail):
            if s.bucket[k] is None:
                t = copy(s)
                t.mail = s.mail[:i] + s.mail[i + 1:]
                if alive(t.l1[k], t.now) is MISS and word == t.word[r][slot] and word[1] == 0:
                    t.l1 = put(t.l1, k, item)
                yield "(the promotion of %s runs)" % (item[0],), t, False


InProcess.steps = {n: getattr(InProcess, n) for n in dir(InProcess) if n[1] == "_" and n[0] in "gmf"}
