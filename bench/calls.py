"""How many system calls a request takes, of every kind, in the whole process of a server.

What a server finds in one turn shares the wait for it: that is all that differs between two counts, and with the client on a core of its own
it says which of the two is faster just then, from 1 request in a turn to all that are under way.  So they all share one core, and none of
them interrupts another: whoever has it goes on until it has nothing more to do, and a turn finds what every connection has sent.  What a
request takes that comes alone, another case counts.
"""
import glob
import os
import shutil
import signal
import subprocess

from counted import REPEATS, actors, per_request, scaled, sound_run
from process import PATIENCE, Failed, wait_for

REQUESTS = (5_000, 25_000)

KINDS = ("epoll_wait", "epoll_ctl", "read", "readv", "recvfrom", "recvmsg", "write", "writev", "sendto", "sendmsg")


def wrap(argv):
    """So that nobody is interrupted by those whom he wakes."""
    return ["chrt", "--batch", "0", *argv]


class Perf:
    """perf counts in the kernel: the server does not notice."""
    name = "perf"
    total = "raw_syscalls:sys_enter"

    @staticmethod
    def works():
        return shutil.which("perf") is not None and subprocess.run(
            ["perf", "stat", "-e", Perf.total, "true"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL).returncode == 0

    @staticmethod
    def count(actor, folder, run):
        out = os.path.join(folder, "perf.txt")
        events = ",".join([Perf.total] + [f"syscalls:sys_enter_{kind}" for kind in KINDS])
        record = run(["perf", "stat", "-x", ",", "-e", events, "-o", out, "-p", str(actor.process.pid), "--"])
        with open(out) as f:
            return record, Perf.parse(f.read())

    @staticmethod
    def parse(text):
        counts = {}
        for line in text.splitlines():
            fields = line.split(",")
            if len(fields) > 2 and fields[0].isdigit():
                counts["all" if fields[2] == Perf.total else fields[2].rsplit("_enter_", 1)[1]] = int(fields[0])
        return counts


class Strace:
    """Where perf may not: the server is stopped at each call, so it finds more to do in each turn than it else would."""
    name = "strace"

    @staticmethod
    def works():
        return shutil.which("strace") is not None

    @staticmethod
    def count(actor, folder, run):
        out = os.path.join(folder, "strace.txt")
        tracer = subprocess.Popen(["strace", "-c", "-f", "-o", out, "-p", str(actor.process.pid)], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for("strace to hold on", lambda: Strace.holds(actor.process.pid))
            record = run([])
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(PATIENCE)
        with open(out) as f:
            return record, Strace.parse(f.read())

    @staticmethod
    def holds(pid):
        for status in glob.glob(f"/proc/{pid}/task/*/status"):
            with open(status) as f:
                if "\nTracerPid:\t0\n" in f.read():
                    return False
        return True

    @staticmethod
    def parse(text):
        counts = {}
        for line in text.splitlines():
            fields = line.split()
            if len(fields) >= 5 and fields[3].isdigit() and fields[-1] != "total":
                counts[fields[-1]] = int(fields[3])
        counts["all"] = sum(counts.values())
        return counts


def counter_of_calls():
    for counter in (Perf, Strace):
        if counter.works():
            return counter
    raise Failed("neither perf nor strace can count system calls here")


def count(stage, load, requests=None, repeats=REPEATS):
    counter = counter_of_calls()
    requests = requests or scaled(REQUESTS, stage.case.workload)
    repetitions = {actor.name: [] for actor in actors(stage)}
    for at in range(repeats):
        for actor in actors(stage):
            small, large = [counter.count(actor, stage.folder, lambda prefix, n=n: sound_run(
                load, actor, stage.keys, seed=at + 1, requests=n, prefix=prefix)) for n in requests]
            repetitions[actor.name].append({
                kind: per_request((small[0]["requests"], small[1].get(kind, 0)), (large[0]["requests"], of_kind))
                for kind, of_kind in large[1].items()})
    return {name: dict(per_request=[each["all"] for each in found], kinds=by_kind(found), counter=counter.name, requests=requests)
            for name, found in repetitions.items()}


def by_kind(repetitions):
    """The mean of each kind that is not next to nothing."""
    kinds = sorted({kind for each in repetitions for kind in each} - {"all"})
    means = {kind: round(sum(each.get(kind, 0) for each in repetitions) / len(repetitions), 4) for kind in kinds}
    return {kind: mean for kind, mean in means.items() if mean >= 0.001}
