"""A handler in memory that is asked in batches, from the inside of one process: bench/batches.c."""
import json
import os
import select
import subprocess
from dataclasses import dataclass

from askers import BRIEF, Asker, record
from process import SERVER_CORE, Failed, on_core, ticks

# What a turn may take beyond its window, and filling.
PATIENCE = 120


class Program:
    """It keeps its store from turn to turn, so it is filled once.  Its stdin says when it asks, and its end."""

    def __init__(self, name, argv, folder):
        self.name = name
        self.log = os.path.join(folder, "batches.log")
        with open(self.log, "wb") as log:
            try:
                self.child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=folder)
            except OSError as why:
                raise Failed(f"{name}: {why}") from None

    def line(self, patience=PATIENCE):
        """The next that it prints.  Each is short and printed at once, so one that begins is there."""
        if not select.select([self.child.stdout], [], [], patience)[0]:
            raise Failed(f"{self.name} has said nothing for {patience:.0f} s")
        said = self.child.stdout.readline()
        if not said:
            with open(self.log, errors="replace") as log:
                raise Failed(f"{self.name} ended with {self.child.wait()}: {log.read()[-300:]}")
        return said.decode()

    def tell(self, text):
        try:
            self.child.stdin.write(text.encode())
            self.child.stdin.flush()
        except BrokenPipeError:
            self.line()

    def ticks(self):
        """Clock ticks so far, with those of a process that it has made: as user, in the kernel."""
        with open(f"/proc/{self.child.pid}/task/{self.child.pid}/children") as f:
            found = [ticks(pid) for pid in (self.child.pid, *f.read().split())]
        return tuple(sum(each) for each in zip(*found))

    def end(self):
        try:
            self.child.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child.stdout.close()


@dataclass
class Batches(Asker):
    plugin: str = "inmem"
    memory_mib: int = 1024
    options: tuple = ()      # of bench/batches
    workers: int = 1
    role: str = "ours"

    @property
    def process(self):
        return self.program

    def prepare(self, name, place, workload, keys):
        self.name, self.place, self.workload, self.keys = name, place, workload, keys
        # One worker stays on the core that all others have; two have one each.
        argv = self.argv() if self.workers > 1 else on_core(SERVER_CORE, self.argv())
        self.program = Program(name, argv, place.folder)
        place.aides.append(self.program)
        if self.program.line() != "ready\n":
            raise Failed(f"{name} is not ready")

    def argv(self):
        return [os.path.join(self.place.build, "bench", "batches"), "-o", f"memory={self.memory_mib}MiB", "--workers", str(self.workers),
                "--keys", str(self.keys), "--bytes", str(self.workload.value_bytes), *self.options,
                os.path.join(self.place.build, ".libs", f"{self.plugin}.so")]

    def command(self):
        return " ".join(self.argv())

    def take_turn(self, seed, seconds=BRIEF, warm=0, requests=None):
        self.program.tell(f"{seconds:g} {warm:g} {seed}\n")
        said = json.loads(self.program.line(PATIENCE + seconds + warm))
        misses = said["missed"] if said["missed"] > self.workload.misses * said["done"] else 0
        return record(said["done"], said["seconds"], said["user_seconds"], said["kernel_seconds"], said["p50_us"], said["p99_us"], said["rss_kb"],
                      wrong=said["wrong"] + said["refused"] + misses, p99_9_us=said["p99_9_us"])
