"""A small explicit-state model checker for cache protocols.

A *protocol* is a class whose methods are atomic steps. A step gets a context `c` (the world, the thread's locals, its op) and returns the name of
the next step, Done(result), or WAIT when it cannot run yet. A step that may go several ways calls c.choose(n); the explorer replays it once for
every way. All interleavings are explored breadth first, so the first violation found is a shortest one.

Histories are not kept: a *monitor* travels with every state and holds the set of explanations that are still possible (which operations have
taken effect, and the value that leaves). When the last one is gone, the history is illegal. A state in which somebody has not ended and nobody
can go on is a violation, too. States with equal world, equal threads and equal explanations are explored once.

A step depends on the world and on the thread that does it, never on the other threads nor on the monitor: it is done once for each such pair, and
what came of it is looked up from then on. There are some hundred times fewer worlds than states. So worlds, positions of threads and monitors are
numbers here, and a state is a tuple of numbers.
"""
from collections import deque
from operator import attrgetter

from cache import MISS


class Done:
    """The op is answered. An op may go on behind its answer only by leaving a message in the world."""
    __slots__ = ("result",)

    def __init__(self, result):
        self.result = result


WAIT = object()                 # the step is not enabled now


def record(*names):
    """A mutable record of immutable fields: cheap to copy, cheap to hash."""
    scope = {}
    exec("class R:\n __slots__ = %r\n def __init__(self, values):\n  (%s,) = values"
         % (names, ", ".join("self." + n for n in names)), scope)
    R = scope["R"]
    R.key = staticmethod(attrgetter(*names))
    return R


Locals = record("word", "value", "token", "alone", "had", "result", "tries")
FRESH_LOCALS = (None, None, None, False, False, None, 0)


class Context:
    """What a step sees: s = the world (a copy it may change), me = its locals (a copy), op, who = (thread, index)."""
    __slots__ = ("s", "me", "op", "who", "proxy", "script", "asked")

    def choose(self, n):
        i = len(self.asked)
        way = self.script[i] if i < len(self.script) else 0
        self.asked.append((way, n))
        return way

    @property
    def key(self):
        return self.op[1]


class Result:
    """trace: the shortest bad one, None when nothing is wrong; cut: not all was seen."""

    def __init__(self, states, trace, cut=False):
        self.states, self.trace, self.cut = states, trace, cut


class Numbers:
    """Equal things have one number: they are compared once, not in every state."""

    def __init__(self):
        self.number, self.thing = {}, []

    def of(self, thing):
        n = self.number.setdefault(thing, len(self.thing))
        if n == len(self.thing):
            self.thing.append(thing)
        return n


class Moves:
    """What can happen in a world: to one thread, or by the environment. Asked once for each world."""

    def __init__(self, protocol, world, threads):
        self.protocol, self.threads = protocol, threads
        self.World, self.wkey = type(world), world.key
        self.Mine, fresh = getattr(protocol, "locals", (Locals, FRESH_LOCALS))
        self.worlds, self.positions, self.hearings = Numbers(), Numbers(), Numbers()
        self.start = self.positions.of((0, None, fresh))
        self.fresh, self.keys = fresh, None

    def world(self, w):
        return self.World(self.worlds.thing[w])

    def number(self, s):
        self.protocol.tidy(s)
        return self.worlds.of(self.wkey(s))

    def over(self, t, p):
        return self.positions.thing[p][0] >= len(self.threads[t][1])

    def begun(self, ps):
        at = [self.positions.thing[p] for p in ps]
        return [prog[idx] for (idx, step, _), (_, prog) in zip(at, self.threads) if step]

    def forget(self, w, t, p):
        position = self.positions.thing[p]
        forgotten = self.protocol.forget(self.world(w), self.threads[t], position)
        return p if forgotten is position else self.positions.of(forgotten)

    def of_thread(self, w, t, p):
        """Its next step, once for every way that it may go: [(line, what the monitor hears or None, world, position)]"""
        protocol, (proxy, prog), (idx, step, loc) = self.protocol, self.threads[t], self.positions.thing[p]
        op, who = prog[idx], (t, idx)
        name = step or protocol.first(op)
        keys = range(self.keys) if op[0] == "flush" else (op[1],)
        moves, scripts = [], [()]
        while scripts:
            c = Context()
            c.s, c.me, c.op, c.who, c.proxy, c.script, c.asked = self.world(w), self.Mine(loc), op, who, proxy, scripts.pop(), []
            got = protocol.steps[name](protocol, c)
            for i in range(len(c.script), len(c.asked)):
                scripts += [tuple(way for way, _ in c.asked[:i]) + (way,) for way in range(1, c.asked[i][1])]
            if got is WAIT:
                continue
            hears = ()
            if step is None:                              # the op begins with its first step ...
                hears += tuple(("asks", key, who, protocol.spec(op)) for key in keys)
            if isinstance(got, Done):                     # ... and is answered by its last: the strictest reading
                hears += tuple(("hears", key, who, got.result, c.s.now, got.result == "error") for key in keys)
                then = idx + 1, None, self.fresh
            else:
                then = idx, got, self.Mine.key(c.me)
            moves.append(((t, proxy, name, op, c.me.result, got), self.hearings.of(hears) if hears else None, self.number(c.s),
                          self.positions.of(then)))
        return moves

    def of_environment(self, w, live):
        """[(line, what the monitor hears or None, world)]"""
        return [(line, self.hearings.of((("ticks", s.now),)) if ticked else None, self.number(s))
                for line, s, ticked in self.protocol.environment(self.world(w), live)]

    def at_the_end(self, w):
        """The protocol reads all there is: [(key, value, line, what the monitor hears)]"""
        now = self.world(w).now
        return [(key, value, line, self.hearings.of((("asks", key, ("end", n), ("get", key)), ("hears", key, ("end", n), value, now, False))))
                for n, (key, value, line) in enumerate(self.protocol.probe(self.world(w)))]


def listen(monitor, mon, hearing):
    """-> what the monitor is then; None: nothing explains this"""
    for what, *rest in hearing:
        mon = monitor.invoke(mon, *rest) if what == "asks" else monitor.tick(mon, *rest) if what == "ticks" else monitor.answer(mon, *rest)
        if mon is None:
            return None
    return mon


class Lazy(dict):
    """What is not known yet is asked for, with the key."""

    def __init__(self, ask):
        self.ask = ask

    def __missing__(self, key):
        self[key] = got = self.ask(*key)
        return got


def explore(protocol, world, threads, monitor, limit=2_000_000):
    """threads: a list of (proxy, [op, ...]); op = (kind, key, args...). -> Result with a shortest bad trace, if any.

    What the explorer asks of a protocol: steps, first(op), spec(op), may_tick(begun), environment(world, live), probe(world), tidy(world),
    forget(world, thread, position), line(step, op, result); and locals, a record and its first values, if its steps need other ones.
    """
    moves, monitors = Moves(protocol, world, threads), Numbers()
    moves.keys = len(monitor.start)

    def heard(m, h):
        mon = listen(monitor, monitors.thing[m], moves.hearings.thing[h])
        return None if mon is None else monitors.of(mon)

    of_thread = Lazy(lambda w, t, p: None if moves.over(t, p) else moves.of_thread(w, t, p))
    of_environment, at_the_end = Lazy(moves.of_environment), Lazy(lambda w: moves.at_the_end(w))
    forget, heard = Lazy(moves.forget), Lazy(heard)
    each = range(len(threads))
    # A state: the world, the monitor, the position of each thread.
    root = (moves.worlds.of(world.key(world)), monitors.of(monitor.start)) + (moves.start,) * len(threads)
    parent = {root: None}
    queue = deque([root])

    def words(line):
        if isinstance(line, str):
            return line
        t, proxy, name, op, result, got = line
        return "%s%s.%s" % (chr(65 + t), "@%d" % proxy if max(p for p, _ in threads) else "",
                            protocol.line(name, op, result)) + \
            (" -> %s" % ("MISS" if got.result is MISS else got.result) if isinstance(got, Done) else "")

    def trace(node, last, why="   <- no order explains this"):
        lines = [words(last) + why]
        while parent[node] is not None:
            node, line = parent[node]
            lines.insert(0, words(line))
        return lines

    while queue:
        node = queue.popleft()
        w, mon, *ps = node
        live = moved = False
        for t in each:
            ways = of_thread[w, t, ps[t]]
            if ways is None:
                continue
            live = True
            for line, hears, to, p in ways:
                moved = True
                m = mon if hears is None else heard[mon, hears]
                if m is None:
                    return Result(len(parent), trace(node, line))
                now = ps.copy()
                now[t] = p
                new = (to, m, *[forget[to, u, now[u]] for u in each])
                if new not in parent:
                    parent[new] = node, line
                    queue.append(new)
        for line, hears, to in of_environment[w, live]:
            m = mon
            if hears is not None:                         # only that time passes is heard
                if not protocol.may_tick(moves.begun(ps)):
                    continue
                m = heard[mon, hears]
            moved = True
            new = (to, m, *[forget[to, u, ps[u]] for u in each])
            if new not in parent:
                parent[new] = node, line
                queue.append(new)
        if live and not moved:
            return Result(len(parent), trace(node, "nobody can go on", ""))
        if not live:
            m = mon
            for key, value, line, hears in at_the_end[w,]:
                m = heard[m, hears]
                if m is None:
                    return Result(len(parent), trace(node, "then %s -> %s" % (line, "MISS" if value is MISS else value)))
        if len(parent) > limit:
            return Result(len(parent), None, cut=True)
    return Result(len(parent), None)
