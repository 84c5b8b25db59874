"""What the clients in Python share: the replay of a workload, and small things."""
import json
import multiprocessing
import sys
import time

PATIENCE = 20.0


def arguments():
    """HOST PORT WORKLOAD"""
    host, port, workload = sys.argv[1:]
    with open(workload) as f:
        return host, int(port), json.load(f)


def same(what, got, expected):
    if got != expected:
        raise AssertionError(f"{what}: got {repr(got)[:200]}, expected {repr(expected)[:200]}")


def replay_one(connect, steps):
    adapter = connect()
    for number, step in enumerate(steps):
        play(adapter, number, *step)


def run(connections, connect):
    """Replays all connections at once.  connect() makes an adapter: its methods are named and answer as workload.py says, values are bytes.

    In processes: pylibmc's gets() mixes up the answers of clients in other threads, whatever the server."""
    with multiprocessing.get_context("fork").Pool(len(connections)) as pool:
        pool.starmap(replay_one, [(connect, steps) for steps in connections], chunksize=1)
    steps = sum(map(len, connections))
    print(f"{steps} operations on {len(connections)} connections at once")


def raw(value):
    return value.encode() if isinstance(value, str) else value


def play(adapter, number, operation, key, argument, answer):
    method = getattr(adapter, operation)
    arguments = [key] if argument is None else [key, raw(argument)]
    if operation == "get_many":
        answer = {key: raw(value) for key, value in answer.items()}
    elif operation in ("get", "gets"):
        answer = raw(answer)
    elif operation == "delete" and getattr(adapter, "delete_is_mute", False):
        answer = True
    elif operation == "cas" and getattr(adapter, "cas_is_yes_or_no", False):
        answer = answer == "stored"
    same(f"step {number}: {operation} {key}", method(*arguments), answer)


def gone(what, get):
    """get() comes to None, in bounded time."""
    end = time.monotonic() + PATIENCE
    while get() is not None:
        if time.monotonic() > end:
            raise AssertionError(f"{what} is still there")
        time.sleep(0.02)
