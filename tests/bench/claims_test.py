#!/usr/bin/python3
"""What is said of a claim, for results of which it is known."""
import canned                # first: it finds the others
import cases
import counted
import foretold
import harness
import hits
import pairs
import load
from claims import (CALLS, CPU, ENDED, FAILS, HOLDS, IDLE_BYTES, INSTRUCTIONS, MISSED, OBJECT_BYTES, OPEN, P50, P99, P99_9, SHIFTED, TIMED, WALL, WRITTEN,
                    Claim, judge)
from process import Failed


def said(claim, word, *phrases, **case):
    verdict = judge(canned.case(**case), claim)
    assert verdict.word == word, (verdict, word)
    for phrase in phrases:
        assert phrase in verdict.reason, (verdict, phrase)


def cpu(limit):
    return Claim("rend", "peer", CPU, limit)


def test_a_clear_difference():
    said(cpu(0.6), HOLDS, "0.50 ×", "15 pairs", ours=5.0)
    said(cpu(0.4), FAILS, "0.50 ×", ours=5.0)


def test_the_limit_within_the_interval():
    said(cpu(0.5), OPEN, "the limit lies within", ours=5.0, shake=(0.9, 1.1, 1.0, 0.95, 1.05))


def test_what_is_counted_is_checked():
    class Load:
        """Every run of it has so many wrong answers."""

        def __init__(self, wrong):
            self.wrong = wrong

        def run(self, actor, keys, seed, requests, prefix):
            return dict(requests=requests, wrong=self.wrong)

    class Actor:
        name = "rend"

    assert counted.sound_run(Load(0), Actor, 1000, 1, 500)["requests"] == 500
    try:
        counted.sound_run(Load(2), Actor, 1000, 1, 500)
    except Failed as why:
        assert "rend: 2 answers were wrong" in str(why), why
    else:
        raise AssertionError("wrong answers were counted")


def test_too_few_pairs():
    said(cpu(0.6), OPEN, "14 pairs, and 15 are needed", count=14)
    said(cpu(0.6), OPEN, "0 pairs", count=0)


def test_a_peer_that_differs_from_itself():
    said(cpu(0.6), OPEN, "peer beside itself", again=12.0)
    said(cpu(0.6), OPEN, "peer beside itself", again=8.4)
    said(cpu(0.6), HOLDS, again=10.5)


def test_wrong_answers_decide_nothing():
    said(cpu(0.6), OPEN, "15 answers were wrong", wrong=1)
    said(Claim("rend", None, CALLS, 2.2), OPEN, "wrong", wrong=1, calls={"rend": [2.0] * 3})


def test_a_small_difference_is_counted():
    little = dict(ours=9.0)
    said(cpu(0.95), OPEN, "too near to 1 for a clock", "counted 0 times", **little)
    said(cpu(0.95), HOLDS, "0.800 ×", instructions={"rend": [800, 801, 800], "peer": [1000, 1002, 1000]}, **little)
    said(cpu(0.95), FAILS, "1.100 ×", instructions={"rend": [1100] * 3, "peer": [1000] * 3}, **little)
    # The clock has the last word if it contradicts.
    said(cpu(0.95), FAILS, "1.20 ×", ours=12.0, instructions={"rend": [800] * 3, "peer": [1000] * 3})
    # A large difference needs no counting, however little is claimed.
    said(cpu(0.95), HOLDS, "0.50 ×", ours=5.0)
    # 0.85 claimed and 0.80 seen is a difference that a clock sees.
    said(cpu(0.85), HOLDS, ours=8.0)
    said(cpu(0.85), OPEN, ours=8.5)


def test_no_more_than_so_much_more():
    said(cpu(1.15), HOLDS, ours=10.2)
    said(cpu(1.15), OPEN, ours=11.5)
    said(cpu(1.15), FAILS, ours=13.0)


def test_what_something_else_costs_is_taken_off():
    """ours 8.0, of which a twentieth of the floor's 3.0 is not counted: 7.85 of the peer's 10."""
    def but(limit, share, system="floor"):
        return Claim("rend", "peer", CPU, limit, (share, system))

    said(but(0.85, 0.05), HOLDS, "0.7", ours=8.0)
    said(but(0.75, 0.05), FAILS, ours=8.0)
    said(but(0.75, 0.5), HOLDS, ours=8.0)
    # Without a round of it nothing can be taken off; and if nothing is left, nothing was measured.
    said(but(0.85, 0.05, "nobody"), OPEN, "0 pairs", ours=8.0)
    said(but(0.85, 5), OPEN, "0 pairs", ours=8.0)
    assert but(1.2, 0.05).sentence() == "rend: at most 1.2 × the CPU time of peer, besides 0.05 × that of floor"


def test_the_time_between_two_answers():
    """All have the same throughput here."""
    said(Claim("rend", "peer", WALL, 1.2), HOLDS, "1.00 ×")
    said(Claim("rend", "peer", WALL, 0.05), FAILS, "1.00 ×")


def test_counts():
    calls = Claim("rend", None, CALLS, 2.2)
    said(calls, HOLDS, "2.083", calls={"rend": [2.08, 2.07, 2.1]})
    said(calls, FAILS, calls={"rend": [2.3, 2.4, 2.35]})
    said(calls, OPEN, "the limit lies within", calls={"rend": [2.1, 2.3, 2.2]})
    said(calls, OPEN, "counted 2 times, and 3 are needed", calls={"rend": [2.0, 2.0]})
    said(calls, OPEN, "counted 0 times")
    own = Claim("rend", "peer", INSTRUCTIONS, 1.02)
    said(own, OPEN, "counted 0 times", instructions={"rend": [1.0] * 5})
    said(own, OPEN, "the limit lies within", instructions={"rend": [1000, 1030, 1010], "peer": [1000, 1000, 1000]})
    # A turn that cost both more says nothing of their ratio.
    said(own, HOLDS, "1.010 × [1.010, 1.010]", instructions={"rend": [1010, 2020, 1010], "peer": [1000, 2000, 1000]})
    said(own, FAILS, "1.050 ×", instructions={"rend": [1050, 1050, 1050], "peer": [1000, 1000, 1000]})
    said(Claim("rend", None, IDLE_BYTES, 512), HOLDS, idle_bytes={"rend": [490, 491, 489]})
    said(Claim("rend", None, IDLE_BYTES, 512), FAILS, idle_bytes={"rend": [600, 600, 600]})
    said(Claim("rend", None, WRITTEN, 1.05), HOLDS, "1.03 [1.03, 1.03] from 3 counts", written={"rend": [1.03] * 3})
    said(Claim("rend", None, WRITTEN, 1.05), OPEN, "counted 2 times", written={"rend": [1.03] * 2})


def test_what_is_counted_once():
    bytes_each = Claim("rend", "peer", OBJECT_BYTES, 0.5)
    said(bytes_each, HOLDS, "0.20 × (20 and 100)", object_bytes={"rend": [20.0], "peer": [100.0]})
    said(bytes_each, FAILS, "0.60 ×", object_bytes={"rend": [60.0], "peer": [100.0]})
    said(bytes_each, OPEN, "were not counted", object_bytes={"rend": [60.0]})
    said(Claim("rend", None, OBJECT_BYTES, 50), FAILS, "60", object_bytes={"rend": [60.0]})


def test_points_of_hits():
    """ours misses 20 of a hundred."""
    def points(count, theirs, what=MISSED):
        return Claim("rend", "peer", what, points=count), dict(misses={"rend": [20.0], "peer": [theirs]})

    for claim, word, figure in ((points(0, 21.0), HOLDS, "+1.00 points (80.00 % and 79.00 % of hits)"), (points(2.5, 23.0), HOLDS, "+3.00 points"),
                                (points(2.5, 22.0), FAILS, "+2.00 points"), (points(0, 19.0), FAILS, "-1.00 points")):
        said(claim[0], word, figure, **claim[1])
    # As many are not more.
    claim, figures = points(0, 20.0)
    said(claim, FAILS, **figures)
    claim, figures = points(0, 21.0, SHIFTED)
    said(claim, OPEN, "misses right after the shift were not counted", **figures)
    assert Claim("a", "b", MISSED, points=0).sentence() == "a: more hits than b"
    assert Claim("a", "b", SHIFTED, points=15).sentence() == "a: at least 15 points of hits more than b right after the shift"
    assert Claim("a", "b", ENDED, points=2).sentence() == "a: at least 2 points of hits more than b in the last tenth"


def test_what_was_foretold_is_claimed():
    assert foretold.ahead("zipf-0.99", MISSED) == 2.4 and foretold.ahead("zipf-1.2", MISSED) == 0
    assert foretold.ahead("shift", MISSED) is None and foretold.ahead("shift", SHIFTED) == 17.7
    assert foretold.foretold("loop", MISSED, "memcached") == 12.9
    replayed = [case for case in cases.CASES if case.traffic]
    assert {case.traffic for case in replayed} == set(foretold.FORETOLD)
    for case in replayed:
        assert all(claim.points is not None for claim in case.claims) and case.claims[0].points == 0, case.name


def test_parts_of_what_was_replayed():
    """60 windows: 30 before the shift, 6 right after it, the last 6."""
    windows = [90.0] * 30 + [60.0] * 6 + [75.0] * 18 + [80.0] * 6
    found = hits.parts("shift", {"rend": dict(per_request=[22.0], windows=windows)})
    assert found[MISSED]["rend"]["per_request"] == [22.0] and found[MISSED]["rend"]["foretold"] is None
    assert found[SHIFTED]["rend"] == dict(per_request=[40.0], foretold=64.7) and found[ENDED]["rend"] == dict(per_request=[20.0], foretold=69.6)
    assert list(hits.parts("loop", {"rend": dict(per_request=[22.0], windows=windows)})) == [MISSED]


def test_times_of_answers():
    """All have 80 at p50, 240 at p99, and 500 at p99.9."""
    said(Claim("rend", "peer", P99_9, 2), HOLDS, "1.00 ×")
    said(Claim("rend", "peer", P99_9, 0.8), FAILS, "1.00 ×")
    said(Claim("rend", "peer", P50, 1.2), HOLDS, "1.00 ×")
    said(Claim("rend", "peer", P50, 0.7), FAILS, "1.00 ×")
    said(Claim("rend", None, P99, 250), HOLDS, "240 [240, 240] from 15 turns")
    said(Claim("rend", None, P99, 200), FAILS)
    said(Claim("rend", None, P99, 250), OPEN, "14 turns, and 15 are needed", count=14)


def test_misses_that_are_granted():
    def wrong(misses, granted):
        return load.wrong(dict(keys=1000, wrong=0, lost=0, protocol=0, server_errors=1, misses=misses, connections=dict(refused=0)), granted)

    assert wrong(0, 0) == 1
    assert wrong(10, 0) == 11
    assert wrong(10, 0.01) == 1
    # One too many, and none is granted.
    assert wrong(11, 0.01) == 12


def test_turns_are_taken():
    assert pairs.interleave(["a", "b", "c"], 2) == [(0, "a"), (0, "b"), (0, "c"), (1, "a"), (1, "b"), (1, "c")]


def test_the_table_of_cases():
    names = [case.name for case in cases.CASES]
    assert len(set(names)) == len(names)
    for case in cases.CASES:
        roles = [system.role for system in case.systems.values()]
        # What is weighed or counted, and not timed, has nothing to be set beside.
        assert case.again or not set(case.passes) & set(cases.TIMED), case.name
        if case.again:
            assert "floor" in roles, f"{case.name} has no floor"
            again, base = case.again
            # The same program with the same settings, started twice.
            assert case.systems[again] == case.systems[base] and again != base, case.name
        for claim in case.claims:
            assert claim.ours in case.systems and case.systems[claim.ours].role == "ours", (case.name, claim)
            assert claim.against is None or claim.against in case.systems, (case.name, claim)
            assert claim.against is not None or claim.what not in TIMED or claim.what == P99, (case.name, claim)
    assert [case.name for case in cases.chosen(["multiget", "text-1"])] == ["text-1", "multiget"]
    assert cases.chosen([]) == list(cases.CASES)
    try:
        cases.chosen(["none"])
        raise AssertionError("a case that is not there was found")
    except KeyError:
        pass


if __name__ == "__main__":
    harness.main()
