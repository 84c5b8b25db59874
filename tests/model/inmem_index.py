"""The index of inmem: buckets read without a lock, entries that live in another bucket than their own, growth and shrinkage.

Six buckets of one slot: 0, 1, 2 are the old page, 3, 4, 5 the last one, and key K's home in the last page is its old one + 3. A key whose home is full
lives in another bucket of the same page. A slot changes under the lock of its item's *home*; an empty one is claimed by compare-and-swap, so nobody
ever takes the lock of a foreign bucket. A reader takes no lock at all: what it must not do is miss a key that was there all the time.

The last page comes and goes as a plan says. To take it away is growth run backwards, from where it would have ended: the number of pages is the
lower one from the beginning, and who comes to a home that has not come back yet follows its mark. So it can turn round at any home, and does where
one finds no room. What growth never does is move an entry back to where a reader has been already: each time that happens is counted, in the
same word as the number of pages; who would say that there is no such key, or has locked a home, looks whether the count is still the same.

What is one step here and several in C: to copy all of a home, with those who make way for it, to undo that where there is no room for one of them, and
to clear all of it. (Whatever others find meanwhile is right: the original stays until all copies are there, or none is.) And there is one set with two
pages at most: that marks are followed over several pages, one after the other, is only tested.
"""
from cache import MISS
from explorer import WAIT, Done, record
from world import put

HOME = (0, 0, 1)                # of keys 0, 1, 2
OTHER = (1, 2, 2)               # where else they may live
MOVES = (True, False, True)     # whether the last page is theirs
PAGE = 3                        # buckets in a page
HOMES = 2                       # of them, with a key
FORGOTTEN = "forgotten"         # what nobody may look at

World = record(
    "slot",     # per bucket: (key, value) or None
    "lock",     # per bucket: who has it
    "away",     # per bucket: how many entries of this home live elsewhere
    "mark",     # per bucket: have its entries gone to the last page?
    "grown",    # published: the last page counts
    "back",     # in the same word: so many homes have come back from the last page
    "grower",   # None: nobody sorts; else (way, home, phase)
    "plan",     # what is to come: "grow", "shrink"
    "busy",     # who is in the middle of an op
    "grace",    # None: the last page is in use; else those who may still look at it, or FORGOTTEN
    "now")
Locals = record("page", "at", "old", "result", "seen")


def at(page, bucket):
    return page * PAGE + bucket


class Index:
    """The knobs are the mutants; as they stand here, it is what index.c does."""
    locals = Locals, (0, None, None, None, None)
    claim = "swap"              # (mutant) store: an empty slot is looked at, then written
    displace = "copy"           # (mutant) put: the new entry is stored before the old one is somewhere else
    count = "first"             # (mutant) last: the bucket that lost an entry says so after it has gone
    scan = "home"               # (mutant) count: a reader asks how many are away before it has looked at home
    where = "lock"              # (mutant) before: a writer looks whether the home has gone before it has the lock
    follow = True               # (mutant) a reader does not follow a home that has gone
    grow = "mark"               # (mutant) clear: entries are cleared before the home is marked
    migrate = "all"             # (mutant) home: what lives elsewhere stays behind
    publish = "last"            # (mutant) first: the new page counts before all is there
    again = True                # (mutant) a reader does not look whether something has come back meanwhile
    check = True                # (mutant) nor does a writer that has the lock
    count_back = "copy"         # (mutant) lock, mark, clear: what comes back is not counted just when it has been copied, but behind these
    reduce = "first"            # (mutant) last: the number of pages is the lower one only when all have come back
    full = "turn"               # (mutant) drop: what finds no room when it comes back is gone
    wait = True                 # (mutant) the last page is forgotten while somebody may still look at it

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

    def look(self, c):
        """The word with the number of pages and the count."""
        c.me.page, c.me.seen = self.page(c), c.s.back

    def done(self, c, result):
        c.s.busy -= {c.who}
        if isinstance(c.s.grace, frozenset):
            c.s.grace -= {c.who}
        return Done(result)

    def r_begin(self, c):
        c.s.busy |= {c.who}
        self.look(c)
        return "r_home" if self.scan == "home" else "r_count_first"

    def r_count_first(self, c):
        c.me.at = c.s.away[self.home(c)]
        return "r_home"

    def late(self, c):
        return c.me.page == 1 and c.s.grace == FORGOTTEN

    def r_home(self, c):
        if self.late(c):
            return self.done(c, FORGOTTEN)
        if self.holds(c.s, self.home(c), c.key):
            return self.done(c, c.s.slot[self.home(c)][1])
        return "r_count" if self.scan == "home" else "r_other" if c.me.at else "r_mark"

    def r_count(self, c):
        return "r_other" if c.s.away[self.home(c)] else "r_mark"

    def r_other(self, c):
        if self.holds(c.s, self.other(c), c.key):
            return self.done(c, c.s.slot[self.other(c)][1])
        return "r_mark"

    def r_mark(self, c):
        if self.follow and c.me.page == 0 and MOVES[c.key] and c.s.mark[self.home(c)]:
            c.me.page = 1
            return "r_home"
        return "r_again"

    def r_again(self, c):
        if self.again and c.s.back != c.me.seen:
            self.look(c)
            return "r_home"
        return self.done(c, MISS)

    # ---- set, del: under the lock of the home

    def gone(self, c):
        return c.me.page == 0 and MOVES[c.key] and c.s.mark[self.home(c)]

    def w_begin(self, c):
        c.s.busy |= {c.who}
        self.look(c)
        if self.where == "before" and self.gone(c):
            c.me.page = 1
        return "w_lock"

    def w_lock(self, c):
        if self.late(c):
            return self.done(c, FORGOTTEN)
        if c.s.lock[self.home(c)] is not None:
            return WAIT
        c.s.lock = put(c.s.lock, self.home(c), c.who)
        return "w_look"

    def w_look(self, c):
        if self.where == "lock" and self.gone(c):
            c.s.lock = put(c.s.lock, self.home(c), None)
            c.me.page = 1
            return "w_lock"
        if self.check and c.s.back != c.me.seen:
            c.s.lock = put(c.s.lock, self.home(c), None)
            self.look(c)
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
        return self.done(c, c.me.result)

    # ---- growth and shrinkage: home by home, under its lock and that of its like in the last page

    def moving(self, s, home, page=0):
        """Entries of this home, in this page, that belong into the other: (bucket, entry)."""
        buckets = range(at(page, 0), at(page, PAGE)) if self.migrate == "all" else (at(page, home),)
        return [(b, s.slot[b]) for b in buckets
                if s.slot[b] is not None and HOME[s.slot[b][0]] == home and MOVES[s.slot[b][0]]]

    def copy(self, s, home, page):
        """What moves, from this page to the other. False: there is no room for all of it, and nothing has changed."""
        slot, away = s.slot, s.away
        for _, entry in self.moving(s, home, page):
            to = at(1 - page, home)
            if s.slot[to] is None:
                s.slot = put(s.slot, to, entry)
            elif s.slot[at(1 - page, OTHER[entry[0]])] is None:
                self.add(s, to, 1)
                s.slot = put(s.slot, at(1 - page, OTHER[entry[0]]), entry)
            elif page == 0 or self.full == "turn":
                s.slot, s.away = slot, away
                return False
        return True

    def clear(self, s, home, page):
        for bucket, _ in self.moving(s, home, page):
            s.slot = put(s.slot, bucket, None)
            if bucket != at(page, home):
                self.add(s, at(page, home), -1)

    def begin(self, s):
        way, s.plan = s.plan[0], s.plan[1:]
        if way == "grow":
            s.grower = "up", 0, "lock"
            s.grace = None
        else:
            s.grower = "down", HOMES - 1, "lock"
            s.grown = s.grown and self.reduce == "last"

    def unlock(self, s, home):
        s.lock = put(put(s.lock, home, None), home + PAGE, None)

    def up(self, s, home):
        """The next home is to be sorted into the last page; or all are there."""
        s.grower = ("up", home, "lock") if home < HOMES else None
        s.grown = s.grown or s.grower is None

    def down(self, s, home):
        """The same for those that come back."""
        s.grower = ("down", home, "lock") if home >= 0 else None
        if home < 0:
            s.grown = False
            s.grace = s.busy

    def phases(self, way):
        if way == "up":
            return ("lock", "copy", "mark", "clear", "unlock") if self.grow == "mark" else ("lock", "copy", "clear", "mark", "unlock")
        phases = ["lock", "copy", "mark", "clear", "unlock"]
        phases.insert(("lock", "copy", "mark", "clear").index(self.count_back) + 1, "count")
        return phases

    def environment(self, s, live):
        t = World(World.key(s))
        if s.grower is None:
            if isinstance(s.grace, frozenset) and not (self.wait and s.grace):
                t.grace = FORGOTTEN
                yield "(the last page is forgotten)", t, False
                t = World(World.key(s))
            if s.plan:
                self.begin(t)
                yield "(%s)" % s.plan[0], t, False
            return
        way, home, phase = s.grower
        page = 0 if way == "up" else 1                  # from there they move to the other
        if phase == "lock":
            if self.publish == "first":
                t.grown = True
            if t.lock[home] is not None or t.lock[home + PAGE] is not None:
                return
            t.lock = put(put(t.lock, home, "grower"), home + PAGE, "grower")
        elif phase == "copy" and not self.copy(t, home, page):
            if way == "up":
                return
            self.unlock(t, home)
            self.up(t, home + 1)
        elif phase == "count":
            t.back += 1
        elif phase == "mark":
            t.mark = put(t.mark, home, way == "up")
        elif phase == "clear":
            self.clear(t, home, page)
        elif phase == "unlock":
            self.unlock(t, home)
            if way == "up":
                self.up(t, home + 1)
            else:
                self.down(t, home - 1)
        if t.grower == s.grower:
            phases = self.phases(way)
            t.grower = way, home, phases[phases.index(phase) + 1]
        yield "(%s: %s of home %d)" % (way, phase, home), t, False

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


def first_world(slots, plan, grown):
    """slots: {bucket: (key, value)}."""
    away = [0] * 2 * PAGE
    for bucket, (key, _) in slots.items():
        home = at(bucket // PAGE, HOME[key])
        if bucket != home:
            away[home] += 1
    return World((tuple(slots.get(b) for b in range(2 * PAGE)), (None,) * 2 * PAGE, tuple(away),
                  tuple(grown and b < HOMES for b in range(2 * PAGE)), grown, 0, None, tuple(plan), frozenset(), None, 0))
