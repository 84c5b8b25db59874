#!/usr/bin/python3
"""Commands of plugins: rendctl has one run while everybody is served; what is asked wrongly or cannot be now is said; and nobody waits for one that does not
come back for longer than is promised."""
import os
import signal
import socket
import subprocess
import tempfile

import harness
from harness import Client, wait_for
from reloads import RENDCTL, TEMPFAIL, USAGE, WORDS, Reloaded, word_conf

FAILED, IOERR, PROTOCOL = 1, 74, 76
WORD = os.path.join(WORDS, "word_one.so")
OTHER = os.path.join(WORDS, "word_two.so")


class Told(Reloaded):
    """One whose node `word` can be told to wait for a file."""

    def __init__(self, more="", fields=""):
        super().__init__(more=fields)
        self.until = os.path.join(self.folder, "until")
        self.write(self.conf(more))

    def conf(self, more="", path=WORD):
        return word_conf(path, f'until = "{self.until}"; {more}')

    def tell(self, *words):
        return self.ctl("node", "word", *words)

    def waits(self):
        """Someone who waits for a command that is under way."""
        asks = subprocess.Popen([RENDCTL, "-s", self.control, "node", "word", "wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for("it to be under way", lambda: self.status().get("command") == "word wait")
        return asks

    def go_on(self):
        with open(self.until, "w"):
            pass


def heard(asks):
    out, err = asks.communicate(timeout=harness.PATIENCE)
    return asks.returncode, out, err


def test_what_it_says_and_what_it_is_told():
    with Told() as rend:
        assert rend.tell("say") == (0, "say: 1, and no more\n", "")
        odd = ["", " ", "a b", "100%", "%41", "new\nline", "\x01\x7f", "é", "", "--help"]
        assert rend.tell("say", "--", *odd) == (0, "say: 11, and no more\n" + "".join(f"<{w}>\n" for w in odd), "")
        many = [str(i) for i in range(64)]
        assert rend.tell("say", *many) == (0, "say: 65, and no more\n" + "".join(f"<{w}>\n" for w in many), "")
        long = " " * (64 * 1024 - 1)
        assert rend.tell("say", long) == (0, f"say: 2, and no more\n<{long}>\n", "")
        assert rend.tell("fail", "today") == (FAILED, "", "word: fail: it does not want to: today\n")
        assert rend.tell("fail") == (FAILED, "", "word: fail: it failed, and does not say why\n")
        assert rend.tell("much", "0") == (0, "", "")
        assert rend.tell("much", "3") == (0, "abc\n", "")
        most = 1 << 20
        code, out, _ = rend.tell("much", str(most))
        assert code == 0 and out == ("abcdefghijklmnopqrstuvwxyz" * (most // 26 + 1))[:most] + "\n"
        code, out, _ = rend.tell("much", str(most + 5))
        assert code == 0 and len(out) == most + 1 + len("(5 bytes more are left out)\n") and out.endswith("\n(5 bytes more are left out)\n")
        assert "command" not in rend.status()
        for line in ("rendctl said fail", "fail failed: it does not want to: today", "say is done"):
            wait_for("the log to say so", lambda: rend.said("word: " + line))


def test_what_is_asked_wrongly():
    with Told() as rend:
        for words, says in ((("nobody", "say"), "there is no node nobody: rendctl status lists them"),
                            (("main", "say"), "main: plugin l1only has no commands"),
                            (("word", "sing"), "word: plugin word has no command sing; it has: say, much, fail, wait"),
                            (("word",), "word: a command is wanted: say, much, fail, wait"),
                            (("word", "wait", "long"), "wait takes no arguments"),
                            (("word", "say", *(["x"] * 65)), "say: at most 64 arguments can be given"),
                            (("word", "say", *(["x"] * 200)), "say: at most 64 arguments can be given"),
                            (("word", "say", "y" * 64 * 1024), "say: the arguments are longer than 64 KiB together"),
                            (("word", "say", *(["%" * 60000] * 2)), "the line is too long"),
                            ((), "more words are wanted")):
            code, out, err = rend.ctl("node", *words)
            assert (code, out, err) == (USAGE, "", says + "\n"), (words[:3], code, out, err[:200])
        for line in (b"node word say %", b"node word say %4", b"node word say %zz", b"node word say a%00b", b"node %0a say", b"node word say a\0b"):
            with Client(rend.control) as c:
                assert c.say(line + b"\n").until(b"\n") == b"error 64\n", line
        assert rend.tell("say", "still")[0] == 0


def test_an_answer_that_is_cut_off_is_no_success():
    """What is at the socket says less than its first line says: as if rend had ended, or had hung up on one who reads too late."""
    for head, code in ((b"ok 10\n", IOERR), (b"ok 4\n", 0), (b"ok\n", 0), (b"error 1 10\n", IOERR), (b"error 1 4\n", 1), (b"ok 4x\n", PROTOCOL)):
        path = os.path.join(tempfile.mkdtemp(dir=os.environ.get("TMPDIR")), "control")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            asks = subprocess.Popen([RENDCTL, "-s", path, "node", "word", "say"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            with listener.accept()[0] as conn:
                conn.recv(1000)
                conn.sendall(head + b"half")
            out, err = asks.communicate(timeout=harness.PATIENCE)
            assert asks.returncode == code and (code != IOERR or "the answer was cut off" in err), (head, asks.returncode, out, err)


def test_who_reads_late_gets_all_of_it_at_the_end_too():
    most = 1 << 20
    with Told(fields='drain_timeout = "1h";') as rend:
        with Client(rend.control) as c:
            c.say(b"node word much %d\n" % most)
            wait_for("it to be done", lambda: rend.said("much is done"))
            rend.send_signal(signal.SIGTERM)
            wait_for("it to end", lambda: rend.said("no connection is taken in any more"))
            c.until(b"ok %d\n" % (most + 1))
            c.hear((b"abcdefghijklmnopqrstuvwxyz" * (most // 26 + 1))[:most] + b"\n")
        assert rend.end() == 0


def test_one_that_says_much_and_fails_says_why():
    with Told() as rend:
        assert rend.tell("fail", "why", str(2 << 20)) == (1, "", "word: fail: it does not want to: why\n")


def test_everybody_is_served_meanwhile():
    """And another one is refused, as is an upgrade; who leaves does not end it."""
    with Told() as rend, rend.client() as c:
        asks = rend.waits()
        c.ask(b"get k\r\n", b"VALUE k 0 3\r\none\r\nEND\r\n")
        says = "word: another command is under way, rendctl status says which: try again\n"
        assert rend.tell("say") == (TEMPFAIL, "", says)
        assert rend.ctl("loglevel", "debug")[0] == 0 and rend.ctl("stats")[0] == 0
        code, out, err = rend.ctl("upgrade")
        assert code == TEMPFAIL and err.startswith("a command of a plugin is under way, rendctl status says which"), (code, out, err)
        asks.kill()
        asks.communicate()
        assert rend.status()["command"] == "word wait"
        rend.go_on()
        wait_for("it to be over", lambda: "command" not in rend.status())
        wait_for("the log to say so", lambda: rend.said("word: wait is done"))
        assert rend.tell("say")[0] == 0


def test_a_node_that_is_replaced_stays_until_it_is_over():
    with Told() as rend, rend.client() as c:
        asks = rend.waits()
        rend.reload(rend.conf(path=OTHER))
        c.ask(b"get k\r\n", b"VALUE k 0 3\r\ntwo\r\nEND\r\n")
        rend.reload(rend.conf("number = 1;", path=OTHER))
        status = rend.status()
        assert status["command"] == "word wait" and status["generations_ending"] == "2", status
        rend.go_on()
        assert heard(asks) == (0, "one: waited\n", "")
        rend.settled()
        assert rend.tell("wait") == (0, "two: waited\n", "")


def test_one_that_goes_on_is_told_in_its_new_generation():
    with Told() as rend:
        asks = rend.waits()
        rend.reload(rend.conf() + "# another\n")
        wait_for("the first to end", lambda: rend.status()["generations_ending"] == "0")
        rend.go_on()
        assert heard(asks) == (0, "one: waited\n", "")


def test_the_end_waits_for_it():
    with Told(fields='drain_timeout = "1h";') as rend:
        asks = rend.waits()
        rend.send_signal(signal.SIGTERM)
        wait_for("it to end", lambda: rend.status()["state"] == "ends")
        assert rend.tell("say") == (TEMPFAIL, "", "word: the server is ending\n")
        rend.go_on()
        assert heard(asks) == (0, "one: waited\n", "")
        assert rend.child.wait(harness.PATIENCE) == 0
        assert not rend.said("did not come back"), rend.tail()


def test_the_end_does_not_wait_for_ever():
    with Told(fields='drain_timeout = "100ms";') as rend:
        asks = rend.waits()
        rend.send_signal(signal.SIGTERM)
        assert heard(asks) == (TEMPFAIL, "", "the server ends, and does not wait for it any longer\n")
        assert rend.child.wait(harness.PATIENCE) == 0
        rend.reader.join(harness.PATIENCE)
        assert rend.said("word: wait did not come back: its store is left as it is"), rend.tail()


if __name__ == "__main__":
    harness.main()
