"""Ratios of rounds that were measured in pairs, with their 95 % interval.

One system's figure of a round is divided by the other's of the same round: what the machine did to both cancels.  The logarithms of these
ratios are taken for a sample of a normal distribution; the interval is Student's t around their mean.  So a ratio is a geometric mean, and
theirs to ours is exactly the inverse of ours to theirs.
"""
import math
from dataclasses import dataclass

# 97.5 % quantiles of Student's t, by degrees of freedom.  Between two rows the one with fewer counts: the interval is rather too wide.
T_975 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228,
         11: 2.201, 12: 2.179, 13: 2.160, 14: 2.145, 15: 2.131, 16: 2.120, 17: 2.110, 18: 2.101, 19: 2.093, 20: 2.086,
         21: 2.080, 22: 2.074, 23: 2.069, 24: 2.064, 25: 2.060, 26: 2.056, 27: 2.052, 28: 2.048, 29: 2.045, 30: 2.042,
         40: 2.021, 60: 2.000, 120: 1.980}


@dataclass(frozen=True)
class Interval:
    """Where a figure lies, and from how many rounds that is known."""
    value: float
    low: float
    high: float
    count: int


def t_975(freedom):
    return T_975[max(row for row in T_975 if row <= freedom)]


def around(values):
    """The geometric mean of positive values.  None: there are none."""
    logs = [math.log(value) for value in values]
    count = len(logs)
    if count == 0:
        return None
    mean = sum(logs) / count
    if count == 1:
        return Interval(math.exp(mean), 0.0, math.inf, 1)
    deviation = math.sqrt(sum((log - mean) ** 2 for log in logs) / (count - 1))
    margin = t_975(count - 1) * deviation / math.sqrt(count)
    return Interval(math.exp(mean), math.exp(mean - margin), math.exp(mean + margin), count)


def ratio(ours, theirs):
    """ours / theirs; each is {round: figure}, and a round counts if both have it."""
    return around([ours[at] / theirs[at] for at in sorted(ours) if at in theirs])
