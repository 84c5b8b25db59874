"""The systems of one case, started, filled and ready to be asked."""
import os
import shutil
import tempfile
from dataclasses import replace

import disk
from askers import Asker
from process import Process, connects, wait_for
from systems import Crowd, Place, memcached_argv

# So many that they do not all lie in the processor's nearer caches.
KEYS = 100_000


def word(name):
    return name.replace(" ", "-").replace(",", "")


class Actor:
    """One system that serves, and the load it is to be put under.  One that only asks has no process and no address."""

    def __init__(self, name, system, workload, process=None, address=None, place=None):
        self.name = name
        self.system = system
        self.process = process
        self.address = address
        self.place = place
        self.workload = replace(workload, protocol=system.protocol or workload.protocol, depth=system.depth or workload.depth)

    @property
    def verified(self):
        return self.system.role != "floor" or self.system.proxy

    def take_turn(self, load, keys, seed, **window):
        """One round."""
        if isinstance(self.system, Asker):
            return self.system.take_turn(seed, **window)
        ticks = self.process.check().ticks()
        record = load.run(self, keys, seed, **window)
        user, kernel = [after - before for before, after in zip(ticks, self.process.ticks())]
        return dict(record, rss_kb=self.process.rss_kb(), user_ticks=user, kernel_ticks=kernel)


class Stage:
    """with Stage(case, load, build) as stage: ... stage.actors["rend"] ...  where: a folder on a disk, for the systems that need one."""

    def __init__(self, case, load, build, names=None, keys=KEYS, wrap=None, files=None, where=None):
        self.case = case
        self.load = load
        self.folder = None
        self.where = where
        self.disk = None     # a folder there
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
        folder = os.path.join(self.folder, word(name))
        os.mkdir(folder)
        place = Place(folder, self.build, self.backend.path if system.proxy else None, self.wrap, self.files,
                      on_disk=lambda: self._on_disk(name))
        self.aides.append(place.aides)
        if isinstance(system, Asker):
            system.prepare(name, place, self.case.workload, self.keys)
            self.actors[name] = Actor(name, system, self.case.workload)
            return
        actor = self.actors[name] = Actor(name, system, self.case.workload, *system.start(name, place), place)
        if actor.verified:
            self.load.fill(actor, self.keys)
        if system.idle:
            self.crowds.append(Crowd(actor.address).gather(system.idle))

    def restart(self, name):
        """A server that has ended is started again where it was."""
        actor = self.actors[name]
        # What it said then is not what it says now.
        os.rename(actor.process.log, actor.process.log + ".before")
        actor.process, actor.address = actor.system.start(name, actor.place)
        return actor

    def _on_disk(self, name):
        if self.disk is None:
            self.disk = disk.folder(self.where)
        folder = os.path.join(self.disk, word(name))
        os.makedirs(folder, mode=0o700, exist_ok=True)
        return folder

    def __exit__(self, *_):
        for crowd in self.crowds:
            crowd.leave()
        for process in self._processes():
            process.end()
        for aide in [each for aides in self.aides for each in aides] + ([self.backend] if self.backend else []):
            aide.end()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.disk is not None:
            shutil.rmtree(self.disk, ignore_errors=True)

    def _processes(self):
        return [actor.process for actor in self.actors.values() if actor.process]

    def commands(self):
        """How each was started; and what stands in the file that it was started with, if there is one.  Without the paths of this machine."""
        found = {name: actor.system.command() for name, actor in self.actors.items() if isinstance(actor.system, Asker)}
        for process in self._processes() + ([self.backend] if self.backend else []):
            found[process.name] = process.command()
            folder = os.path.dirname(process.log)
            for name in sorted(os.listdir(folder)):
                if name.endswith((".conf", ".yml")):
                    with open(os.path.join(folder, name)) as f:
                        found[f"{process.name}: {name}"] = f.read()
        return {name: self._without_paths(text) for name, text in found.items()}

    def _without_paths(self, text):
        text = text.replace(self.build, "BUILD").replace(self.folder, "FOLDER")
        return text.replace(self.disk, "DISK") if self.disk else text
