"""What is counted instead of timed: how a count is made to be that of requests alone.

Each count is made with a small and with a larger number of requests; the difference is what the requests cost, without the start of the server
and of its connections.
"""

REPEATS = 2

# Keys, so that filling a server under valgrind takes a second.
KEYS = 10_000


def per_request(small, large):
    """Of two (requests, count)."""
    return (large[1] - small[1]) / (large[0] - small[0])


def actors(stage):
    """The systems that are worth counting: a second process of the same program has nothing new to say."""
    return [stage.actors[name] for name in stage.names if name != stage.case.again[0]]
