"""A server that does wrong is found out: answers of a real memcached are spoiled on their way, one of them in each test."""
import itertools
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from loading import Proxy, harness, load  # noqa: E402

PROTOCOLS = ("text", "binary", "meta")
TOOLS = {
    "setget": ("-n", "2000", "--keys", "8", "-w", "2", "--size", "100-2000"),
    "setops": ("-n", "2000", "--keys", "20", "-w", "2", "--size", "100-500"),
}


class Once:
    """Spoils the answer number `which` of those that wanted(answer) is true of, with how(answer)."""

    def __init__(self, which, wanted, how):
        self.left, self.wanted, self.how, self.done = which, wanted, how, False

    def __call__(self, answer):
        if not self.done and not answer.is_beside and self.wanted(answer):
            self.left -= 1
            if self.left == 0:
                self.done = True
                return self.how(answer)
        return answer.bytes()


def spoiled(tool, protocol, spoil, *options):
    """Runs the tool through a proxy; it must end with 1.  Returns the run."""
    with harness.Memcached() as server, Proxy(server.path, spoil) as proxy:
        run = load(tool, proxy, "--protocol", protocol, *TOOLS[tool], *options, status=1)
        assert spoil.done
        return run


def sound(tool, protocol):
    """Nothing is spoiled: all is well."""
    with harness.Memcached() as server, Proxy(server.path, lambda answer: answer.bytes()) as proxy:
        run = load(tool, proxy, "--protocol", protocol, *TOOLS[tool])
        assert run.json["wrong"] == run.json["lost"] == run.json["protocol"] == 0
        assert run.json["requests"] == 2000


def test_the_proxy_itself_spoils_nothing():
    for tool, protocol in itertools.product(TOOLS, PROTOCOLS):
        sound(tool, protocol)


def test_one_changed_byte():
    def change(answer):
        body = bytearray(answer.body)
        body[len(body) // 2] ^= 0x20
        answer.body = bytes(body)
        return answer.bytes()

    for tool, protocol in itertools.product(TOOLS, PROTOCOLS):
        run = spoiled(tool, protocol, Once(50, lambda a: a.is_value and len(a.body) > 60, change))
        assert run.json["wrong"] == 1, run.err
        # In a value of two pieces it may be the second one's description that is changed.
        assert re.search(r"(get|gat)s? \S+: expected \d+ bytes of version \d+.*, heard (version \d+ with another byte at \d+|"
                         r"at byte \d+ what is no value of ours)", run.err), run.err


def test_an_answer_that_never_comes():
    """Depth 1: nothing comes after it either, so it is the time limit that tells.  (A VALUE is half an answer: with its END it would be a miss.)"""
    for tool, protocol in itertools.product(TOOLS, PROTOCOLS):
        run = spoiled(tool, protocol, Once(50, lambda a: not a.line.startswith(b"VALUE "), lambda a: b""), "--timeout", "2s")
        assert run.json["lost"] >= 1, run.err
        assert re.search(r"\w+ \S+: no answer: not within the time limit", run.err), run.err


def test_an_answer_that_is_left_out_of_many():
    """Pipelined: the next answer comes in its place.  On one connection, so that it is never the last of those that are sent together."""
    for tool, protocol in itertools.product(TOOLS, PROTOCOLS):
        run = spoiled(tool, protocol, Once(50, lambda a: True, lambda a: b""), "-w", "1", "--depth", "16", "--timeout", "5s")
        assert re.search(r"\w+ \S+: (the answer to another request|no answer to \w+|expected .*, heard |no answer: |"
                         r"a version too many or missing|the value is of a key that was not asked for)", run.err), run.err
        assert protocol == "text" or run.json["protocol"] == 1, run.err


class Old:
    """Keeps the first value of each key, and gives it once more, in place of one of a later version."""

    def __init__(self, turn):
        self.first, self.turn, self.done = {}, turn, False

    def __call__(self, answer):
        if answer.key is None or self.done:
            return answer.bytes()
        kept = self.first.setdefault(answer.key, answer)
        if kept.body == answer.body:
            return answer.bytes()
        self.turn -= 1
        if self.turn > 0 or len(kept.line.split()) != len(answer.line.split()):
            return answer.bytes()
        self.done = True
        return kept.bytes()


def test_an_old_value():
    for tool in TOOLS:
        run = spoiled(tool, "text", Old(20))
        assert run.json["wrong"] == 1, run.err
        # setops stores numbers, too.
        assert re.search(r"(get|gat)s? \S+: expected (\d+ bytes of version \d+.*, heard a value of \d+ bytes, version \d+: an old value|"
                         r"\d+, heard \d+)", run.err), run.err


def test_a_value_of_another_key():
    """The key in the answer is the one that was asked for; the value is another's."""
    other = {}

    def swap(answer):
        answer.line = re.sub(rb"\d+$", b"%d" % len(other["body"]), answer.line)
        answer.body = other["body"]
        return answer.bytes()

    def wanted(answer):
        if not answer.is_value:
            return False
        if "key" not in other:
            other.update(key=answer.key, body=answer.body)
        return answer.key != other["key"]

    run = spoiled("setget", "text", Once(3, wanted, swap))
    assert re.search(r"get \S+: expected .*, heard a value of \d+ bytes, version \d+ of another key: [A-Z]{4}", run.err), run.err


def test_a_value_that_is_cut_to_nothing():
    """run knows of a value only what it says of itself; this one says nothing."""
    def empty(answer):
        answer.line, answer.body = re.sub(rb"\d+$", b"0", answer.line), b""
        return answer.bytes()

    spoil = Once(50, lambda a: a.is_value, empty)
    with harness.Memcached() as server, Proxy(server.path, spoil) as proxy:
        run = load("run", proxy, "-n", "1000", "--preload", "--keys", "50", status=1)
        assert spoil.done and run.json["wrong"] == 1, run.err
        assert re.search(r"get \S+: expected any whole value of the key, heard what ends too early", run.err), run.err


def test_a_value_that_comes_twice():
    spoil = Once(50, lambda a: a.is_value, lambda a: a.bytes() * 2)
    with harness.Memcached() as server, Proxy(server.path, spoil) as proxy:
        run = load("run", proxy, "-n", "1000", "--preload", "--keys", "50", status=1)
        assert spoil.done and run.json["protocol"] == 1, run.err
        assert run.json["misses"] == 0, run.json


def test_a_hit_told_as_a_miss():
    for tool in TOOLS:
        # The value is left out; its END comes.
        run = spoiled(tool, "text", Once(50, lambda a: a.is_value, lambda a: b""))
        assert re.search(r"(get|gat)s? \S+: expected a hit, heard a miss", run.err), run.err


def test_a_refusal_that_cannot_be():
    """What was stored is said not to be, and the other way round."""
    run = spoiled("setops", "text", Once(20, lambda a: a.line == b"STORED", lambda a: b"NOT_STORED\r\n"))
    assert re.search(r"\w+ \S+: expected ok, heard not stored", run.err), run.err
    run = spoiled("setops", "text", Once(5, lambda a: a.line == b"NOT_STORED", lambda a: b"STORED\r\n"))
    assert re.search(r"\w+ \S+: expected not stored, heard ok", run.err), run.err


def test_a_number_that_is_another():
    def more(answer):
        return b"%d\r\n" % (int(answer.line) + 1)

    run = spoiled("setops", "text", Once(5, lambda a: a.line.strip().isdigit(), more))
    assert re.search(r"(incr|decr) [a-z.]+: expected \d+, heard \d+", run.err), run.err


def test_words_of_no_protocol():
    run = spoiled("setget", "text", Once(50, lambda a: True, lambda a: b"HELLO\r\n"))
    assert run.json["protocol"] == 1
    assert re.search(r'(get|set) \S+: no answer to (get|set): "HELLO"', run.err), run.err


def test_an_error_of_the_server():
    """It is an error, and not a fault of ours; but all is not well, unless one says so."""
    spoil = Once(50, lambda a: a.line == b"STORED", lambda a: b"SERVER_ERROR out of memory storing object\r\n")
    with harness.Memcached() as server, Proxy(server.path, spoil) as proxy:
        run = load("run", proxy, "-n", "1000", "--mix", "set", status=1)
        assert run.json["server_errors"] == 1
        assert run.json["commands"]["set"]["errors"] == 1
        assert 'the server said "SERVER_ERROR out of memory storing object"' in run.err, run.err
        spoil.left, spoil.done = 50, False
        run = load("run", proxy, "-n", "1000", "--mix", "set", "--may-fail")
        assert run.json["server_errors"] == 1


harness.main(limit=1200)
