"""What the protocols share, wherever L1 is: the guard, the queue of `locked`, L2 and its failures, the environment."""
from cache import MISS, apply
from explorer import WAIT, Done
from world import DEAD, NONE, alive, copy, left, put, spend


class Protocol:
    """What both kinds of L1 share: the guard, L2 and its failures, the environment."""
    proxies = 1
    several = False             # does each proxy have a guard of its own?
    rmw = "l2"                  # l2: L2 computes | split: read, compute, write | both: the same arithmetic in both tiers
    queue = False               # mutations of one key wait for each other (`locked`)
    flush_queues = True         # with queue: flush_all owns every key, too
    own_queue = False           # (mutant) the batch listener has a lock set of its own
    lost = "hold"               # a write whose fate is unknown: hold its place in the guard | release it | leave L1 as it was
    join = None                 # None | naive | safe
    flush = "guarded"           # guarded | plain

    def __init__(self, **knobs):
        for k, v in knobs.items():
            assert hasattr(type(self), k), k
            setattr(self, k, v)

    def forget(self, s, thread, position):
        """Words and tokens that cannot match any more are all alike: fewer states."""
        idx, step, loc = position
        if step is None or step == "g_wait":
            return position
        proxy, prog = thread
        op, word, token = prog[idx], loc[0], loc[2]
        if word is not None and word != DEAD:
            r, k = self.where(proxy, op)
            if word[0] != s.word[r][k][0]:
                word = DEAD
        if token is not None and token != NONE and self.dead_token(s, op[1], token):
            token = NONE
        if word is loc[0] and token is loc[2]:
            return position
        return idx, step, (word, loc[1], token) + loc[3:]

    def dead_token(self, s, key, token):
        return False

    # --- the guard: word = epoch | writers, in one atomic operation each

    def row(self, proxy):
        return proxy if self.several else 0

    alias = False               # two keys in one slot
    calm = False                # no expiry passes while the op that sets it is unanswered
    own_guard = False           # (mutant) the batch policy has a guard of its own

    def where(self, proxy, op):
        r = 1 if self.own_guard and op[0].startswith("b") else self.row(proxy)
        return r, 0 if self.alias else op[1]

    def load(self, c):
        r, k = self.where(c.proxy, c.op)
        return c.s.word[r][k]

    def add(self, s, where, epoch, writers):
        r, k = where
        e, n = s.word[r][k]
        s.word = put(s.word, r, put(s.word[r], k, (e + epoch, n + writers)))

    def quiet(self, c, word):
        """Is the guard as it was, with nobody writing?"""
        return word == self.load(c) and word[1] == 0

    def begin(self, c):
        """fetch_add(epoch + 1, writers + 1)"""
        if self.queue and not self.own(c, (c.key,)):
            return WAIT
        c.me.alone = self.load(c)[1] == 0
        self.add(c.s, self.where(c.proxy, c.op), 1, 1)
        c.me.word = self.load(c)
        return None

    def places(self, c, keys):
        """Where these keys stand in the queue: behind them, those of the second lock set."""
        n = len(c.s.l2) if self.own_queue and c.op[0].startswith("b") else 0
        return [k + n for k in keys]

    def own(self, c, keys):
        """Wait for the keys, all at once. False: somebody has one."""
        places = self.places(c, keys)
        if any(c.s.queue[i] is not None for i in places):
            return False
        for i in places:
            c.s.queue = put(c.s.queue, i, c.who)
        return True

    def disown(self, c, keys):
        for i in self.places(c, keys):
            c.s.queue = put(c.s.queue, i, None)

    def add_all(self, c, epoch, writers):
        """flush_all: a mutation of every key is one in every word"""
        r = self.row(c.proxy)
        for k in range(len(c.s.word[r])):
            self.add(c.s, (r, k), epoch, writers)

    def still_alone(self, c):
        return c.me.alone and c.me.word == self.load(c)

    def end(self, c):
        """fetch_sub(writers), answer"""
        if c.me.result == "error" and self.lost == "hold":      # as good as still writing: it keeps its place
            c.s.held += ((c.who,) + self.where(c.proxy, c.op),)
        else:
            self.add(c.s, self.where(c.proxy, c.op), 0, -1)
        return self.leave(c)

    def leave(self, c):
        if self.queue:
            self.disown(c, (c.key,))
        return Done(c.me.result)

    # --- L2: atomic per key; it may refuse, or its answer may get lost

    def spec(self, op):
        """A batch op promises what the op without the b does."""
        return ((op[0][1:] if op[0] in ("bset", "bget", "bdel", "bgat", "btouch", "bincr") else op[0]),) + op[1:]

    def asked_of_l2(self, op):
        """L2 knows nothing of marks: there, what is marked in L1 is deleted."""
        return ("del",) + op[1:] if op[0] == "mark" else self.spec(op)

    def ask_l2(self, c):
        """Run a mutation in L2. me.result = its answer, or "refused", or "error"; me.value = the item to publish, if known."""
        op, k = self.asked_of_l2(c.op), c.key
        ways = ["ok"]
        if left(c.s, "refuse"):
            ways += ["refused"]
        if left(c.s, "lose"):
            ways += ["lost, done", "lost, still on its way"]
        way = ways[c.choose(len(ways))]
        if way == "refused":
            spend(c.s, "refuse")
            c.me.result = "refused"
        elif way == "lost, still on its way":
            spend(c.s, "lose")
            c.s.late += ((c.who, k, op),)
            c.me.result = "error"
        else:
            new, c.me.result = apply(op, c.s.l2[k], c.s.now)
            c.s.l2 = put(c.s.l2, k, new)
            took = c.me.result not in ("no", "none", "exists", MISS)
            c.me.value = new if took and op[0] not in ("append", "touch") else MISS
            if way == "lost, done":
                spend(c.s, "lose")
                c.me.result, c.me.value = "error", MISS
        return c.me.result

    # --- the end

    def in_l1(self, item):
        """How L1 keeps an item."""
        return item

    def found_in_l1(self, s, key):
        return s.l1[key]

    def probe(self, s):
        """A reader that asks L1, then L1 evicts, then a reader again: a copy that differs from L2 is found even if no program reads it."""
        for k in range(len(s.l1)):
            copied, truth = alive(self.found_in_l1(s, k), s.now), alive(s.l2[k], s.now)
            if copied is not MISS:
                yield k, copied[0], "get"
            yield k, MISS if truth is MISS else truth[0], "L1 evicts, get"

    # --- the environment: what may happen at any time

    def may_tick(self, begun):
        """With calm, no time passes while the op that sets it is unanswered."""
        return not (self.calm and any(("touch" in op[0] or op[0][-3:] in ("gat", "set")) and op[-1] == 1 for op in begun))

    def environment(self, s, live):
        for k in range(len(s.l1)):
            if s.l1[k] is not MISS and s.bucket[k] is None:
                t = copy(s)
                if live and spend(t, "evict1"):
                    t.l1 = put(t.l1, k, MISS)
                    yield "(L1 evicts)", t, False
            if s.l2[k] is not MISS:
                t = copy(s)
                if live and spend(t, "evict2"):
                    t.l2 = put(t.l2, k, MISS)
                    yield "(L2 evicts)", t, False
        for i, (who, k, op) in enumerate(s.late):
            t = copy(s)
            t.late = s.late[:i] + s.late[i + 1:]
            yield "(the write that was lost never happens)", t, False
            t = copy(t)
            t.l2 = put(t.l2, k, apply(op, t.l2[k], t.now)[0])
            yield "(the lost %s lands in L2)" % op[0], t, False
        for i, (who, r, k) in enumerate(s.held):
            if all(l[0] != who for l in s.late):
                t = copy(s)
                t.held = s.held[:i] + s.held[i + 1:]
                self.add(t, (r, k), 0, -1)
                yield "(its fate is known, the guard is released)", t, False
        t = copy(s)
        if live and spend(t, "tick"):
            t.now = 1
            yield "(time passes)", t, True

    def line(self, name, op, result):
        args = ",".join(str(a) for a in op[2:])
        return "%s%s(%s).%s" % (op[0], "'" if op[1] else "", args, name[2:]) + \
            (" [%s]" % result if name.endswith("_l2") and result in ("error", "refused") else "")

    # --- single flight: one read asks L2 for all

    def join_or_lead(self, c, token, safe):
        """-> True when this read waits for another's answer."""
        name = (c.proxy, c.key)
        for f in c.s.flights:
            if f[0] == name:
                if self.join == "naive" or (safe and f[2] == token):
                    c.me.token = f[1]
                    return True
                return False                            # let it go its own way
        c.s.flights += ((name, c.who, token),)
        return False

    def landed(self, c, value):
        if any(f[1] == c.who for f in c.s.flights):
            c.s.flights = tuple(f for f in c.s.flights if f[1] != c.who)
            c.s.landed += ((c.who, value),)
        return Done(value)

    def g_wait(self, c):
        for leader, value in c.s.landed:
            if leader == c.me.token:
                return Done(value)
        return WAIT
