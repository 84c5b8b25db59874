"""The monitor of linearizability: one cache could have given these answers, key by key, in some order that time allows.

An op answered "error" stays pending: it may take effect at any later time, or never.
"""
from cache import MISS, outcomes


class Atomic:
    """Per key: a set of explanations (abstract state, ops that took effect but are not answered yet with their results)."""

    def __init__(self, nkeys, first, lossy):
        self.lossy = lossy
        self.start = tuple((frozenset([(first, frozenset())]), ()) for _ in range(nkeys))

    def invoke(self, mon, key, opid, op):
        return tuple((cs, pend + ((opid, op),)) if k == key else (cs, pend) for k, (cs, pend) in enumerate(mon))

    def answer(self, mon, key, opid, result, now, lost=False):
        """Keep the explanations in which `opid` answers `result` now. None = no explanation is left."""
        if lost:                                        # answered "error": pending for ever
            return mon
        cs, pend = mon[key]
        left = set()
        for state, lin in cs:
            if result == "refused":                     # a definite no: it must not have taken effect
                if all(i != opid for i, _ in lin):
                    left.add((state, lin))
            else:
                self._reach(state, lin, pend, opid, result, now, left, set())
        if not left:
            return None
        pend = tuple(p for p in pend if p[0] != opid)
        return mon[:key] + ((frozenset(left), pend),) + mon[key + 1:]

    def _reach(self, state, lin, pend, opid, result, now, out, seen):
        if (state, lin) in seen:
            return
        seen.add((state, lin))
        have = dict(lin)
        if opid in have:
            if have[opid] == result:
                out.add((state, lin - {(opid, result)}))
            return
        for pid, op in pend:
            if pid not in have:
                for new, res in outcomes(op, state, now, self.lossy):
                    if pid != opid or res == result:
                        self._reach(new, lin | {(pid, res)}, pend, opid, result, now, out, seen)

    def tick(self, mon, now):
        """Time passes: pending ops may take effect before it; what has expired is gone."""
        new = []
        for cs, pend in mon:
            left = set()
            for state, lin in cs:
                self._before(state, lin, pend, now, left, set())
            new.append((frozenset(left), pend))
        return tuple(new)

    def _before(self, state, lin, pend, now, out, seen):
        if (state, lin) in seen:
            return
        seen.add((state, lin))
        out.add((MISS if state is not MISS and 0 < state[1] <= now else state, lin))
        have = dict(lin)
        for pid, op in pend:
            if pid not in have:
                for new, res in outcomes(op, state, now - 1, self.lossy):
                    self._before(new, lin | {(pid, res)}, pend, now, out, seen)
