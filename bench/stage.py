"""The systems of one case, started, filled and ready to be asked."""
import os
import shutil
import tempfile
from dataclasses import replace

from process import Process, connects, wait_for
from systems import Crowd, Place, memcached_argv

# So many that they do not all lie in the processor's nearer caches.
KEYS = 100_000


class Actor:
    """One system that serves, and the load it is to be put under."""

    def __init__(self, name, system, workload, process, address):
        self.name = name
        self.system = system
        self.process = process
        self.address = address
        self.workload = replace(workload, protocol=system.protocol or workload.protocol, depth=system.depth or workload.depth)

    @property
    def verified(self):
        return self.system.role != "floor" or self.system.proxy


class Stage:
    """with Stage(case, load, build) as stage: ... stage.actors["rend"] ..."""

    def __init__(self, case, load, build, names=None, keys=KEYS, wrap=None, files=None):
        self.case = case
        self.load = load
        self.folder = None
        self.build = build
        self.names = [name for name in case.systems if names is None or name in names]
        self.keys = keys
        self.wrap = wrap
        self.files = files
        self.backend = None
        self.actors = {}
        self.crowds = []
        self.aides = []

    def __enter__(self):
        # Not below the build: the path of a unix socket has to be short.
        self.folder = tempfile.mkdtemp(prefix="rend-bench.")
        try:
            if any(self.case.systems[name].proxy for name in self.names):
                self._start_backend()
            for name in self.names:
                self._start(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start_backend(self):
        socket_path = os.path.join(self.folder, "backend.sock")
        self.backend = Process("backend", self.load.wrap(memcached_argv() + ["-s", socket_path]), self.folder, self.load.core)
        self.backend.path = socket_path
        wait_for("the backend to serve", lambda: self.backend.check() and connects(socket_path))

    def _start(self, name):
        system = self.case.systems[name]
        folder = os.path.join(self.folder, name.replace(" ", "-").replace(",", ""))
        os.mkdir(folder)
        place = Place(folder, self.build, self.backend.path if system.proxy else None, self.wrap, self.files)
        self.aides.append(place.aides)
        process, address = system.start(name, place)
        actor = self.actors[name] = Actor(name, system, self.case.workload, process, address)
        if actor.verified:
            self.load.fill(actor, self.keys)
        if system.idle:
            self.crowds.append(Crowd(address).gather(system.idle))

    def __exit__(self, *_):
        for crowd in self.crowds:
            crowd.leave()
        for actor in self.actors.values():
            actor.process.end()
        for aide in [each for aides in self.aides for each in aides] + ([self.backend] if self.backend else []):
            aide.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def commands(self):
        """How each was started; and what stands in the file that it was started with, if there is one.  Without the paths of this machine."""
        processes = [actor.process for actor in self.actors.values()] + ([self.backend] if self.backend else [])
        found = {}
        for process in processes:
            found[process.name] = process.command()
            folder = os.path.dirname(process.log)
            for name in sorted(os.listdir(folder)):
                if name.endswith((".conf", ".yml")):
                    with open(os.path.join(folder, name)) as f:
                        found[f"{process.name}: {name}"] = f.read()
        return {name: text.replace(self.build, "BUILD").replace(self.folder, "FOLDER") for name, text in found.items()}
