"""rend-load, as the bench uses it: closed loop, one thread, every answer checked.  See docs/rend-load.md."""
import json
import os
import subprocess

from process import CLIENT_CORE, Failed, on_core

# What a round may take beyond its window.
PATIENCE = 120
FILL_PATIENCE = 300

# The key that a server is filled with first.
FIRST_KEY = "A" * 14

# Before what is measured of a load at a rate, s.
WARM_S = 1

# A turn in which nothing happened is made again, so often.
TRIES = 3

# A server is filled over so many connections, with so many requests under way on each.
FILL = ("--connections", "8", "--depth", "16")


class Load:
    def __init__(self, build, core=CLIENT_CORE, wrap=None):
        """core: where it runs, and what is behind a proxy, too.  wrap() is put before the commands of both."""
        self.program = os.path.join(build, "rend-load")
        self.core = core
        self.wrap = wrap or (lambda argv: argv)

    def _run(self, actor, keys, options, prefix=(), patience=PATIENCE, value_bytes=None):
        host, port = actor.address
        workload = actor.workload
        argv = [*prefix, *on_core(self.core, self.wrap([
            self.program, "run", "--host", host, "--port", str(port), "--protocol", workload.protocol, "--keys", str(keys),
            "--size", str(value_bytes or workload.value_bytes), "--pid", str(actor.process.pid), "--timeout", "30s", "--json", "-", *options]))]
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience)
        except subprocess.TimeoutExpired:
            raise Failed(f"{actor.name}: {' '.join(argv)} does not end") from None
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise Failed(f"{actor.name}: {' '.join(argv)} ended with {done.returncode}: {done.stderr[-300:]}") from None

    def fill(self, actor, keys):
        """All keys are there afterwards."""
        if actor.system.first_bytes:
            self._fill(actor, keys, ["--preload", "--requests", "1", "--mix", "get:1"], actor.system.first_bytes)
        if actor.workload.fill_rate:
            self._fill(actor, keys, ["--rate", str(actor.workload.fill_rate), "--requests", str(keys), "--mix", "set:1", "--dist", "sequential"])
        else:
            self._fill(actor, keys, ["--preload", "--requests", "1000", "--mix", "get:1"])

    def _fill(self, actor, keys, options, value_bytes=None):
        said = self._run(actor, keys, [*FILL, *options], patience=FILL_PATIENCE, value_bytes=value_bytes)
        if wrong(said, actor.workload.misses):
            raise Failed(f"{actor.name} could not be filled: {said['faults'][:1] or said['misses']}")

    def run(self, actor, keys, seed, seconds=None, requests=None, warm=0, prefix=()):
        """One round.  A get of many keys counts as so many requests."""
        workload = actor.workload
        options = ["--connections", str(workload.connections), "--depth", str(workload.depth), "--seed", str(seed),
                   "--mix", mix(workload)]
        if workload.width > 1:
            options += ["--width", str(workload.width)]
        if workload.keys_asked:
            options += ["--dist", workload.keys_asked]
        if requests:
            options += ["--requests", str(max(1, round(requests / mean_width(workload))))]
        else:
            options += ["--seconds", f"{seconds:g}s", "--warmup", f"{warm:g}s"]
        for _ in range(TRIES):
            found = record(actor, self._run(actor, keys, options, prefix))
            if found:
                return found
        raise Failed(f"{actor.name} had no time to answer anything, {TRIES} times: the machine is too busy")


    def paced(self, actor, keys, seed, rate, seconds):
        """What rend-load says of so many requests a second, whether they are answered in time or not."""
        workload = actor.workload
        return self._run(actor, keys, ["--connections", str(workload.connections), "--seed", str(seed), "--mix", mix(workload), "--rate", f"{rate:.0f}",
                                       "--warmup", f"{WARM_S}s", "--seconds", f"{seconds:g}s"])


def mix(workload):
    shares = {"get": workload.get_percent, "set": 100 - workload.get_percent}
    return ",".join(f"{verb}:{share}" for verb, share in shares.items() if share)


def mean_width(workload):
    """Keys of a request: sets have one."""
    return (workload.get_percent * workload.width + 100 - workload.get_percent) / 100


def wrong(said, misses_granted=0):
    """Answers that were not what they had to be, or did not come.  A share of misses may be granted; if there are more, all of them count."""
    misses = said["misses"] if said["misses"] > misses_granted * said["keys"] else 0
    return sum(said[kind] for kind in ("wrong", "lost", "protocol", "server_errors")) + misses + said["connections"]["refused"]


def record(actor, said):
    """None: not one answer came in this window, or one so short that no CPU time was accounted: the machine had no time for either side."""
    if not said["keys"] or not said["processes"][0]["cpu_seconds"]:
        if said["faults"]:
            raise Failed(f"{actor.name}: {said['faults'][0]}")
        return None
    times = said["commands"][actor.system.timed]["latency"] if actor.system.timed else said["latency"]
    return dict(requests=said["keys"], seconds=said["seconds"], cpu_us=said["cpu_us_per_key"], per_second=said["keys_per_second"],
                p50_us=times["p50_us"], p99_us=times["p99_us"], p99_9_us=times["p99_9_us"],
                wrong=wrong(said, actor.workload.misses) if actor.verified else 0, misses=said["misses"], client_us=said["client"]["cpu_us_per_key"])
