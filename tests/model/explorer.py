"""A small explicit-state model checker for cache protocols.

A *protocol* is a class whose methods are atomic steps. A step gets a context `c` (the world, the thread's locals, its op) and returns the name of
the next step, Done(result), or WAIT when it cannot run yet. A step that may go several ways calls c.choose(n); the explorer replays it once for
every way. All interleavings are explored breadth first, so the first violation found is a shortest one.

Histories are not kept: a *monitor* travels with every state and holds the set of explanations that are still possible (which operations have
taken effect, and the value that leaves). When the last one is gone, the history is illegal. A state in which somebody has not ended and nobody
can go on is a violation, too. States with equal world, equal threads and equal explanations are explored once.
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


def explore(protocol, world, threads, monitor, limit=2_000_000):
    """threads: a list of (proxy, [op, ...]); op = (kind, key, args...). -> Result with a shortest bad trace, if any.

    What the explorer asks of a protocol: steps, first(op), spec(op), may_tick(begun), environment(world, live), probe(world), tidy(world),
    forget(world, threads, positions), line(step, op, result); and locals, a record and its first values, if its steps need other ones.
    """
    step_of = protocol.steps
    Mine, fresh = getattr(protocol, "locals", (Locals, FRESH_LOCALS))
    wkey, lkey, World = world.key, Mine.key, type(world)
    first = tuple((0, None, fresh) for _ in threads)
    root = (wkey(world), first, monitor.start)
    parent = {root: None}
    queue = deque([root])
    answers = {}                                          # (monitor, key, who, result, now) -> monitor

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
        wk, ths, mon = node
        live = moved = False
        for t, (proxy, prog) in enumerate(threads):
            idx, step, loc = ths[t]
            if idx >= len(prog):
                continue
            live = True
            op = prog[idx]
            who = (t, idx)
            name = step or protocol.first(op)
            scripts = [()]
            while scripts:
                c = Context()
                c.s, c.me, c.op, c.who, c.proxy, c.script, c.asked = World(wk), Mine(loc), op, who, proxy, scripts.pop(), []
                got = step_of[name](protocol, c)
                for i in range(len(c.script), len(c.asked)):
                    scripts += [tuple(w for w, _ in c.asked[:i]) + (w,) for w in range(1, c.asked[i][1])]
                if got is WAIT:
                    continue
                moved = True
                m = mon
                line = t, proxy, name, op, c.me.result, got
                if step is None:                          # the op begins with its first step ...
                    spec = protocol.spec(op)
                    for k in (range(len(mon)) if op[0] == "flush" else (op[1],)):
                        m = monitor.invoke(m, k, who, spec)
                if isinstance(got, Done):                 # ... and is answered by its last: the strictest reading
                    lost = got.result == "error"
                    for k in (range(len(mon)) if op[0] == "flush" else (op[1],)):
                        ask = m, k, who, got.result, c.s.now
                        if ask not in answers:
                            answers[ask] = m and monitor.answer(*ask, lost)
                        m = answers[ask]
                    if m is None:
                        return Result(len(parent), trace(node, line))
                    th = (idx + 1, None, fresh)
                else:
                    th = (idx, got, lkey(c.me))
                protocol.tidy(c.s)
                new = (wkey(c.s), protocol.forget(c.s, threads, ths[:t] + (th,) + ths[t + 1:]), m)
                if new not in parent:
                    parent[new] = (node, line)
                    queue.append(new)
        begun = [prog[i] for (i, step, _), (_, prog) in zip(ths, threads) if step]
        for line, s, ticked in protocol.environment(World(wk), live):
            if ticked and not protocol.may_tick(begun):
                continue
            moved = True
            m = monitor.tick(mon, s.now) if ticked else mon
            protocol.tidy(s)
            new = (wkey(s), protocol.forget(s, threads, ths), m)
            if new not in parent:
                parent[new] = (node, line)
                queue.append(new)
        if live and not moved:
            return Result(len(parent), trace(node, "nobody can go on", ""))
        if not live:                                      # the end: the protocol reads all there is
            m = mon
            for n, (key, value, line) in enumerate(protocol.probe(World(wk))):
                m = monitor.invoke(m, key, ("end", n), ("get", key))
                m = monitor.answer(m, key, ("end", n), value, World(wk).now)
                if m is None:
                    return Result(len(parent), trace(node, "then %s -> %s" % (line, "MISS" if value is MISS else value)))
        if len(parent) > limit:
            return Result(len(parent), None, cut=True)
    return Result(len(parent), None)
