"""The protocols of an L1 that is a memcached: every request to it is a step of its own."""
from cache import MISS
from explorer import WAIT, Done
from protocol import Protocol
from world import alive, copy, left, put, spend


class External(Protocol):
    """Every request to L1 is one step, in any order against those of others. A miss leaves a stub whose CAS is the token.

    guard = True   one proxy: guard words in the proxy and the stub's CAS at memcached; fills and publications run aside
    guard = False  any number of proxies, which share nothing: L2 first, then `md`, then the answer; a read that came from L2 is
                   answered after L1 took it, or refused it for a reason that makes the answer safe ("confirm")
    """
    guard = True
    several = True
    confirm = True              # guard = False: the read is answered after its fill. False: the fill runs aside (Fresh only)
    fill = "token"              # token | set | add: unchecked
    first_md = False            # guard = False: md before L2 too
    md = "first"                # guard = True: first | last (after L2)
    publish = "token"           # token: `ms C<token>` with the stub the mutation left behind | never | set: unchecked
    last_md = "always"          # guard = False: always | took (only when L2 took the write) | never
    tokens = "unique"           # unique | counter (memcached's own, starts again after a restart)
    clash = False               # (mutant) E<version> shares its numbers with the tokens
    batch_reads = "confirm"     # confirm | plain: batch reads answer from L2 at once | past: L1's copy is no answer (a version is asked for that
                                # L1 cannot tell): L2, md, answer
    whole = "always"            # always | sometimes: what L2 has may not be copied now and then; the read deletes its stub in place of filling it |
                                # leaves: ... and leaves it there
    served = "landed"           # with join: when those who joined go on: landed: the leader has answered, and so do they | l2: L2 has answered the
                                # leader; without a guard they look at L1 again
    l1_down = "refuse"          # what a proxy that cannot reach L1 does with mutations: refuse | repair: go on, delete later
    read_down = "l2"            # ... and with reads: l2 | error
    trust = "repaired"          # repaired: keys to repair bypass L1 | blindly

    def first(self, op):
        if op[0] in ("get", "bget"):
            return "g_l1"
        if op[0] == "flush":
            return "f_begin" if self.guard else "f_l2"
        if self.guard:
            return "m_begin"
        return "m_md" if self.first_md else "m_l2"

    # --- memcached

    def in_l1(self, item):
        return ("item", item, ())

    def found_in_l1(self, s, key):
        x = s.l1[key]
        if (0, key) in s.repair and self.trust == "repaired" and self.proxies == 1:
            return MISS
        return x[1] if x is not MISS and x[0] == "item" else MISS

    def hit(self, c):
        """The item L1 holds, or MISS (a stub is a miss)."""
        x = c.s.l1[c.key]
        return alive(x[1], c.s.now) if x is not MISS and x[0] == "item" else MISS

    def vivify(self, c):
        """mg k c v N30 -> the token of the stub, new or found"""
        x = c.s.l1[c.key]
        if x is not MISS and x[0] == "stub":
            return x[1]
        if self.tokens == "counter":
            c.s.cas += 1
            cas = (c.s.cas,)
        else:
            c.me.tries += 1
            cas = c.who + (c.me.tries,)
        c.s.l1 = put(c.s.l1, c.key, ("stub", cas))
        return cas

    def store(self, s, k, item, token, unchecked=False):
        """ms k C<token> -> HD, EX or NF"""
        x = s.l1[k]
        if not unchecked:
            if x is MISS:
                return "NF"
            if not (x[-1] == token or (self.clash and x[0] == "item")):
                return "EX"
        if self.fill == "add" and unchecked and x is not MISS and x[0] == "item":
            return "NS"
        s.l1 = put(s.l1, k, ("item", item, ()))
        return "HD"

    def tidy(self, s):
        """A message whose token is dead can do nothing any more."""
        if s.mail and self.fill == "token" and self.tokens == "unique" and not self.clash:
            s.mail = tuple(m for m in s.mail if m[0] == "set" or s.l1[m[2]] == ("stub", m[4]))

    def dead_token(self, s, key, token):
        return self.fill == "token" and self.tokens == "unique" and not self.clash and s.l1[key] != ("stub", token)

    def up(self, c):
        return c.s.up[c.proxy]

    def dirty(self, c):
        return (c.proxy, c.key) in c.s.repair and self.trust == "repaired"

    # --- get
    def g_l1(self, c):
        if not self.up(c):
            return Done("error") if self.read_down == "error" else "g_bypass_l2"
        if self.dirty(c):                               # delete first, then ask
            c.s.repair -= {(c.proxy, c.key)}
            c.s.l1 = put(c.s.l1, c.key, MISS)
            return "g_l1"
        if c.op[0] == "bget" and self.batch_reads == "past":
            return "g_past"
        item = self.hit(c)
        if item is not MISS:
            return Done(item[0])
        if c.op[0] == "bget":
            return "g_l2" if self.batch_reads == "confirm" and not self.guard else "g_bypass_l2"
        c.me.token = self.vivify(c)
        if self.guard:
            return "g_load"
        if self.join and self.joined(c, c.me.token, True):
            return "g_wait"
        return "g_l2"

    def g_bypass_l2(self, c):
        item = alive(c.s.l2[c.key], c.s.now)
        return self.landed(c, MISS if item is MISS else item[0])

    def g_past(self, c):
        c.me.value = alive(c.s.l2[c.key], c.s.now)
        return "g_md"

    def joined(self, c, token, safe):
        stub = c.me.token
        if not self.join_or_lead(c, token, safe):
            return False
        if self.served == "l2":
            c.me.word = stub                            # for when it goes on; me.token says behind whom it waits
        return True

    def g_wait(self, c):
        if self.served != "l2":
            return super().g_wait(c)
        for leader, value in c.s.landed:
            if leader == c.me.token:
                c.me.token, c.me.word, c.me.value = c.me.word, None, value
                if self.guard or not self.confirm:
                    return Done(MISS if value is MISS else value[0])
                return "g_fill" if value is MISS else "g_again"
        return WAIT

    def serve(self, c, value):
        """Those who joined go on as soon as L2 has answered the leader."""
        if any(f[1] == c.who for f in c.s.flights):
            c.s.flights = tuple(f for f in c.s.flights if f[1] != c.who)
            c.s.landed += ((c.who, value),)

    def g_load(self, c):                                # after the stub: a hit never gets here
        c.me.word = self.load(c)
        if self.join and self.joined(c, (c.me.word, c.me.token), self.quiet(c, c.me.word)):
            return "g_wait"
        return "g_l2"

    def g_l2(self, c):
        c.me.value = item = alive(c.s.l2[c.key], c.s.now)
        if c.op[0] == "bget":
            return "g_again"
        if self.served == "l2":
            self.serve(c, item)
        if self.guard:
            return self.landed(c, MISS) if item is MISS else "g_check"
        if not self.confirm:
            if item is not MISS:
                c.s.mail += (("ms", c.proxy, c.key, item, c.me.token),)
            return self.landed(c, MISS if item is MISS else item[0])
        return "g_fill"

    def g_check(self, c):
        if self.fill != "token" or self.quiet(c, c.me.word):
            c.s.mail += (("ms", c.proxy, c.key, c.me.value, c.me.token),)
        return self.landed(c, c.me.value[0])

    def g_fill(self, c):                                # ms C<token>, or md C<token> when L2 missed as well
        if not self.up(c):
            return Done("error") if self.read_down == "error" else self.landed(c, c.me.value and c.me.value[0])
        copied = c.me.value is not MISS and (self.whole == "always" or c.choose(2) == 0)
        if self.whole == "leaves" and c.me.value is not MISS and not copied:
            return self.landed(c, c.me.value[0])
        if not copied:
            x = c.s.l1[c.key]
            if x is MISS or x[-1] == c.me.token:
                c.s.l1 = put(c.s.l1, c.key, MISS)
                return self.landed(c, c.me.value and c.me.value[0])
            return "g_again"
        got = self.store(c.s, c.key, c.me.value, c.me.token, self.fill != "token")
        return "g_again" if got == "EX" else self.landed(c, c.me.value[0])

    def g_again(self, c):                               # EX: somebody else was first. L1's value is the answer
        if not self.up(c):
            return Done("error") if self.read_down == "error" else self.landed(c, c.me.value and c.me.value[0])
        item = self.hit(c)
        if item is not MISS:
            return self.landed(c, item[0])
        if c.s.l1[c.key] is MISS:
            return self.landed(c, c.me.value and c.me.value[0])
        return "g_md"

    def g_md(self, c):                                  # a younger stub: no older value may follow ours
        if not self.up(c):
            return Done("error") if self.read_down == "error" else self.landed(c, c.me.value and c.me.value[0])
        c.s.l1 = put(c.s.l1, c.key, MISS)
        return self.landed(c, c.me.value and c.me.value[0])

    # --- mutations
    def m_begin(self, c):
        return WAIT if self.begin(c) is WAIT else "m_md" if self.md == "first" else "m_l2"

    def m_md(self, c):
        if not self.up(c):
            if self.l1_down == "refuse":
                c.me.result = "refused"
                return self.end(c) if self.guard else self.leave(c)
            if self.l1_down == "repair":
                c.s.repair |= {(c.proxy, c.key)}
            return "m_l2"
        c.me.had = self.hit(c) is not MISS
        c.s.l1 = put(c.s.l1, c.key, MISS)
        kind = self.spec(c.op)[0]
        if self.publish == "token" and kind not in ("del", "touch", "append") and (c.me.had or c.op[0][0] != "b"):
            return "m_stub"
        return "m_l2"

    def m_stub(self, c):                                # same connection, right behind the md
        if self.up(c):
            c.me.token = self.vivify(c)
        return "m_l2"

    def m_l2(self, c):
        if not self.guard and not self.up(c) and self.l1_down == "refuse":
            c.me.result = "refused"                     # L1 is known to be out of reach: nothing happened yet
            return self.leave(c)
        res = self.ask_l2(c)
        if self.guard:
            return "m_check" if self.md == "first" else "m_md_late"
        if self.last_md == "never" or (self.last_md == "took" and res in ("no", "none", "exists", "refused", "error", MISS)):
            return "m_leave"
        if self.publish == "token" and c.me.token is not None and c.me.value is not MISS:
            return "m_publish"
        if self.publish == "set" and c.me.value is not MISS:
            return "m_publish"
        return "m_md_last"

    def m_md_late(self, c):
        c.s.l1 = put(c.s.l1, c.key, MISS)
        return "m_end"

    def m_leave(self, c):
        return self.leave(c)

    def m_check(self, c):                               # guard: publish aside, with the token, if nobody else wrote
        if not self.up(c) and (c.proxy, c.key) in c.s.repair:
            return "m_end"
        if c.me.value is not MISS and c.me.result not in ("error", "refused"):
            if self.publish == "set":
                c.s.mail += (("set", c.proxy, c.key, c.me.value, None),)
            elif self.publish == "token" and c.me.token is not None and self.still_alone(c):
                c.s.mail += (("ms", c.proxy, c.key, c.me.value, c.me.token),)
        return "m_end"

    def m_publish(self, c):
        if self.up(c) and self.store(c.s, c.key, c.me.value, c.me.token, self.publish == "set") == "HD":
            return self.leave(c)
        return "m_md_last"

    def m_md_last(self, c):
        if not self.up(c):                              # L2 took it, L1 may be stale: the client must not rely on it
            if self.l1_down != "ignore":
                c.s.repair |= {(c.proxy, c.key)}
                c.me.result = "error"
            return self.leave(c)
        c.s.l1 = put(c.s.l1, c.key, MISS)
        return self.leave(c)

    def m_end(self, c):
        return self.end(c)

    # --- flush_all
    def f_begin(self, c):
        self.add_all(c, 1, 1)
        return "f_l1"

    def f_l1(self, c):
        if not self.up(c):
            return WAIT
        c.s.l1 = (MISS,) * len(c.s.l1)
        return "f_l2" if self.guard else Done("ok")

    def f_l2(self, c):
        c.s.l2 = (MISS,) * len(c.s.l2)
        return "f_end" if self.guard else "f_l1"

    def f_end(self, c):
        self.add_all(c, 0, -1)
        return Done("ok")

    def environment(self, s, live):
        yield from super().environment(s, live)
        for i, (kind, p, k, item, token) in enumerate(s.mail):
            t = copy(s)
            t.mail = s.mail[:i] + s.mail[i + 1:]
            got = self.store(t, k, item, token, kind == "set" or self.fill != "token")
            yield "(ms of %s arrives at L1: %s)" % (item[0], got), t, False
            if not s.up[p] or left(s, "down"):
                t = copy(s)
                t.mail = s.mail[:i] + s.mail[i + 1:]
                yield "(ms of %s is lost)" % (item[0],), t, False
        for p, up in enumerate(s.up):
            if not up:
                t = copy(s)
                t.up = put(t.up, p, True)
                yield "(proxy %d reaches L1 again)" % p, t, False
            elif live:
                t = copy(s)
                if spend(t, "down"):
                    t.up = put(t.up, p, False)
                    yield "(proxy %d loses L1)" % p, t, False
        for p, k in s.repair:
            if s.up[p]:
                t = copy(s)
                t.repair -= {(p, k)}
                t.l1 = put(t.l1, k, MISS)
                yield "(proxy %d deletes the key from L1)" % p, t, False
        t = copy(s)
        if live and spend(t, "restart"):
            t.l1, t.cas = (MISS,) * len(t.l1), 0
            yield "(memcached restarts, empty)", t, False


External.steps = {n: getattr(External, n) for n in dir(External) if n[1] == "_" and n[0] in "gmf"}
