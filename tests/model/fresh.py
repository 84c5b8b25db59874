"""The monitor of what is left without a wait on the read path: a read never returns a value that was overwritten before the read began.

"Overwritten": the newer write began after the older had ended, and was acknowledged. Two reads that overlap an unfinished write may see it in
different orders. Only for get, set and delete.
"""
from cache import MISS


class Fresh:
    """Per key: (values alive, writes in flight with what they kill, reads in flight with what they may see)."""

    def __init__(self, nkeys, first, lossy):
        self.lossy = lossy
        v = MISS if first is MISS else first[0]
        self.start = tuple((frozenset([("first", v)]), (), ()) for _ in range(nkeys))

    def invoke(self, mon, key, opid, op):
        live, writes, reads = mon[key]
        if op[0] == "get":
            may = frozenset(v for _, v in live) | frozenset(w[1] for w in writes)
            reads += ((opid, may),)
        else:
            v = MISS if op[0] in ("del", "flush") else op[2]
            writes += ((opid, v, live),)
            reads = tuple((r, may | {v}) for r, may in reads)
        return mon[:key] + ((live, writes, reads),) + mon[key + 1:]

    def answer(self, mon, key, opid, result, now, lost=False):
        live, writes, reads = mon[key]
        for r, may in reads:
            if r == opid:
                if not lost and result != "refused" and result not in may and not (self.lossy and result is MISS):
                    return None
                reads = tuple(x for x in reads if x[0] != opid)
        for w in writes:
            if w[0] == opid and not lost:
                if result != "refused":
                    live = (live - w[2]) | {(opid, w[1])}
                writes = tuple(x for x in writes if x[0] != opid)
        return mon[:key] + ((live, writes, reads),) + mon[key + 1:]

    def tick(self, mon, now):
        return mon
