"""Systems that are no servers: each turn is a program that asks a disk, or a handler, by itself."""
import json
import os
import re
import subprocess
from dataclasses import dataclass

import disk
from process import SERVER_CORE, TICKS, Failed, on_core
from stores import BUFFERS_MIB, DISK_GIB, OBJECTS
from systems import System

# What a turn may take beyond its window, and filling.
PATIENCE = 300

BRIEF = 0.2


def answer(name, argv, folder):
    """What a program prints."""
    try:
        done = subprocess.run(on_core(SERVER_CORE, argv), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, cwd=folder)
    except OSError as why:
        raise Failed(f"{name}: {why}") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"{name}: {' '.join(argv)} does not end") from None
    if done.returncode != 0:
        raise Failed(f"{name}: {' '.join(argv)} ended with {done.returncode}: {(done.stderr or done.stdout)[-300:]}")
    return done.stdout


def record(count, seconds, user_seconds, kernel_seconds, p50_us, p99_us, rss_kb=0, **more):
    """One turn, as pairs.py notes it."""
    return dict(requests=count, seconds=seconds, cpu_us=1e6 * (user_seconds + kernel_seconds) / count, per_second=count / seconds, p50_us=p50_us,
                p99_us=p99_us, wrong=0, client_us=0.0, rss_kb=rss_kb, user_ticks=round(user_seconds * TICKS),
                kernel_ticks=round(kernel_seconds * TICKS)) | more


class Asker(System):
    """prepare() once, then take_turn() again and again."""
    role = "ours"

    def prepare(self, name, place, workload, keys):
        raise NotImplementedError

    def take_turn(self, seed, seconds=BRIEF, warm=0, requests=None):
        """Returns the record of a turn.  It is so long also where a number of requests is wanted."""
        raise NotImplementedError

    def command(self):
        """How it is started."""
        raise NotImplementedError


class OfAFile(Asker):
    """Reads blocks of a file that has as many as there are keys; all of a stage have the same file."""

    def prepare(self, name, place, workload, keys):
        self.name, self.place, self.workload = name, place, workload
        self.depth = workload.connections * workload.depth
        self.path = os.path.join(os.path.dirname(place.on_disk()), "blocks")
        self.size_mib = max(16, keys * workload.value_bytes >> 20)
        if not os.path.exists(self.path):
            disk.fill(self.path, self.size_mib << 20)


@dataclass
class Fio(OfAFile):
    """As many reads as the disk can do, at this depth."""
    role: str = "floor"
    blocks: int = 1          # values' sizes, in one read

    def argv(self, seconds, warm, seed):
        return ["fio", "--name=reads", f"--filename={self.path}", "--rw=randread", f"--bs={self.blocks * self.workload.value_bytes}",
                f"--blockalign={self.workload.value_bytes}", "--direct=1",
                "--ioengine=io_uring", f"--iodepth={self.depth}", "--thread", "--time_based", f"--runtime={round(seconds * 1000)}ms",
                f"--ramp_time={round(warm * 1000)}ms", f"--size={self.size_mib}m", "--norandommap", f"--randseed={seed}",
                "--output-format=json"]

    def command(self):
        return " ".join(self.argv(0.5, 0.15, 1))

    def take_turn(self, seed, seconds=BRIEF, warm=0, requests=None):
        return fio_record(answer(self.name, self.argv(seconds, warm, seed), self.place.folder))


def fio_record(text):
    job = json.loads(text[text.index("{"):])["jobs"][0]
    read = job["read"]
    seconds = read["runtime"] / 1000
    times = read["clat_ns"]["percentile"]
    return record(read["total_ios"], seconds, job["usr_cpu"] / 100 * seconds, job["sys_cpu"] / 100 * seconds,
                  times["50.000000"] / 1000, times["99.000000"] / 1000)


@dataclass
class IoDriver(OfAFile):
    """ssd's own way to ask the disk, with nothing around it."""
    role: str = "ours"

    def argv(self, seconds):
        return [os.path.join(self.place.build, "plugins", "ssd", "io_bench"), self.path, str(self.size_mib), "uring", str(self.depth), f"{seconds:g}",
                str(self.workload.value_bytes)]

    def command(self):
        return " ".join(self.argv(0.5))

    def take_turn(self, seed, seconds=BRIEF, warm=0, requests=None):
        return io_record(answer(self.name, self.argv(seconds), self.place.folder), seconds)


def io_record(text, seconds):
    found = re.search(r"(\d+) reads in ([\d.]+) s .*p50 (\d+) us, p99 (\d+) us.* ([\d.]+) us of CPU each, ([\d.]+) of it in the kernel", text)
    if not found:
        raise Failed(f"io_bench says {text!r}")
    count, seconds, p50, p99, cpu, kernel = [float(figure) for figure in found.groups()]
    return record(int(count), seconds, (cpu - kernel) * count / 1e6, kernel * count / 1e6, p50, p99)


@dataclass
class Inside(Asker):
    """A handler, asked from the inside of one process: bench/inside.c."""
    plugin: str = "ssd"
    verb: str = "get"
    rate: int = 0            # of sets; 0: as many as there are answers
    fill_rate: int = 40_000
    role: str = "ours"

    def prepare(self, name, place, workload, keys):
        self.name, self.place, self.workload, self.keys = name, place, workload, keys
        self.options = self.options_of(place)
        if self.verb == "get":
            self.run("--verb", "set", "--sequential", "--requests", str(keys), "--rate", str(self.fill_rate))

    def options_of(self, place):
        if self.plugin == "ssd":
            return [f"path={place.on_disk()}", f"size={DISK_GIB}GiB", f"objects={OBJECTS}", f"buffers={BUFFERS_MIB}MiB"]
        return [f"memory={DISK_GIB}GiB"]

    def argv(self, *options):
        settings = [word for option in self.options for word in ("-o", option)]
        return [os.path.join(self.place.build, "bench", "inside"), *settings, "--keys", str(self.keys), "--bytes", str(self.workload.value_bytes),
                *options, os.path.join(self.place.build, ".libs", f"{self.plugin}.so")]

    def run(self, *options):
        said = json.loads(answer(self.name, self.argv(*options), self.place.folder))
        if said["refused"]:
            raise Failed(f"{self.name}: {said['refused']} of {said['done']} were refused")
        return said

    def asked(self):
        return ["--verb", self.verb, "--depth", str(self.workload.connections * self.workload.depth), "--rate", str(self.rate)]

    def command(self):
        return " ".join(self.argv(*self.asked()))

    def take_turn(self, seed, seconds=BRIEF, warm=0, requests=None):
        said = self.run(*self.asked(), "--seconds", f"{seconds:g}", "--warmup", f"{warm:g}", "--seed", str(seed))
        wrong = said["wrong"] + (said["missed"] if said["missed"] > self.workload.misses * said["done"] else 0)
        return record(said["done"], said["seconds"], said["user_seconds"], said["kernel_seconds"], said["p50_us"], said["p99_us"],
                      said["rss_kb"], wrong=wrong, p99_9_us=said["p99_9_us"])
