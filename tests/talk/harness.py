"""What the conversations with a running rend share: servers in a folder of their own, clients that say and hear bytes, and a runner.

A test is a function test_*() in a *_test.py file that ends with harness.main().  It gets nothing and returns nothing; it asserts.
From the environment: REND (the program), REND_PLUGINS (the folder of its plugins).
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

REND = os.environ.get("REND", "")
PLUGINS = os.environ.get("REND_PLUGINS", "")

# How long a test waits for what must happen.  Never slept away: a condition ends each wait.
# What is waited for comes, or the test has failed: plenty, on a machine that is slow and busy, too.
PATIENCE = 60.0

# A backend that is there answers, sooner or later: for tests in which nobody is to give up on one.
PATIENT = 'request_timeout = "60s"; connect_timeout = "60s";'

INMEM = """
handlers = { mem = { plugin = "inmem"; memory = "64MiB"; }; };
policies = { main = { plugin = "l1only"; l1 = "mem"; }; };
listeners = ( { port = 0; policy = "main"; } );
"""


def behind(server, more=None):
    """A configuration with one memcached backend."""
    more = PATIENT if more is None else more
    return f"""
handlers = {{ back = {{ plugin = "memcached"; servers = [ "{server}" ]; {more} }}; }};
policies = {{ main = {{ plugin = "l1only"; l1 = "back"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }} );
"""


def wait_for(what, condition, patience=PATIENCE):
    """Returns the first true value of condition()."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience:.0f} s for {what}")
        time.sleep(0.005)


class Process:
    """A program of ours: its standard error is kept, and it is ended by its pid."""

    def __init__(self, argv, **kw):
        self.folder = tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
        os.chmod(self.folder, 0o755)
        self.lines = []
        self.child = None
        self.argv = argv
        self.kw = kw

    def start(self):
        self.child = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE, cwd=self.folder, **self.kw)
        self.reader = threading.Thread(target=self._read, args=(self.child.stderr,), daemon=True)
        self.reader.start()

    def _read(self, stream):
        for line in stream:
            self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))

    def said(self, pattern):
        """The first line of standard error that matches, or None."""
        for line in list(self.lines):
            found = re.search(pattern, line)
            if found:
                return found
        return None

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def send_signal(self, number):
        os.kill(self.child.pid, number)
        # That it is stopped is not so yet when the signal has been sent: some thread may do a little more.
        if number == signal.SIGSTOP:
            wait_for("it to be stopped", self._is_stopped)

    def _is_stopped(self):
        tasks = f"/proc/{self.child.pid}/task"
        states = []
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/stat") as f:
                states.append(f.read().rpartition(")")[2].split()[0])
        return set(states) <= {"T", "t", "Z", "X"}

    def end(self, number=signal.SIGTERM):
        """Ends it; returns its exit status (negative: the signal)."""
        if self.child is None:
            return None
        if self.child.poll() is None:
            self.send_signal(number)
        try:
            status = self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(f"{self.argv[0]} did not end after signal {number}: {self.tail()}")
        self.reader.join(PATIENCE)
        return status

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def tail(self):
        return "\n".join(self.lines[-40:])

    def status_kb(self, field):
        with open(f"/proc/{self.child.pid}/status") as f:
            return int(re.search(rf"^{field}:\s+(\d+)", f.read(), re.M).group(1))

    def rss_kb(self):
        return self.status_kb("VmRSS")

    def fds(self):
        return len(os.listdir(f"/proc/{self.child.pid}/fd"))


class Rend(Process):
    """with Rend(conf) as rend: ... rend.client() ...  It must end with status 0 and say nothing of a sanitizer."""

    def __init__(self, conf=INMEM, args=(), fields=None, preexec=None, workers=2):
        super().__init__(None, preexec_fn=preexec)
        self.killed = False
        self.conf_file = os.path.join(self.folder, "rend.conf")
        with open(self.conf_file, "w") as f:
            f.write(f'workers = {workers};\nplugin_dir = "{PLUGINS}";\nuser = "{user_name()}";\n{fields or ""}\n{conf}')
        os.chmod(self.conf_file, 0o644)
        self.argv = [REND, "-c", self.conf_file, *args]
        self.listeners = conf.count("policy =") if conf else 1

    def __enter__(self):
        self.start()
        try:
            wait_for("rend to listen", self._up)
        except AssertionError as e:
            tail = self.tail()
            if self.alive():
                self.end(signal.SIGKILL)
            raise AssertionError(f"{e}: {tail}")
        return self

    def _up(self):
        if not self.alive():
            self.reader.join(PATIENCE)
            raise AssertionError(f"rend ended with {self.child.returncode}")
        return len(self.names()) >= self.conf_listeners()

    def conf_listeners(self):
        with open(self.conf_file) as f:
            body = re.sub(r"#.*", "", f.read()).split("listeners", 1)[1]
        return len(re.findall(r"policy\s*=", body))

    def names(self):
        return [m.group(1) for m in (re.search(r"listening on (\S+)", line) for line in list(self.lines)) if m]

    def kill(self):
        """As a crash ends it, at once."""
        self.end(signal.SIGKILL)
        self.killed = True

    def __exit__(self, kind, value, trace):
        status = self.end()
        text = "\n".join(self.lines)
        if kind is None and not self.killed:
            assert status == 0, f"rend ended with {status}:\n{self.tail()}"
        for word in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer"):
            assert word not in text, text
        self.remove()

    def address(self, which=0):
        name = self.names()[which]
        if name.startswith("unix:"):
            return name[5:]
        host, port = name.rsplit(":", 1)
        return host.strip("[]"), int(port)

    @property
    def port(self):
        return self.address()[1]

    def client(self, which=0, patience=PATIENCE):
        return Client(self.address(which), patience)

    def stats(self, group=""):
        with self.client() as c:
            return c.stats(group)


class Memcached(Process):
    """A real memcached on a unix socket in its folder."""

    def __init__(self, *args, path=None):
        super().__init__(None)
        self.path = path or os.path.join(self.folder, "m.sock")
        self.argv = ["memcached", "-u", user_name(), "-s", self.path, "-t", "2", *args]

    def __enter__(self):
        self.start()
        wait_for("memcached to listen", self._up)
        return self

    def _up(self):
        try:
            Client(self.path).close()
            return True
        except OSError:
            return False

    def restart(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.start()
        wait_for("memcached to listen again", self._up)

    def __exit__(self, *_):
        if self.alive():
            self.send_signal(signal.SIGCONT)
        self.end(signal.SIGKILL)
        self.remove()

    @property
    def server(self):
        return "unix:" + self.path


def difference(expected, heard):
    """Says where the second goes its own way: of long answers the beginning tells nothing."""
    same = len(os.path.commonprefix((expected, heard)))
    begin = max(0, same - 100)
    where = f"the first {same} bytes are right; behind {begin} of them: " if begin else ""
    return f"{where}expected {expected[begin:begin + 300]!r}, heard {heard[begin:begin + 300]!r}"


class Client:
    """One connection.  Everything it hears is compared byte by byte."""

    def __init__(self, address, patience=PATIENCE):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.sock = socket.socket(family)
        self.sock.settimeout(patience)
        self.sock.connect(address)
        if family != socket.AF_UNIX:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def say(self, data):
        self.sock.sendall(data)
        return self

    def _more(self):
        data = self.sock.recv(1 << 20)
        if not data:
            raise AssertionError(f"closed; heard {self.heard[-200:]!r}")
        self.heard += data

    def hear(self, expected):
        """The next bytes are these."""
        while len(self.heard) < len(expected):
            if not expected.startswith(self.heard):
                break
            try:
                self._more()
            except socket.timeout:
                raise AssertionError(f"expected {expected[:200]!r}, heard only {self.heard[:200]!r}") from None
        got, self.heard = self.heard[:len(expected)], self.heard[len(expected):]
        assert got == expected, difference(expected, got + self.heard)
        return self

    def ask(self, question, answer):
        return self.say(question).hear(answer)

    def line(self):
        while b"\r\n" not in self.heard:
            self._more()
        line, self.heard = self.heard.split(b"\r\n", 1)
        return line

    def until(self, end):
        while end not in self.heard:
            self._more()
        at = self.heard.index(end) + len(end)
        got, self.heard = self.heard[:at], self.heard[at:]
        return got

    def hear_end(self):
        """Nothing more comes, and the connection is closed."""
        try:
            while True:
                data = self.sock.recv(1 << 20)
                if not data:
                    break
                self.heard += data
        except ConnectionResetError:
            pass
        assert self.heard == b"", f"heard {self.heard[:200]!r} before the end"

    def stats(self, group=""):
        self.say(("stats " + group).strip().encode() + b"\r\n")
        found = {}
        while True:
            line = self.line()
            if line == b"END":
                return found
            word, name, value = line.decode().split(" ", 2)
            assert word == "STAT", line
            found[name] = value


def sanitized():
    """Is rend built with a sanitizer, whose memory is its own?"""
    with open(REND, "rb") as f:
        program = f.read()
    return b"__asan_init" in program or b"__tsan_init" in program


def user_name():
    import pwd
    return pwd.getpwuid(os.getuid()).pw_name


LONG = bool(os.environ.get("REND_TEST_LONG"))


def only_long(test):
    """Runs only where time and packages are no matter: `./dev test --long`.  Elsewhere it is neither passed nor failed."""
    test.only_long = True
    return test


def _late(_signal, _frame):
    raise AssertionError("the test took longer than its limit")


def main(limit=600):
    """Runs every test_* of the calling file."""
    if not REND or not PLUGINS:
        sys.exit("REND and REND_PLUGINS must name the program and the folder of its plugins")
    module = sys.modules["__main__"]
    wanted = sys.argv[1:]
    passed = failed = 0
    signal.signal(signal.SIGALRM, _late)
    for name, test in list(vars(module).items()):
        if not name.startswith("test_") or (wanted and name not in wanted):
            continue
        if getattr(test, "only_long", False) and not LONG:
            print(f"     {name}: only with --long", flush=True)
            continue
        signal.alarm(limit)
        begun = time.monotonic()
        try:
            test()
            passed += 1
            print(f"ok   {name} ({time.monotonic() - begun:.1f} s)", flush=True)
        except BaseException as e:
            failed += 1
            print(f"FAIL {name}: {e}", flush=True)
            traceback.print_exc(limit=-3)
            if isinstance(e, KeyboardInterrupt):
                break
        finally:
            signal.alarm(0)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)
