"""What the project says of its speed, and whether a result bears it out: it holds, it does not hold, or it cannot be decided."""
from dataclasses import dataclass, replace
from typing import Optional

import interval

PAIRS_MIN = 15
COUNTS_MIN = 3

# On busy machines the interval of a program beside itself has come near to this.  A smaller difference is not claimed by CPU time, but by
# counting the program's instructions.
DIFFERENCE_MIN = 0.15

HOLDS = "holds"
FAILS = "does not hold"
OPEN = "not decidable"

CPU = "cpu_us"                       # CPU microseconds per request, in pairs
WALL = "wall_us"                     # microseconds until the next answer, in pairs: the inverse of throughput
CALLS = "calls"                      # system calls per request, counted
P50 = "p50_us"                       # half of the answers come within so many microseconds, in pairs
P99 = "p99_us"                       # 99 of 100 do
P99_9 = "p99_9_us"                   # 999 of 1000 do
INSTRUCTIONS = "instructions"        # the program's own instructions per request, counted
IDLE_BYTES = "idle_bytes"            # RSS per idle connection
WRITTEN = "written"                  # bytes written to the disk per byte of keys and values
OBJECT_BYTES = "object_bytes"        # RSS per object that is on the disk
MISSED = "misses"                    # percent of gets, in traffic that is replayed
SHIFTED = "shifted"                  # the same, right after values of another size came
ENDED = "ended"                      # the same, in the last tenth of all requests
BESIDE_SETS = "beside_sets"          # µs at p99 of gets, at four fifths of the largest rate of gets and sets that a store keeps up with
GETS_ALONE = "gets_alone"            # the same when the sets have ended
RECOVERY = "recovery"                # seconds from the start after a kill -9 to the first right answer

WORDS = {CPU: "CPU time", WALL: "time between two answers", CALLS: "system calls per request", INSTRUCTIONS: "user instructions",
         P50: "p50", P99: "µs at p99", P99_9: "p99.9",
         IDLE_BYTES: "bytes of RSS per idle connection", WRITTEN: "bytes written to the disk per byte of keys and values",
         MISSED: "misses", SHIFTED: "misses right after the shift", ENDED: "misses in the last tenth",
         BESIDE_SETS: "µs at p99 of gets beside sets", GETS_ALONE: "µs at p99 of gets when the sets have ended",
         OBJECT_BYTES: "bytes of RSS per object", RECOVERY: "seconds from the start after a kill -9 to the first right answer"}
TIMED = (CPU, WALL, P50, P99, P99_9)

# Counted once: with so many objects, or requests, there is nothing that would make it another figure the next time.
ONCE = (OBJECT_BYTES, MISSED, SHIFTED, ENDED)


@dataclass(frozen=True)
class Claim:
    """ours is at most limit times against; without against, limit is the figure itself.

    besides: (share, system).  Of ours, so much of what that system took in the same round is not counted: it is the cost of something else.
    points: of misses, in percent, ours has less than against, by at least so many points; then there is no limit.
    """
    ours: str
    against: Optional[str]
    what: str
    limit: float = 0
    besides: Optional[tuple] = None
    points: Optional[float] = None

    def sentence(self):
        if self.points is not None:
            more = f"{self.points:g} points of hits more" if self.points else "more hits"
            when = WORDS[self.what].removeprefix(WORDS[MISSED])
            return f"{self.ours}: {'at least ' if self.points else ''}{more} than {self.against}{when}"
        if self.besides is not None:
            return f"{replace(self, besides=None).sentence()}, besides {self.besides[0]:g} × that of {self.besides[1]}"
        if self.against is None:
            return f"{self.ours}: at most {self.limit:g} {WORDS[self.what]}"
        return f"{self.ours}: at most {self.limit:g} × the {WORDS[self.what]} of {self.against}"


@dataclass(frozen=True)
class Verdict:
    word: str
    reason: str


def figures(case, system, what):
    """{round: figure} of the rounds of a system."""
    turns = [r for r in case["rounds"] if r["system"] == system]
    if what == WALL:
        return {r["round"]: 1e6 / r["per_second"] for r in turns if r["per_second"]}
    return {r["round"]: r[what] for r in turns if r.get(what)}


def compare(case, ours, theirs, what=CPU):
    """The ratio of two systems of a case, as an Interval; None if they have no round in common."""
    return interval.ratio(figures(case, ours, what), figures(case, theirs, what))


def compare_claimed(case, claim):
    """The ratio that a claim is about: as compare(), without what ours may take besides."""
    ours = figures(case, claim.ours, claim.what)
    if claim.besides is not None:
        share, other = claim.besides
        theirs = figures(case, other, claim.what)
        ours = {at: ours[at] - share * theirs[at] for at in ours if at in theirs}
        # A round in which nothing is left has no logarithm; that the claim holds is not to be had from such a one.
        ours = {at: figure for at, figure in ours.items() if figure > 0}
    return interval.ratio(ours, figures(case, claim.against, claim.what))


def counted(case, system, what):
    """What a counted pass found each time it was made."""
    return case["counted"].get(what, {}).get(system, {}).get("per_request", [])


def compare_counts(case, ours, theirs, what):
    return interval.ratio(dict(enumerate(counted(case, ours, what))), dict(enumerate(counted(case, theirs, what))))


def middle(values):
    values = sorted(values)
    return values[len(values) // 2]


def wrong_answers(case):
    return sum(r["wrong"] for r in case["rounds"] if r["role"] != "floor")


def judge(case, claim):
    """case is one of a result's (see results.py)."""
    if wrong_answers(case) > 0:
        return Verdict(OPEN, f"{wrong_answers(case)} answers were wrong or missing")
    if claim.what not in TIMED:
        return _judge_counted(case, claim)
    return _judge_timed(case, claim) if claim.against else _judge_absolute(case, claim)


def _judge_absolute(case, claim):
    found = interval.around(figures(case, claim.ours, claim.what).values())
    if found is None or found.count < PAIRS_MIN:
        return Verdict(OPEN, f"{found.count if found else 0} turns, and {PAIRS_MIN} are needed")
    return _by_limit(found, claim.limit, f"{found.value:.3g} [{found.low:.3g}, {found.high:.3g}] from {found.count} turns")


def _by_limit(found, limit, said):
    if found.high <= limit:
        return Verdict(HOLDS, said)
    if found.low > limit:
        return Verdict(FAILS, said)
    return Verdict(OPEN, f"{said}: the limit lies within")


def _judge_timed(case, claim):
    found = compare_claimed(case, claim)
    if found is None or found.count < PAIRS_MIN:
        return Verdict(OPEN, f"{found.count if found else 0} pairs, and {PAIRS_MIN} are needed")
    said = f"{found.value:.2f} × [{found.low:.2f}, {found.high:.2f}] from {found.count} pairs"
    again = compare(case, *case["again"], claim.what)
    if again is None:
        return Verdict(OPEN, f"{said}; no system was set beside itself")
    if not (1 - DIFFERENCE_MIN < again.low and again.high < 1 / (1 - DIFFERENCE_MIN)):
        return Verdict(OPEN, f"{said}; but {case['again'][1]} beside itself was [{again.low:.2f}, {again.high:.2f}]")
    if found.low > claim.limit:
        return Verdict(FAILS, said)
    # That something costs no more than so much more is seen by the clock if "so much" is.
    seen = claim.limit <= 1 - DIFFERENCE_MIN or claim.limit >= 1 + DIFFERENCE_MIN
    if found.high <= (claim.limit if seen else 1 - DIFFERENCE_MIN):
        return Verdict(HOLDS, said)
    if seen:
        return Verdict(OPEN, f"{said}: the limit lies within")
    by_count = _judge_counted(case, Claim(claim.ours, claim.against, INSTRUCTIONS, claim.limit))
    return Verdict(by_count.word, f"{said}, too near to 1 for a clock; {by_count.reason}")


def _judge_counted(case, claim):
    """Counts are repeated, too: what a server does by the clock, and how many requests it finds in one turn, is in them."""
    ours, theirs = counted(case, claim.ours, claim.what), None
    if claim.against is not None:
        theirs = counted(case, claim.against, claim.what)
    if claim.what in ONCE:
        return _judge_once(claim, ours, theirs)
    if len(ours) < COUNTS_MIN or (theirs is not None and len(theirs) < COUNTS_MIN):
        return Verdict(OPEN, f"{WORDS[claim.what]} were counted {min(len(each) for each in (ours, theirs) if each is not None)} times, "
                             f"and {COUNTS_MIN} are needed")
    if theirs is None:
        found = interval.around(ours)
        said = f"{found.value:.4g} [{found.low:.4g}, {found.high:.4g}] from {found.count} counts"
    else:
        found = compare_counts(case, claim.ours, claim.against, claim.what)
        said = (f"{found.value:.3f} × [{found.low:.3f}, {found.high:.3f}] by {WORDS[claim.what]} "
                f"({middle(ours):,.0f} and {middle(theirs):,.0f}), from {found.count} counts")
    return _by_limit(found, claim.limit, said)


def _judge_once(claim, ours, theirs):
    if not ours or (theirs is not None and not theirs):
        return Verdict(OPEN, f"{WORDS[claim.what]} were not counted")
    if claim.points is not None:
        ahead = theirs[0] - ours[0]
        return Verdict(HOLDS if ahead >= claim.points and ahead > 0 else FAILS,
                       f"{ahead:+.2f} points ({100 - ours[0]:.2f} % and {100 - theirs[0]:.2f} % of hits)")
    if theirs is None:
        return Verdict(HOLDS if ours[0] <= claim.limit else FAILS, f"{ours[0]:.4g}")
    share = ours[0] / theirs[0]
    return Verdict(HOLDS if share <= claim.limit else FAILS, f"{share:.2f} × ({ours[0]:.3g} and {theirs[0]:.3g})")
