#!/usr/bin/python3
"""Intervals of ratios, against figures from books."""
import math
import random

import canned  # noqa: F401  first: it finds the others
import harness
import interval


def near(a, b, by=1e-3):
    assert abs(a - b) <= by * abs(b), (a, b)


def test_a_sample_from_a_book():
    # Nine logarithms with mean 1 and standard deviation 0.5 exactly: the margin is 2.306 * 0.5 / 3.
    logs = [1 + 0.5 * x for x in (-1, 1, -1, 1, -1, 1, -1, 1, 0)]
    found = interval.around([math.exp(log) for log in logs])
    assert found.count == 9
    near(found.value, math.e)
    near(found.low, math.exp(1 - 2.306 * 0.5 / 3))
    near(found.high, math.exp(1 + 2.306 * 0.5 / 3))


def test_student_beside_the_sleep_data():
    # Student's own: ten differences with mean 1.58 and interval 0.70 to 2.46 (as logarithms here).
    found = interval.around([math.exp(x) for x in (1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4)])
    near(math.log(found.value), 1.58)
    near(math.log(found.low), 0.70, 0.01)
    near(math.log(found.high), 2.46, 0.01)


def test_between_rows_the_interval_is_the_wider():
    assert interval.t_975(14) == 2.145
    assert interval.t_975(35) == 2.042
    assert interval.t_975(10_000) == 1.980


def test_nothing_and_one_round():
    assert interval.around([]) is None
    one = interval.around([3.0])
    assert one.count == 1 and one.low == 0 and math.isinf(one.high)
    near(one.value, 3.0)


def test_rounds_that_agree_leave_no_doubt():
    found = interval.around([2.0] * 15)
    near(found.low, 2.0)
    near(found.high, 2.0)


def test_only_rounds_that_both_have_are_pairs():
    found = interval.ratio({0: 1.0, 1: 2.0, 3: 9.0}, {0: 2.0, 1: 4.0, 2: 7.0})
    assert found.count == 2
    near(found.value, 0.5)
    assert interval.ratio({0: 1.0}, {1: 1.0}) is None


def test_what_meets_both_of_a_pair_cancels():
    shake = random.Random(5)
    machine = [shake.uniform(0.5, 3) for _ in range(15)]
    found = interval.ratio({at: 6.0 * m for at, m in enumerate(machine)}, {at: 10.0 * m for at, m in enumerate(machine)})
    near(found.low, 0.6)
    near(found.high, 0.6)


def test_the_inverse_is_the_inverse():
    shake = random.Random(6)
    a = {at: shake.uniform(1, 2) for at in range(15)}
    b = {at: shake.uniform(1, 2) for at in range(15)}
    there, back = interval.ratio(a, b), interval.ratio(b, a)
    near(there.value, 1 / back.value)
    near(there.low, 1 / back.high)


def test_the_interval_covers_the_truth_19_times_in_20():
    shake = random.Random(7)
    covered = 0
    for _ in range(2000):
        found = interval.around([math.exp(shake.gauss(0.3, 0.2)) for _ in range(15)])
        covered += found.low <= math.exp(0.3) <= found.high
    assert 0.935 <= covered / 2000 <= 0.965, covered


if __name__ == "__main__":
    harness.main()
