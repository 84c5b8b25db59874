"""The index of inmem: buckets read without a lock, entries that live in another bucket than their own, and growth.

Six buckets of one slot: 0, 1, 2 are the old page, 3, 4, 5 the new one, and key K's home in the new page is its old one + 3. A key whose home is full
lives in another bucket of the same page. A slot changes under the lock of its item's *home*; an empty one is claimed by compare-and-swap, so nobody
ever takes the lock of a foreign bucket. A reader takes no lock at all: what it must not do is miss a key that was there all the time.
"""
from cache import MISS
from explorer import WAIT, Done, record
from world import put

HOME = (0, 0, 1)                # of keys 0, 1, 2
OTHER = (1, 2, 2)               # where else they may live
MOVES = (True, False, True)     # whether the new page is theirs
PAGE = 3                        # buckets in a page

World = record(
    "slot",     # per bucket: (key, value) or None
    "lock",     # per bucket: who has it
    "away",     # per bucket: how many entries of this home live elsewhere
    "mark",     # per bucket: have its entries gone to the new page?
    "grown",    # published: the new page counts
    "grower",   # None: nobody grows it; else (home, phase)
    "now")
Locals = record("page", "at", "old", "result")


def at(page, bucket):
    return page * PAGE + bucket


class Index:
    """The knobs are the mutants; as they stand here, it is what index.c does."""
    locals = Locals, (0, None, None, None)
    claim = "swap"              # (mutant) store: an empty slot is looked at, then written
    displace = "copy"           # (mutant) put: the new entry is stored before the old one is somewhere else
    count = "first"             # (mutant) last: the bucket that lost an entry says so after it has gone
    scan = "home"               # (mutant) count: a reader asks how many are away before it has looked at home
    look = "lock"               # (mutant) before: a writer looks whether the home has gone before it has the lock
    follow = True               # (mutant) a reader does not follow a home that has gone
    grow = "mark"               # (mutant) clear: entries are cleared before the home is marked
    migrate = "all"             # (mutant) home: what lives elsewhere stays behind
    publish = "last"            # (mutant) first: the new page counts before all is there

    def __init__(self, **knobs):
        for k, v in knobs.items():
            assert hasattr(type(self), k), k
            setattr(self, k, v)

    # ---- what the explorer asks

    def first(self, op):
        return "r_begin" if op[0] == "get" else "w_begin"

    def spec(self, op):
        return op

    def may_tick(self, begun):
        return True

    def tidy(self, world):
        pass

    def forget(self, world, thread, position):
        return position

    def line(self, step, op, result):
        return "%s(%s).%s" % (op[0], op[1], step)

    def page(self, c):
        return 1 if c.s.grown and MOVES[c.key] else 0

    def home(self, c):
        return at(c.me.page, HOME[c.key])

    def other(self, c, key=None):
        return at(c.me.page, OTHER[c.key if key is None else key])

    def holds(self, s, bucket, key):
        return s.slot[bucket] is not None and s.slot[bucket][0] == key

    # ---- get: home, how many are away, elsewhere, and whether the home has gone

    def r_begin(self, c):
        c.me.page = self.page(c)
        return "r_home" if self.scan == "home" else "r_count_first"

    def r_count_first(self, c):
        c.me.at = c.s.away[self.home(c)]
        return "r_home"

    def r_home(self, c):
        if self.holds(c.s, self.home(c), c.key):
            return Done(c.s.slot[self.home(c)][1])
        return "r_count" if self.scan == "home" else "r_other" if c.me.at else "r_mark"

    def r_count(self, c):
        return "r_other" if c.s.away[self.home(c)] else "r_mark"

    def r_other(self, c):
        if self.holds(c.s, self.other(c), c.key):
            return Done(c.s.slot[self.other(c)][1])
        return "r_mark"

    def r_mark(self, c):
        if self.follow and c.me.page == 0 and MOVES[c.key] and c.s.mark[self.home(c)]:
            c.me.page = 1
            return "r_home"
        return Done(MISS)

    # ---- set, del: under the lock of the home

    def gone(self, c):
        return c.me.page == 0 and MOVES[c.key] and c.s.mark[self.home(c)]

    def w_begin(self, c):
        c.me.page = self.page(c)
        if self.look == "before" and self.gone(c):
            c.me.page = 1
        return "w_lock"

    def w_lock(self, c):
        if c.s.lock[self.home(c)] is not None:
            return WAIT
        c.s.lock = put(c.s.lock, self.home(c), c.who)
        return "w_look"

    def w_look(self, c):
        if self.look == "lock" and self.gone(c):
            c.s.lock = put(c.s.lock, self.home(c), None)
            c.me.page = 1
            return "w_lock"
        found = [b for b in (self.home(c), self.other(c)) if self.holds(c.s, b, c.key)]
        c.me.result = "ok"
        if c.op[0] == "set":
            if not found:
                return "w_claim"
            c.s.slot = put(c.s.slot, found[0], (c.key, c.op[2]))
            return "w_end"
        if not found:
            c.me.result = "none"
            return "w_end"
        c.s.slot = put(c.s.slot, found[0], None)
        return "w_uncount" if found[0] == self.other(c) else "w_end"

    def w_uncount(self, c):
        self.add(c.s, self.home(c), -1)
        return "w_end"

    def add(self, s, bucket, n):
        s.away = put(s.away, bucket, s.away[bucket] + n)

    def claim_at(self, c, bucket, entry, then, full):
        """An empty slot is taken in one step; else somebody else's entry may be overwritten."""
        if c.me.old == "empty":
            c.me.old = None
        elif c.s.slot[bucket] is not None:
            return full
        elif self.claim == "store":
            c.me.old = "empty"
            return None
        c.s.slot = put(c.s.slot, bucket, entry)
        return then

    def w_claim(self, c):
        return self.claim_at(c, self.home(c), (c.key, c.op[2]), "w_end", "w_claim_other") or "w_claim"

    def w_claim_other(self, c):
        return self.claim_at(c, self.other(c), (c.key, c.op[2]), "w_count", "w_displace") or "w_claim_other"

    def w_count(self, c):
        self.add(c.s, self.home(c), 1)
        return "w_end"

    # One of this home's entries makes room: it is copied, counted, and then overwritten.
    def w_displace(self, c):
        old = c.s.slot[self.home(c)]
        if old is None:
            return "w_claim"
        if HOME[old[0]] != HOME[c.key]:
            return WAIT                                 # evicts in earnest; the programs leave room
        if self.displace == "put":
            c.s.slot = put(c.s.slot, self.home(c), (c.key, c.op[2]))
            c.me.at = old
            return "w_copy_late"
        if c.s.slot[self.other(c, old[0])] is not None:
            return WAIT
        c.s.slot = put(c.s.slot, self.other(c, old[0]), old)
        return "w_displaced" if self.count == "first" else "w_put"

    def w_copy_late(self, c):
        if c.s.slot[self.other(c, c.me.at[0])] is not None:
            return WAIT
        c.s.slot = put(c.s.slot, self.other(c, c.me.at[0]), c.me.at)
        return "w_count"

    def w_displaced(self, c):
        self.add(c.s, self.home(c), 1)
        return "w_put"

    def w_put(self, c):
        c.s.slot = put(c.s.slot, self.home(c), (c.key, c.op[2]))
        return "w_end" if self.count == "first" else "w_count"

    def w_end(self, c):
        c.s.lock = put(c.s.lock, self.home(c), None)
        return Done(c.me.result)

    # ---- growth: home by home, under its lock and that of the new home, in this order

    def moving(self, s, home):
        """Entries of this home that belong into the new page: (bucket, entry)."""
        buckets = range(PAGE) if self.migrate == "all" else (home,)
        return [(b, s.slot[b]) for b in buckets
                if s.slot[b] is not None and HOME[s.slot[b][0]] == home and MOVES[s.slot[b][0]]]

    def environment(self, s, live):
        if s.grower is None:
            return
        home, phase = s.grower
        t = World(World.key(s))
        if phase == "lock":
            if self.publish == "first":
                t.grown = True
            if t.lock[home] is not None or t.lock[home + PAGE] is not None:
                return
            t.lock = put(put(t.lock, home, "grower"), home + PAGE, "grower")
            t.grower = home, "copy"
        elif phase == "copy":
            for bucket, entry in self.moving(t, home):
                to = at(1, HOME[entry[0]])
                if t.slot[to] is None:
                    t.slot = put(t.slot, to, entry)
                elif t.slot[at(1, OTHER[entry[0]])] is None:
                    self.add(t, to, 1)
                    t.slot = put(t.slot, at(1, OTHER[entry[0]]), entry)
                else:
                    return
            t.grower = home, "mark" if self.grow == "mark" else "clear"
        elif phase == "mark":
            t.mark = put(t.mark, home, True)
            t.grower = home, "clear" if self.grow == "mark" else "unlock"
        elif phase == "clear":
            for bucket, _ in self.moving(t, home):
                t.slot = put(t.slot, bucket, None)
                if bucket != home:
                    self.add(t, home, -1)
            t.grower = home, "unlock" if self.grow == "mark" else "mark"
        else:
            t.lock = put(put(t.lock, home, None), home + PAGE, None)
            t.grower = (home + 1, "lock") if home + 1 < 2 else None
            t.grown = t.grown or t.grower is None
        yield "(%s of home %d)" % (phase, home), t, False

    # ---- the end: what a reader finds, and, when nothing is being sorted, whether each key lies once and is counted

    def probe(self, s):
        for key, home in enumerate(HOME):
            pages = [0] if not (s.grown and MOVES[key]) else []
            pages += [1] if MOVES[key] and (s.grown or s.mark[home]) else []
            places = [b for page in pages for b in (at(page, home), at(page, OTHER[key]))
                      if self.holds(s, b, key) and (b == at(page, home) or s.away[at(page, home)])]
            yield key, s.slot[places[0]][1] if places else MISS, "get %d" % key
            if s.grower is None and len([e for e in s.slot if e is not None and e[0] == key]) != len(places):
                yield key, "twice", "key %d lies in two places, or where nobody looks" % key
        for home in (0, 1, 3, 4):
            lives = [b for b, e in enumerate(s.slot) if e is not None and b != home and at(b // PAGE, HOME[e[0]]) == home]
            if s.grower is None and s.away[home] != len(lives):
                yield 0, "away", "home %d says that %d are away, and it is %d" % (home, s.away[home], len(lives))


Index.steps = {n: getattr(Index, n) for n in dir(Index) if n[:2] in ("r_", "w_")}


def first_world(slots, grows):
    """slots: {bucket: (key, value)}."""
    away = [0] * 2 * PAGE
    for bucket, (key, _) in slots.items():
        if bucket != HOME[key]:
            away[HOME[key]] += 1
    return World((tuple(slots.get(b) for b in range(2 * PAGE)), (None,) * 2 * PAGE, tuple(away), (False,) * 2 * PAGE, False,
                  (0, "lock") if grows else None, 0))
