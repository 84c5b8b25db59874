"""A rend whose rend.conf is read anew, and what it is given to read.  Not run on its own."""
import os
import re
import shutil
import subprocess
import time

import harness
from harness import Rend, wait_for

LOAD = os.path.join(os.path.dirname(harness.REND), "rend-load")
RENDCTL = os.path.join(os.path.dirname(harness.REND), "rendctl")
WORDS = os.environ.get("TEST_PLUGINS", "")
CONFIG, USAGE, UNAVAILABLE, SOFTWARE, TEMPFAIL = 78, 64, 69, 70, 75

# A reload looks at rend.conf in a process of its own, which under a sanitizer takes its time.
SWAPS, MANY = (20, 100) if not harness.sanitized() else (8, 20)


def is_to_be_tried_again(code, err):
    return code == TEMPFAIL and re.search("try again|took too long", err) is not None


class Reloaded(Rend):
    """A rend with a control socket, whose rend.conf can be written anew."""

    def __init__(self, conf=harness.INMEM, more="", **kw):
        super().__init__("", **kw)
        self.control = os.path.join(self.folder, "control")
        self.more = more
        self.write(conf)

    def write(self, conf, more=None, workers=2):
        more = self.more if more is None else more
        with open(self.conf_file + ".new", "w") as f:
            f.write(f'workers = {workers};\nplugin_dir = "{harness.PLUGINS}";\nuser = "{harness.user_name()}";\n'
                    f'control = "{self.control}";\n{more}\n{conf}')
        os.chmod(self.conf_file + ".new", 0o644)
        os.rename(self.conf_file + ".new", self.conf_file)

    def ctl(self, *words):
        p = subprocess.run([RENDCTL, "-s", self.control, *words], capture_output=True, text=True, timeout=300)
        return p.returncode, p.stdout, p.stderr

    def tried(self, command, *wanted):
        """What comes of it.  On a machine that has much else to do, all may take longer than it is waited for: that is said, and to be tried again,
        unless the refusal is one with the wanted words."""
        until = time.monotonic() + harness.PATIENCE
        while True:
            code, out, err = self.ctl(command)
            if not is_to_be_tried_again(code, err) or (wanted and all(word in err for word in wanted)) or time.monotonic() > until:
                return code, out, err
            time.sleep(0.02)

    def reload(self, conf=None, **kw):
        if conf is not None:
            self.write(conf, **kw)
        code, out, err = self.tried("reload")
        assert code == 0, (code, out, err, self.tail())
        return out

    def refused(self, conf, code, *words, **kw):
        """The reload is refused with this code, and says all these words."""
        before = self.status()["generation"]
        self.write(conf, **kw)
        got, out, err = self.tried("reload", *words)
        assert got == code, (got, out, err)
        for word in words:
            assert word in err, (word, err)
        assert self.status()["generation"] == before
        for line in err.strip().splitlines():
            wait_for(f"the log to have {line}", lambda line=line: any(line in logged for logged in self.lines))

    def status(self):
        code, out, err = self.ctl("status")
        assert code == 0, (code, out, err)
        found = {"listeners": [], "nodes": []}
        for line in out.splitlines():
            word, rest = line.split(" ", 1)
            if word in ("listener", "node"):
                found[word + "s"].append(rest.split(" "))
            else:
                found[word] = rest
        return found

    def settled(self):
        """Earlier generations have ended."""
        wait_for("earlier generations to end", lambda: self.status()["generations_ending"] == "0")

    def threads(self):
        return len(os.listdir(f"/proc/{self.child.pid}/task"))


def tiers(l2, policy, port=0):
    """The same handlers under any of the policies; l1only has a store of its own."""
    policies = {
        "l1l2": 'main = { plugin = "l1l2"; l1 = "mem"; l2 = "back"; };',
        "batch": 'main = { plugin = "l1l2batch"; l1 = "mem"; l2 = "back"; };',
        "locked": 'main = { plugin = "locked"; over = "under"; }; under = { plugin = "l1l2"; l1 = "mem"; l2 = "back"; };',
        "own": 'main = { plugin = "l1only"; l1 = "own"; };',
    }
    return f"""
handlers = {{
    mem = {{ plugin = "inmem"; memory = "64MiB"; }};
    own = {{ plugin = "inmem"; memory = "64MiB"; }};
    back = {{ plugin = "memcached"; servers = [ "{l2}" ]; {harness.PATIENT} }};
}};
policies = {{ {policies[policy]} }};
listeners = ( {{ port = {port}; policy = "main"; }} );
"""


def word_conf(path, more="", policy="main"):
    return f"""
handlers = {{ word = {{ plugin = "{path}"; {more} }}; }};
policies = {{ {policy} = {{ plugin = "l1only"; l1 = "word"; }}; }};
listeners = ( {{ port = 0; policy = "{policy}"; }} );
"""


class Plugin:
    """A path where other versions of a plugin are put, as an installation does it."""

    def __enter__(self):
        self.folder = os.path.join(os.environ.get("TMPDIR", "/tmp"), "plugins")
        os.makedirs(self.folder, mode=0o755, exist_ok=True)
        self.path = os.path.join(self.folder, "word.so")
        self.put("one")
        return self

    def put(self, version):
        shutil.copyfile(os.path.join(WORDS, f"word_{version}.so"), self.path + ".new")
        os.chmod(self.path + ".new", 0o755)
        os.rename(self.path + ".new", self.path)

    def __exit__(self, *_):
        shutil.rmtree(self.folder)
