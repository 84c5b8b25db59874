#!/usr/bin/python3
"""One of the two processes of an upgrade is played by us, and dies, or lies, at each step."""
import array
import contextlib
import os
import re
import select
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import harness
from harness import INMEM, Client, Memcached, behind, wait_for
from upgrades import (ABORT, ALL, BYE, CONN, COUNTS, FAILED, GO, HELLO, PREPARED, READY, SERVING, SOCKET, SOCKETS, TAKEN, VERSION, WELCOME, YOURS,
                      Letters, Upgraded, call, text)

TEMPFAIL = 75


# ---- we are the new one ----

def play_new(letters, steps, begin=0):
    """As far as that many steps."""
    whole = ((HELLO, text(b"9.9"), SOCKETS), (READY, b"", YOURS), (TAKEN, b"", ALL), (PREPARED, b"", GO))
    for kind, body, answer in whole[begin:steps]:
        letters.send(kind, body)
        assert letters.until(answer)[-1] == answer


class Clients:
    """Some that wait for us, some with half a request, one that is heard all the time."""

    def __init__(self, rend):
        self.rend = rend
        self.idle = [rend.client() for _ in range(5)]
        self.half = [rend.client() for _ in range(5)]
        self.half[0].say(b"set half 0 0 200000\r\n" + b"h" * 100000)
        for c in self.half[1:]:
            c.say(b"set half 0 0 10\r\nha")
        for c in self.idle:
            c.ask(b"mn\r\n", b"MN\r\n")
        self.stop, self.error, self.asked = threading.Event(), None, 0
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()

    def _ask(self):
        try:
            with self.rend.client() as c:
                while not self.stop.is_set():
                    c.ask(b"set a 0 0 1\r\nv\r\nget a\r\n", b"STORED\r\nVALUE a 0 1\r\nv\r\nEND\r\n")
                    self.asked += 1
        except Exception as e:  # pylint: disable=broad-except
            self.error = repr(e)

    def go_on(self):
        before = self.asked
        wait_for("clients to be served", lambda: self.error or self.asked > before)
        assert self.error is None, self.error
        for c in self.idle:
            c.ask(b"mn\r\n", b"MN\r\n")
        with self.rend.client() as c:
            c.ask(b"mn\r\n", b"MN\r\n")

    def end(self):
        self.stop.set()
        self.thread.join(harness.PATIENCE)
        assert self.error is None, self.error
        self.half[0].ask(b"h" * 100000 + b"\r\n", b"STORED\r\n")
        for c in self.half[1:]:
            c.ask(b"lf-there\r\n", b"STORED\r\n")
        for c in self.idle + self.half:
            c.close()


def refusals(rend):
    return sum("not upgraded" in line for line in list(rend.lines))


def new_one(rend, clients, play, lies=False):
    """It plays, and is gone, or is told that it is not wanted if it lies: the old process serves on."""
    before = refusals(rend)
    letters = call(rend.control)
    assert isinstance(letters, Letters), letters
    play(letters)
    if lies:
        assert letters.until(ABORT)[-1] == ABORT
    letters.close()
    wait_for("the old process to serve on", lambda: refusals(rend) > before)
    clients.go_on()
    assert rend.now() == rend.pid


def test_the_new_one_dies_at_each_step():
    with Upgraded(INMEM) as rend:
        clients = Clients(rend)
        for steps in range(5):
            new_one(rend, clients, lambda letters, steps=steps: play_new(letters, steps))
            # It said the next thing, too, and heard nothing of what came back.
            if steps < 4:
                new_one(rend, clients, lambda letters, steps=steps: (play_new(letters, steps), letters.send(
                    (HELLO, READY, TAKEN, PREPARED)[steps], text(b"9.9") if steps == 0 else b"")))
        rend.upgrade()
        clients.go_on()
        clients.end()


def test_the_new_one_lies():
    huge = struct.pack("=Q", 1 << 40)
    lies = (
        lambda l: l.send(HELLO, text(b"9.9"), version=VERSION + 1),
        lambda l: l.send(HELLO, text(b"9.9"), magic=1),
        lambda l: l.send(HELLO, text(b"9.9"), length=3),
        lambda l: l.send(HELLO, text(b"9.9") + b"more"),
        lambda l: l.send(HELLO, huge + b"x"),
        lambda l: l.send(HELLO, text(b"x" * 500)),
        lambda l: l.send(HELLO),
        lambda l: l.send(99),
        lambda l: l.send(SERVING),
        lambda l: l.sock.send(b"x"),
        lambda l: l.sock.send(b"x" * 60000),
        lambda l: l.send(FAILED, struct.pack("=Q", 78) + text(b"no\nway")),
        lambda l: l.send(FAILED, huge),
        lambda l: l.send(HELLO, text(b"9.9"), fds=[0, 1, 2]),
        lambda l: (play_new(l, 1), l.send(TAKEN)),
        lambda l: (play_new(l, 2), l.send(READY)),
        lambda l: (play_new(l, 3), l.send(PREPARED, b"and more")),
    )
    with Upgraded(INMEM) as rend:
        clients = Clients(rend)
        for lie in lies:
            new_one(rend, clients, lie, lies=True)
        for said in ("no$", "way"):
            wait_for("the log to say so", lambda said=said: rend.said(said))
        clients.end()


def test_the_new_one_was_told_to_serve_and_does_something_else():
    """It might have begun: so it is ended before the old one goes on."""
    with Upgraded(INMEM) as rend:
        clients = Clients(rend)
        letters = call(rend.control)
        play_new(letters, 4)
        letters.send(PREPARED)
        wait_for("the old process to serve on", lambda: refusals(rend))
        assert letters.close() == -signal.SIGKILL
        clients.go_on()
        clients.end()


def test_the_new_one_says_no_more_and_lives():
    """That its end is closed, or that it only says no more, proves nothing: it has what stores gave."""
    for say_no_more, steps in ((lambda l: l.sock.close(), 3), (lambda l: l.sock.shutdown(socket.SHUT_WR), 4)):
        with Upgraded(INMEM) as rend:
            clients = Clients(rend)
            letters = call(rend.control)
            play_new(letters, steps)
            say_no_more(letters)
            wait_for("the old process to serve on", lambda: refusals(rend))
            assert letters.close() == -signal.SIGKILL
            clients.go_on()
            clients.end()


def test_the_new_one_says_too_late_that_it_serves():
    """It may have answered by then: the old one, which has ended it, does not go on with its clients, and serves others."""
    with Upgraded(INMEM) as rend:
        c = rend.client()
        c.ask(b"mn\r\n", b"MN\r\n")
        letters = call(rend.control)
        play_new(letters, 4)
        # What makes the old one end it is there before that, and so is what it says then.
        os.kill(rend.pid, signal.SIGSTOP)
        letters.send(PREPARED)
        letters.send(SERVING)
        os.kill(rend.pid, signal.SIGCONT)
        wait_for("the old process to serve on", lambda: refusals(rend))
        assert letters.close() == -signal.SIGKILL
        assert c.sock.recv(1) == b""
        with rend.client() as other:
            other.ask(b"mn\r\n", b"MN\r\n")


def test_what_comes_with_an_unwanted_letter_is_closed():
    with Upgraded(INMEM) as rend:
        fds = rend.fds_of()
        letters = call(rend.control)
        play_new(letters, 4)
        letters.send(FAILED, struct.pack("=Q", 71) + text(b"no luck"), fds=[0] * 100)
        wait_for("the refusal", lambda: refusals(rend))
        letters.close()
        wait_for("as many descriptors as before", lambda: rend.fds_of() <= fds)


def test_who_waits_for_the_new_one_is_not_late():
    """Nobody hears a client meanwhile: that is not its fault."""
    # On a machine that stalls they may be late before it is theirs to wait: then they may be later.
    assert waiting_is_not_late(2) or waiting_is_not_late(20), "this machine is too slow"


def waiting_is_not_late(seconds):
    """Were they in time until it was theirs to wait?"""
    with Upgraded(f"idle_timeout = \"{seconds}s\"; request_timeout = \"{seconds}s\";\n" + INMEM) as rend:
        letters = call(rend.control)
        play_new(letters, 1)
        begun = time.monotonic()
        with rend.client() as asks, rend.client() as half:
            try:
                asks.ask(b"mn\r\n", b"MN\r\n")
                half.say(b"set k 0 0 10\r\n01234")
                play_new(letters, 2, 1)
                asks.say(b"mn\r\n")
                half.say(b"56789\r\n")
            except (AssertionError, OSError):
                if time.monotonic() - begun < seconds:
                    raise
            if time.monotonic() - begun >= seconds:
                letters.close()
                return False
            # Longer than either may take; the old one waits for much longer.
            time.sleep(seconds + 1)
            letters.close()
            asks.hear(b"MN\r\n")
            half.hear(b"STORED\r\n")
            return True


def test_it_hears_that_it_is_not_wanted():
    with Upgraded(INMEM) as rend:
        letters = call(rend.control)
        letters.send(HELLO)
        kind, body, _ = letters.hear()
        assert kind == ABORT and b"new process" in body, (kind, body)
        letters.close()


def test_somebody_speaks_for_one_that_has_ended():
    """Whether he is there nobody could tell, and nobody could end him: his number may be another one's."""
    with Upgraded(INMEM) as rend:
        fds = rend.fds_of()
        letters = call(rend.control)
        letters.up.close()
        os.waitpid(letters.pid, 0)
        play_new(letters, 1)
        letters.send(READY)
        kind, body, _ = letters.hear()
        assert kind == ABORT and b"has ended" in body, (kind, body)
        letters.sock.close()
        wait_for("as many descriptors as before", lambda: rend.fds_of() <= fds)
        rend.upgrade()


def test_one_that_died_and_whose_channel_lives_is_not_waited_for():
    """Somebody else has its end, too, and says no word: the descriptor of the process says that it is dead."""
    with Upgraded(INMEM) as rend:
        letters = call(rend.control)
        play_new(letters, 4)
        letters.up.close()
        os.waitpid(letters.pid, 0)
        letters.send(TAKEN)
        wait_for("the refusal", lambda: refusals(rend))
        letters.sock.close()
        with rend.client() as c:
            c.ask(b"mn\r\n", b"MN\r\n")


def test_two_at_once():
    """Whatever the first one has said by then; and when it is over, another one may."""
    with Upgraded(INMEM) as rend:
        for steps in (0, 1):
            before = refusals(rend)
            first = call(rend.control)
            play_new(first, steps)
            second = call(rend.control)
            assert isinstance(second, bytes) and second.startswith(b"error 75\n"), second
            rend.not_upgraded(TEMPFAIL, "under way")
            code, _, err = rend.ctl("reload")
            assert code == TEMPFAIL and "under way" in err, (code, err)
            # The first one has not been disturbed.
            play_new(first, 3, steps)
            first.close()
            wait_for("it to be over", lambda before=before: refusals(rend) > before)
        rend.upgrade()


def test_who_asks_what_rend_does_meanwhile_waits():
    """As soon as the new one serves there are two that could answer."""
    with Upgraded(INMEM) as rend:
        letters = call(rend.control)
        play_new(letters, 2)
        letters.send(TAKEN)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(rend.control)
            s.sendall(b"status\n")
            assert not select.select([s], [], [], 0.1)[0]
            letters.close()
            assert select.select([s], [], [], harness.PATIENCE)[0] and s.recv(100).startswith(b"ok\nversion")


def test_who_asks_at_the_admin_port_meanwhile_waits():
    with Upgraded('admin = { port = 0; };\n' + INMEM) as rend:
        port = int(wait_for("the admin port", lambda: rend.said(r"admin port at .*:(\d+)$")).group(1))
        letters = call(rend.control)
        play_new(letters, 2)
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.settimeout(harness.PATIENCE)
            s.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
            assert not select.select([s], [], [], 0.1)[0]
            letters.close()
            assert s.recv(100).startswith(b"HTTP/1.0 200 ")
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.settimeout(harness.PATIENCE)
            s.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
            assert s.recv(100).startswith(b"HTTP/1.0 200 ")


def test_the_new_one_hangs():
    """All steps together have their time, and one that does not use it is not asked to end."""
    with Upgraded(INMEM) as rend:
        clients = Clients(rend)
        letters = call(rend.control)
        play_new(letters, 2)
        wait_for("the old process to serve on", lambda: refusals(rend))
        assert rend.said("it took too long")
        assert letters.close() == -signal.SIGKILL
        clients.go_on()
        clients.end()


test_the_new_one_hangs.only_long = True


def test_the_new_one_has_opened_its_stores_in_the_last_moment():
    """It gets no client if there would be no time left for the next step."""
    with Upgraded(INMEM) as rend:
        clients = Clients(rend)
        letters = call(rend.control)
        play_new(letters, 2)
        kinds = letters.until(ABORT)
        assert kinds == [ABORT], kinds
        with contextlib.suppress(BrokenPipeError):
            letters.send(TAKEN)
        assert letters.close() == -signal.SIGKILL
        wait_for("the old process to serve on", lambda: refusals(rend))
        clients.go_on()
        clients.end()


test_the_new_one_has_opened_its_stores_in_the_last_moment.only_long = True


def test_another_user_is_refused():
    if os.getuid() != 0:
        return
    with Upgraded(INMEM) as rend:
        os.chmod(os.path.dirname(rend.folder), 0o755)
        os.chmod(rend.control, 0o666)
        child = subprocess.run(["/usr/bin/python3", "-c", "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
                                "s.sendall(b'takeover\\n'); sys.exit(len(s.recv(10)) != 0)", rend.control], user=65534, check=False,
                               stderr=subprocess.PIPE, timeout=harness.PATIENCE)
        # It was let in to connect, and was closed without a word.
        assert child.returncode == 0 or b"ConnectionResetError" in child.stderr or b"BrokenPipe" in child.stderr, child
        assert rend.now() == rend.pid


def test_a_drain_ends_an_upgrade():
    rend = Upgraded(INMEM)
    with rend:
        letters = call(rend.control)
        play_new(letters, 1)
        assert rend.end() == 0
        assert letters.until(ABORT)[-1] == ABORT
        letters.close()


def test_why_it_failed_is_heard_also_if_it_goes_at_once():
    """It had not read all: then its end comes before what it said."""
    with Upgraded(INMEM) as rend:
        letters = call(rend.control)
        letters.send(HELLO, text(b"9.9"))
        # The last letter before it is heard again stays unread.
        while kinds_there(letters) != SOCKETS:
            for fd in letters.hear()[2]:
                os.close(fd)
        letters.send(FAILED, struct.pack("=Q", 78) + text(b"the reason"))
        letters.close()
        wait_for("the refusal", lambda: refusals(rend))
        wait_for("the log to say so", lambda: rend.said("the new process: the reason"))


def test_why_it_failed_may_be_a_long_story():
    """The most that one says of itself: the beginning is heard."""
    with Upgraded(INMEM) as rend:
        letters = call(rend.control)
        letters.send(FAILED, struct.pack("=Q", 78) + text(b"a long story: " + b"x" * 1009))
        wait_for("the log to say so", lambda: rend.said("the new process: a long story: xxx"))
        letters.close()
        blocks = "\n".join(f'no{i} = {{ plugin = "nosuch{i}"; }};' for i in range(40))
        rend.write(INMEM.replace("handlers = {", "handlers = {\n" + blocks))
        rend.not_upgraded(78, "nosuch0")


def test_why_it_failed_is_heard_also_while_it_is_told_something():
    with Upgraded(INMEM) as rend:
        clients = [rend.client() for _ in range(300)]
        for c in clients:
            c.ask(b"mn\r\n", b"MN\r\n")
        letters = call(rend.control)
        play_new(letters, 2)
        letters.send(TAKEN)
        letters.send(FAILED, struct.pack("=Q", 71) + text(b"no room for them"))
        letters.close()
        wait_for("the refusal", lambda: refusals(rend))
        wait_for("the log to say so", lambda: rend.said("the new process: no room for them"))
        for c in clients:
            c.ask(b"mn\r\n", b"MN\r\n")
            c.close()


def kinds_there(letters):
    """The kind of the first letter that waits."""
    return struct.unpack("=IHHI", letters.sock.recv(12, socket.MSG_PEEK))[2]


def test_an_empty_message_is_no_end():
    with Upgraded(INMEM) as rend:
        fds = rend.fds_of()
        for number in range(4):
            before = refusals(rend)
            letters = call(rend.control)
            files = array.array("i", [0] * (16 if number % 2 else 0))
            letters.sock.sendmsg([b""], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)] if files else [])
            wait_for("the refusal", lambda before=before: refusals(rend) > before)
            assert letters.until(ABORT)[-1] == ABORT
            letters.close()
        wait_for("the log to say so", lambda: rend.said("does not speak this version"))
        wait_for("as many descriptors as before", lambda: rend.fds_of() <= fds)


# ---- we are the old one ----

class Another:
    """A process in whose name there is a pair of sockets; it can die while we live."""

    def __init__(self):
        up, down = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            up.close()
            pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            socket.send_fds(down, [b"x"], [s.fileno() for s in pair])
            for s in pair:
                s.close()
            down.recv(1)
            os._exit(0)
        down.close()
        _, fds, _, _ = socket.recv_fds(up, 1, 2)
        self.pair = [socket.socket(fileno=fd) for fd in fds]
        self.up = up

    def die(self):
        self.up.close()
        if self.pid:
            os.waitpid(self.pid, 0)
        self.pid = 0


class Old:
    """A control socket, a listener, and what an old process says."""

    def __init__(self, conf=INMEM):
        self.folder = tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
        self.path = os.path.join(self.folder, "old")
        self.control = socket.socket(socket.AF_UNIX)
        self.control.bind(self.path)
        self.control.listen()
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        conf_file = os.path.join(self.folder, "rend.conf")
        with open(conf_file, "w") as f:
            f.write(f'workers = 2;\nplugin_dir = "{harness.PLUGINS}";\nuser = "{harness.user_name()}";\n' + conf.replace("port = 0", f"port = {self.port}"))
        self.new = subprocess.Popen([harness.REND, "-c", conf_file, "--takeover", self.path], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.control.settimeout(harness.PATIENCE)
        caller, _ = self.control.accept()
        caller.settimeout(harness.PATIENCE)
        assert caller.recv(100) == b"takeover\n"
        self.process = Another()
        ours, theirs = self.process.pair
        socket.send_fds(caller, [b"ok\n"], [theirs.fileno()])
        theirs.close()
        caller.close()
        self.letters = Letters(ours)

    def socket_letter(self, number=0, port=None, policy=b"main"):
        return struct.pack("=QQQ", 0, number, 1) + text(b"127.0.0.1") + struct.pack("=Q", self.port if port is None else port) + text(b"") + \
            struct.pack("=Q", 0) + text(policy) + struct.pack("=Q", 0)

    def welcome(self):
        return struct.pack("=QQQ", 1234, 1, 1000)

    def conn(self, client, rest=b"", listener=0, says=0, **kw):
        fields = {"swallow": 0, "line": 0, "keys": 0, "failed": 0, "exptime": 0, "want": 0, "mode": 0, "cas": 0, "size": 1, "len": len(rest), "file": 0}
        fields.update(kw)
        return struct.pack("=QQ", listener, says) + b"".join(struct.pack("=Q", fields[name]) for name in fields) + rest

    def play(self, steps):
        if steps > 0:
            assert self.letters.hear()[0] == HELLO
            self.letters.send(WELCOME, self.welcome())
            self.letters.send(SOCKET, self.socket_letter(), [self.listener.fileno()])
            self.letters.send(SOCKETS)
        if steps > 1:
            assert self.letters.hear()[0] == READY
            self.letters.send(YOURS)
        if steps > 2:
            assert self.letters.hear()[0] == TAKEN

    def connected(self):
        ours = socket.create_connection(("127.0.0.1", self.port), harness.PATIENCE)
        theirs, _ = self.listener.accept()
        return ours, theirs

    def die(self):
        self.process.die()
        self.letters.close()

    def end(self):
        """What it said, and how it ended."""
        said = self.new.communicate(timeout=harness.PATIENCE)[1].decode()
        for word in ("Sanitizer", "runtime error:"):
            assert word not in said, said
        self.process.die()
        self.letters.close()
        self.control.close()
        self.listener.close()
        return self.new.returncode, said


def test_the_old_one_dies_before_anything_is_given():
    for steps in range(2):
        old = Old()
        old.play(steps)
        old.die()
        code, said = old.end()
        assert code not in (0, None) and code > 0 and "takeover" in said, (steps, code, said)


def test_the_old_one_dies_later():
    """What it has got by then the new one keeps."""
    for more in range(3):
        old = Old()
        old.play(3)
        ours, theirs = old.connected()
        if more > 0:
            old.letters.send(CONN, old.conn(theirs, b"set k 0 0 3\r\nab"), [theirs.fileno()])
        theirs.close()
        if more > 1:
            old.letters.send(ALL)
            assert old.letters.hear()[0] == PREPARED
        old.die()
        wait_for("it to serve", lambda: served(old.port))
        if more > 0:
            ours.sendall(b"c\r\n")
            assert ours.recv(100) == b"STORED\r\n"
        ours.close()
        old.new.terminate()
        code, said = old.end()
        assert code == 0, (code, said)


def test_the_old_one_serves_on():
    """It says so, or closes its end and lives: then the new one never serves, however late it hears of it."""
    for steps in (2, 3, 4):
        for word in (True, False):
            old = Old()
            old.play(min(steps, 3) - (steps == 2))
            ours, theirs = old.connected()
            if steps == 2:
                assert old.letters.hear()[0] == READY
            os.kill(old.new.pid, signal.SIGSTOP)
            if steps == 2:
                old.letters.send(YOURS)
            else:
                old.letters.send(CONN, old.conn(theirs, b"mn\r\n"), [theirs.fileno()])
            if steps == 4:
                old.letters.send(ALL)
            if word:
                old.letters.send(ABORT, text(b"it took too long"))
            old.letters.close()
            os.kill(old.new.pid, signal.SIGCONT)
            code = old.new.wait(harness.PATIENCE)
            assert code > 0, (steps, word, code)
            theirs.close()
            ours.settimeout(harness.PATIENCE)
            assert ours.recv(100) == b"", (steps, word)
            code, said = old.end()
            assert ("it took too long" if word else "nothing proves") in said, (steps, word, said)


def numbers(kind, number=0, form=0, *pairs):
    return struct.pack("=QQQ", kind, number, form) + b"".join(struct.pack("=QQ", *pair) for pair in pairs)


def test_counts_of_another_rend():
    """What this one does not know is passed over, what does not come is 0."""
    store_ok, status_of_later, slot_of_later = 1024 + 2 * 64, 1024 + 2 * 64 + 63, 1024 + 63 * 64
    old = Old()
    old.play(3)
    for body in (numbers(0, 0, 0, (1, 1234), (2, 7), (32, 5000), (63, 1), (999999, 1), (0, 1)),
                 numbers(1, 0, 0, (1, 34), (store_ok, 3)),
                 numbers(2, 0, 0, (1, 1200)),
                 numbers(3, 0, 0, (store_ok, 20), (status_of_later, 1 << 63), (slot_of_later, 1 << 63), ((1 << 64) - 1, 1)),
                 # A listener, a form, a kind of command and a kind of letter that there are not here.
                 numbers(3, 77, 0, (store_ok, 10)),
                 numbers(3, 0, 200, (store_ok, 1 << 40)),
                 struct.pack("=QQQQ", 4, 200, 0, 5) + struct.pack("=QQ", 1000, 1),
                 numbers(77, 0, 0, (1, 1 << 40)),
                 struct.pack("=QQQQ", 4, 2, 0, 5000) + struct.pack("=QQQQ", 1000, 2, (1 << 64) - 1, 1)):
        old.letters.send(COUNTS, body)
    old.letters.send(ALL)
    assert old.letters.hear()[0] == PREPARED
    old.letters.send(GO)
    assert old.letters.hear()[0] == SERVING
    old.letters.send(BYE)
    with Client(("127.0.0.1", old.port)) as c:
        stats = c.stats()
        assert (stats["total_connections"], stats["rejected_connections"], stats["cmd_set"], stats["bytes_read"]) == \
            (str(1234 - 34 + 1), "7", str(20 + 10 - 3), str(5000 + len("stats\r\n"))), stats
    old.new.terminate()
    code, said = old.end()
    assert code == 0, (code, said)


def test_a_delayed_flush_that_is_said_meanwhile():
    """It is told with what was counted, when nobody can say another one."""
    with Upgraded(INMEM) as rend, rend.client() as c:
        letters = call(rend.control)
        play_new(letters, 1)
        c.ask(b"flush_all 100\r\n", b"OK\r\n")
        letters.send(READY)
        assert letters.until(YOURS)[-1] == YOURS
        letters.send(TAKEN)
        due = []
        while True:
            kind, body, fds = letters.hear()
            for fd in fds:
                os.close(fd)
            if kind == ALL:
                break
            words = struct.unpack(f"={len(body) // 8}Q", body[:len(body) // 8 * 8])
            if kind == COUNTS and words[0] == 2:
                due += [n for word, n in zip(words[3::2], words[4::2]) if word == 5]
        assert len(due) == 1 and 90 < due[0] / 1e9 - time.monotonic() <= 100, due
        letters.close()
        wait_for("the refusal", lambda: refusals(rend))
    # And the one that takes over does it; on a machine that stalls it may have been done before there is anything to flush.
    assert is_flushed(0.5) or is_flushed(5) or is_flushed(50), "this machine is too slow"


def is_flushed(seconds):
    """By a new process, behind what is said to it before the flush is due?"""
    due = time.monotonic() + seconds
    old = Old()
    old.play(3)
    old.letters.send(COUNTS, numbers(2, 0, 0, (5, int(due * 1e9))))
    old.letters.send(ALL)
    assert old.letters.hear()[0] == PREPARED
    old.letters.send(GO)
    assert old.letters.hear()[0] == SERVING
    old.letters.send(BYE)
    with Client(("127.0.0.1", old.port)) as c:
        c.ask(b"set k 0 0 1\r\nv\r\n", b"STORED\r\n")
        in_time = time.monotonic() < due
        if in_time:
            wait_for("the flush", lambda: c.say(b"get k\r\n").until(b"END\r\n") == b"END\r\n")
    old.new.terminate()
    code, said = old.end()
    assert code == 0, (code, said)
    return in_time


def test_it_hears_that_it_is_not_wanted_after_what_it_said():
    """What it says is not read any more: that comes before the last word."""
    old = Old()
    old.play(2)
    select.select([old.letters.sock], [], [], harness.PATIENCE)
    old.letters.send(ABORT, text(b"it took too long"))
    old.letters.close()
    assert old.new.wait(harness.PATIENCE) > 0
    code, said = old.end()
    assert "it took too long" in said, (code, said)


def test_the_new_one_ends_while_the_old_one_has_clients_yet():
    """Nobody says good-bye."""
    old = Old()
    old.play(3)
    old.letters.send(ALL)
    assert old.letters.hear()[0] == PREPARED
    old.letters.send(GO)
    assert old.letters.hear()[0] == SERVING
    wait_for("it to serve", lambda: served(old.port))
    old.new.terminate()
    code, said = old.end()
    assert code == 0 and "has nothing left" not in said, (code, said)


def served(port):
    try:
        with Client(("127.0.0.1", port), 1) as c:
            c.ask(b"mn\r\n", b"MN\r\n")
        return True
    except (OSError, AssertionError):
        return False


def test_the_old_one_hands_over():
    old = Old()
    old.play(3)
    pairs = [old.connected() for _ in range(4)]
    rests = (b"", b"get a b\r\n", b"mn\r\nset k 0 0 5\r\n12", b"get")
    for (_, theirs), rest in zip(pairs, rests):
        old.letters.send(CONN, old.conn(theirs, rest, says=1 if rest else 0), [theirs.fileno()])
        theirs.close()
    old.letters.send(ALL)
    assert old.letters.hear()[0] == PREPARED
    old.letters.send(GO)
    assert old.letters.hear()[0] == SERVING
    for (ours, _), says, hears in zip(pairs, (b"mn\r\n", b"", b"345\r\n", b"s x\r\n"), (b"MN\r\n", b"END\r\n", b"MN\r\nSTORED\r\n", b"END\r\n")):
        ours.sendall(says)
        heard = b""
        while len(heard) < len(hears):
            heard += ours.recv(100)
        assert heard == hears, (heard, hears)
    later, theirs = socket.socketpair()
    old.letters.send(CONN, old.conn(theirs, b"mn\r\n"), [theirs.fileno()])
    theirs.close()
    later.settimeout(harness.PATIENCE)
    assert later.recv(100) == b"MN\r\n"
    old.letters.send(BYE)
    old.new.terminate()
    code, said = old.end()
    assert code == 0 and "has nothing left" in said, (code, said)


def test_the_old_one_lies():
    """The new process ends with a sentence, and serves nobody."""
    pair = socket.socketpair()
    with open("/dev/null", "rb") as null:
        lies = (
            lambda o: (o.letters.hear(), o.letters.send(WELCOME)),
            lambda o: (o.letters.hear(), o.letters.send(WELCOME, struct.pack("=QQQ", 1, 1 << 63, 0))),
            lambda o: (o.letters.hear(), o.letters.send(GO)),
            lambda o: (o.letters.hear(), o.letters.send(ABORT, text(b"because"))),
            lambda o: (o.letters.hear(), o.letters.send(WELCOME, o.welcome()), o.letters.send(SOCKET, b"x" * 100)),
            lambda o: (o.letters.hear(), o.letters.send(WELCOME, o.welcome()), o.letters.send(SOCKET, o.socket_letter())),
            lambda o: (o.letters.hear(), o.letters.send(WELCOME, o.welcome()), o.letters.send(SOCKET, o.socket_letter(), [null.fileno()] * 2)),
            lambda o: (o.play(3), o.letters.send(CONN, o.conn(None), [null.fileno()])),
            lambda o: (o.play(3), o.letters.send(CONN, o.conn(None))),
            lambda o: (o.play(3), o.letters.send(CONN, o.conn(None, len=1 << 40), [o.listener.fileno()])),
            lambda o: (o.play(3), o.letters.send(CONN, o.conn(None, b"abc", len=2), [o.letters.sock.fileno()])),
            lambda o: (o.play(3), o.letters.send(CONN, o.conn(None, says=7), [pair[0].fileno()])),
            lambda o: (o.play(3), o.letters.send(CONN, o.conn(None, keys=1, says=2), [pair[0].fileno()])),
            lambda o: (o.play(3), o.letters.send(CONN, o.conn(None), [o.listener.fileno()])),
            lambda o: (o.play(3), o.letters.send(COUNTS, struct.pack("=QQ", 0, 0))),
            lambda o: (o.play(3), o.letters.send(COUNTS, struct.pack("=QQQ", 0, 1 << 30, 0))),
            lambda o: (o.play(3), o.letters.send(COUNTS, struct.pack("=QQQQ", 0, 0, 0, 1))),
            lambda o: (o.play(3), o.letters.send(YOURS)),
        )
        for number, lie in enumerate(lies):
            old = Old()
            lie(old)
            kinds = old.letters.until(FAILED)
            assert FAILED in kinds, (number, kinds)
            code, said = old.end()
            assert code > 0 and "takeover" in said, (number, code, said)


def test_the_old_one_counts_for_ever():
    """Each such letter waits in memory for a worker: there is an end to them."""
    old = Old()
    old.play(3)
    body = numbers(0, 0, 0, (1, 1))
    sent = 0
    try:
        while sent < 20000:
            old.letters.send(COUNTS, body)
            sent += 1
    except OSError:
        # It has gone without having read all: that is told once.
        old.letters.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    assert FAILED in old.letters.until(FAILED), sent
    code, said = old.end()
    assert code > 0 and "not to be believed" in said, (code, said)


def peak_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmHWM:\s*(\d+)", f.read()).group(1))


def test_a_long_input_is_not_in_memory_as_a_whole():
    """It goes as any client's: what is refused is dropped as it comes, what is said in a file or not."""
    refused_as_it_comes(INMEM, 300 << 20, 1)


def test_what_is_refused_is_dropped_also_for_one_that_got_long_answers():
    """Such a one is not heard while it is owed anything; but what is dropped asks for no answer."""
    with Memcached() as l2:
        refused_as_it_comes(behind(l2.server), 20 << 20, 65535)


def refused_as_it_comes(conf, size, answers):
    old = Old(conf)
    old.play(3)
    said = b"set k 0 0 %d\r\n" % size
    ours, theirs = old.connected()
    with open(os.memfd_create("input"), "r+b") as file:
        file.write(said)
        file.truncate(len(said) + size - 10)
        file.flush()
        old.letters.send(CONN, old.conn(theirs, len=len(said) + size - 10, file=1, size=answers), [theirs.fileno(), file.fileno()])
    theirs.close()
    old.letters.send(ALL)
    assert old.letters.hear()[0] == PREPARED
    before = peak_kb(old.new.pid)
    old.letters.send(GO)
    assert old.letters.hear()[0] == SERVING
    old.letters.send(BYE)
    ours.settimeout(harness.PATIENCE)
    ours.sendall(b"0" * 10 + b"\r\nmn\r\n")
    heard = b""
    while not heard.endswith(b"MN\r\n"):
        heard += ours.recv(1000)
    assert heard == b"SERVER_ERROR object too large for cache\r\nMN\r\n", heard
    assert peak_kb(old.new.pid) - before < 64 << 10, (before, peak_kb(old.new.pid))
    ours.close()
    old.new.terminate()
    code, said = old.end()
    assert code == 0, (code, said)


def test_commands_in_a_long_input_are_answered():
    """All of what it said is there already: nobody has to say more before the answers come."""
    many = 3000
    said = b"set k 0 0 8192\r\n" + b"v" * 8192 + b"\r\n" + b"get k\r\n" * many + b"mn\r\n"
    old = Old()
    old.play(3)
    clients = []
    for _ in range(2):
        ours, theirs = old.connected()
        with open(os.memfd_create("input"), "r+b") as file:
            file.write(said)
            file.flush()
            old.letters.send(CONN, old.conn(theirs, len=len(said), file=1), [theirs.fileno(), file.fileno()])
        theirs.close()
        clients.append(ours)
    old.letters.send(ALL)
    assert old.letters.hear()[0] == PREPARED
    old.letters.send(GO)
    assert old.letters.hear()[0] == SERVING
    old.letters.send(BYE)
    for ours in clients:
        ours.settimeout(harness.PATIENCE)
        with ours.makefile("rb") as heard:
            assert heard.readline() == b"STORED\r\n"
            for _ in range(many):
                got = heard.read(len(b"VALUE k 0 8192\r\n") + 8192 + len(b"\r\nEND\r\n"))
                assert got == b"VALUE k 0 8192\r\n" + b"v" * 8192 + b"\r\nEND\r\n", got[:40]
            assert heard.readline() == b"MN\r\n"
        ours.close()
    old.new.terminate()
    code, said = old.end()
    assert code == 0, (code, said)


def test_the_old_one_passes_more_input_than_anybody_has():
    """What is not in a file is in memory until it may serve: there is an end to it."""
    old = Old()
    old.play(3)
    ours, theirs = socket.socketpair()
    body = old.conn(theirs, b"get " + b"k" * (48 * 1024 - 200))
    sent = 0
    try:
        while sent < 10000:
            old.letters.send(CONN, body, [theirs.fileno()])
            sent += 1
    except OSError:
        old.letters.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    assert FAILED in old.letters.until(FAILED), sent
    assert sent < 4000, sent
    code, said = old.end()
    assert code > 0 and "not to be believed" in said, (code, said)
    ours.close()
    theirs.close()


def test_what_is_not_the_old_ones_is_not_removed():
    """Paths are only said: what is not bound there, or another file, stays."""
    old = Old()
    paths = [os.path.join(old.folder, name) for name in ("file", "another", "socket", "pid")]
    for path in paths:
        if not path.endswith("socket"):
            with open(path, "w") as f:
                f.write("1\n")
    other = socket.socket(socket.AF_UNIX)
    other.bind(paths[2])
    other.listen()
    assert old.letters.hear()[0] == HELLO
    old.letters.send(WELCOME, old.welcome())
    old.letters.send(SOCKET, old.socket_letter(), [old.listener.fileno()])

    def say(kind, path, fd):
        old.letters.send(SOCKET, struct.pack("=QQQ", kind, 0, 1) + text(b"") + struct.pack("=Q", 0) + text(path.encode()) +
                         struct.pack("=Q", 0o600) + text(b"") + struct.pack("=Q", 0), [fd])

    say(1, paths[0], old.listener.fileno())
    say(1, paths[2], old.control.fileno())
    with open(paths[1], "r+") as another, open(paths[1]) as reader, open(paths[3], "r+") as pid:
        say(2, paths[0], another.fileno())
        say(2, paths[1], reader.fileno())
        say(2, paths[3], pid.fileno())
    old.letters.send(SOCKETS)
    assert old.letters.hear()[0] == READY
    old.letters.send(YOURS)
    assert old.letters.hear()[0] == TAKEN
    old.letters.send(ALL)
    assert old.letters.hear()[0] == PREPARED
    old.letters.send(GO)
    assert old.letters.hear()[0] == SERVING
    old.letters.send(BYE)
    wait_for("it to serve", lambda: served(old.port))
    # The pid file that is proved to be the old one's goes, since the new rend.conf has none.
    assert [os.path.exists(path) for path in paths] == [True, True, True, False], [path for path in paths if os.path.exists(path)]
    other.close()
    old.new.terminate()
    code, said = old.end()
    assert code == 0, (code, said)


if __name__ == "__main__":
    harness.main()
