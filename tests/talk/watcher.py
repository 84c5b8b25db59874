"""Those who watch a rend: its admin port, and what Prometheus would read there."""
import http.client
import os
import re
import socket
import subprocess

import harness
from harness import Rend, wait_for

FIXTURES = os.path.join(os.path.dirname(harness.REND), "tests", "fixtures")
ADMIN = "admin = { port = 0; };"


def fixture(name):
    """The path of a plugin that was built for tests."""
    return os.path.join(FIXTURES, name + ".so")


class Watched(Rend):
    """A rend with an admin port."""

    def __init__(self, conf=harness.INMEM, fields="", admin=ADMIN, **kw):
        super().__init__(conf, fields=f"{admin}\n{fields}", **kw)

    def admin_address(self):
        found = wait_for("the admin port", lambda: self.said(r"admin port at (\S+):(\d+)$"))
        return found.group(1).strip("[]"), int(found.group(2))

    def ask(self, path, method="GET", headers=None, body=None):
        """(status, headers, text) of one request."""
        conn = http.client.HTTPConnection(*self.admin_address(), timeout=harness.PATIENCE)
        try:
            conn.request(method, path, body=body, headers=headers or {})
            answer = conn.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            conn.close()

    def status(self, path):
        return self.ask(path)[0]

    def scrape(self):
        status, headers, text = self.ask("/metrics")
        assert status == 200, (status, text)
        assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8", headers
        return Samples(text)

    def raw(self, data, half_close=False):
        """All that comes back for these bytes, to the end."""
        with socket.create_connection(self.admin_address(), harness.PATIENCE) as s:
            heard = b""
            try:
                s.sendall(data)
                if half_close:
                    s.shutdown(socket.SHUT_WR)
                while True:
                    more = s.recv(65536)
                    if not more:
                        break
                    heard += more
            except (ConnectionResetError, BrokenPipeError):
                pass
            return heard


class Samples:
    """The text format, read by the letter.  samples[name, {labels}] is a value."""

    LINE = re.compile(r'([a-z_][a-z0-9_]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? ([0-9.+eInf-]+)$')
    LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"')

    def __init__(self, text):
        self.text = text
        self.values = {}
        self.types = {}
        self.help = {}
        family = None
        assert text.endswith("\n")
        for line in text[:-1].split("\n"):
            if line.startswith("# HELP "):
                family, said = line[7:].split(" ", 1)
                assert family not in self.help, f"{family} twice"
                assert said, line
                self.help[family] = said
            elif line.startswith("# TYPE "):
                name, kind = line[7:].split(" ")
                assert name == family, line
                self.types[family] = kind
            else:
                self._sample(line, family)

    def _sample(self, line, family):
        found = self.LINE.match(line)
        assert found, f"not a sample: {line!r}"
        name, labels, value = found.groups()
        base = re.sub(r"_(bucket|sum|count)$", "", name) if self.types[family] == "histogram" else name
        assert base == family, f"{line!r} among the samples of {family}"
        key = name, frozenset((k, re.sub(r"\\(.)", lambda m: "\n" if m.group(1) == "n" else m.group(1), v))
                              for k, v in self.LABEL.findall(labels or ""))
        assert key not in self.values, f"{line!r} twice"
        self.values[key] = float(value)

    def get(self, name, **labels):
        return self.values[name, frozenset(labels.items())]

    def all(self, name):
        """{labels: value} of a name, zeros left out; labels are their values, in the order of their names."""
        found = {}
        for (n, labels), value in self.values.items():
            if n == name and value:
                found[tuple(v for _, v in sorted(labels))] = value
        return found

    def sum(self, name, **labels):
        want = set(labels.items())
        return sum(v for (n, has), v in self.values.items() if n == name and want <= has)


def promtool(text):
    """What Prometheus's own tool has to say of it: nothing."""
    got = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True, timeout=300)
    assert got.returncode == 0 and not got.stdout and not got.stderr, (got.returncode, got.stdout, got.stderr)
