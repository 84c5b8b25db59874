"""Results that nobody measured, for the tests of what is said about results."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.join(HERE, "..", "..", "bench")
sys.path[:0] = [BENCH, os.path.join(HERE, "..", "talk")]

# Noise that is the same each time; peers have it backwards.
WAVE = (1.04, 0.98, 1.01, 0.97, 1.02, 1.0, 0.99, 1.03, 0.96, 1.0, 1.0, 1.02, 0.97, 1.03, 0.98)


def rounds(system, role, cpu_us, count=15, shake=WAVE, wrong=0):
    return [dict(round=at, system=system, role=role, requests=1000, cpu_us=cpu_us * shake[at % len(shake)], per_second=50_000, p50_us=80.0,
                 p99_us=240.0, p99_9_us=500.0, rss_kb=30_000, user_ticks=3, kernel_ticks=7, wrong=wrong, other_cores=0.1, client_us=4.0) for at in range(count)]


def case(name="text-1", ours=5.0, peer=10.0, again=10.0, count=15, claims=(), shake=WAVE, wrong=0, calls=None, instructions=None,
         idle_bytes=None, written=None, object_bytes=None, misses=None):
    """rend beside a peer: each figure is what the rounds turn around.  calls ...: {system: [count, ...]}."""
    counted = {kind: {system: dict(per_request=values, kinds={"recvfrom": 1.0, "sendmsg": 1.0}, counter="perf", requests=[10, 20],
                                   libraries=[("rend", 80.0), ("libc.so.6", 20.0)], functions=[("text_parse", 30.0), ("<lambda>|", 5.0)])
                      for system, values in found.items()}
               for kind, found in (("calls", calls), ("instructions", instructions), ("idle_bytes", idle_bytes), ("written", written),
                                  ("object_bytes", object_bytes), ("misses", misses)) if found}
    timed = [] if idle_bytes or written or object_bytes or misses else (rounds("rend", "ours", ours, count, shake, wrong) + rounds("peer", "peer", peer, count, WAVE[::-1]) +
                                   rounds("peer again", "peer", again, count, WAVE[::-1]) + rounds("floor", "floor", 3.0, count))
    return dict(name=name, about="canned & <odd>", workload="text, 50 connections", unit="request", again=["peer again", "peer"],
                systems={"rend": "ours", "peer": "peer", "peer again": "peer", "floor": "floor"}, commands={"rend": "rend -c x"},
                rounds=timed, counted=counted, claims=list(claims), failed=[])


def result(*cases):
    return dict(format=1, taken=dict(
        date="2026-01-02 03:04", minutes=1.5, commit="0123456789abcdef0123456789abcdef01234567", changed=False,
        host=dict(cpu="A processor", cores=2, memory_mib=1024, kernel="6.1", load_average=[0.1, 0.2, 0.3]),
        versions={"rend": "rend 0.1.0", "memcached": "memcached 1.6.18"},
        settings=dict(rounds=15, seconds=0.6, requests=None, keys=1000)), cases=list(cases))
