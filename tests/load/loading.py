"""What the conversations with rend-load share: running it, and a proxy that spoils answers on their way from a real server.

The proxy passes on what the client says, and cuts what the server says into answers; each goes through spoil(answer), which returns
what the client hears instead: the same, another, or nothing.
"""
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "talk"))
import harness  # noqa: E402
from harness import PATIENCE, wait_for  # noqa: E402

LOAD = os.path.join(os.path.dirname(harness.REND), "rend-load")


def where(server):
    """The options that lead to a server: a Rend, a Memcached, a Proxy."""
    if isinstance(server, harness.Rend):
        return ["-h", "127.0.0.1", "-p", str(server.port)]
    return ["--socket", server.path]


class Load:
    """with Load("run", server, "-n", "100") as load: ...; load.wait() returns its status; then .out, .err and .json are there."""

    def __init__(self, tool, server, *options, stderr=subprocess.PIPE):
        self.file = tempfile.NamedTemporaryFile(dir=os.environ.get("TMPDIR"), suffix=".json")
        address = where(server) if server is not None else []
        # Nobody gives up on a server that is there, however slow the machine is, but where a test is about that.
        patience = [] if "--timeout" in options else ["--timeout", "60s"]
        self.argv = [LOAD, tool, *address, "--json", self.file.name, *patience, *map(str, options)]
        self.child = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr)
        self.json = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()

    def wait(self):
        out, err = self.child.communicate(timeout=3600 if harness.LONG else 5 * PATIENCE)
        self.out, self.err = out.decode(), (err or b"").decode()
        for word in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer"):
            assert word not in self.err, self.err
        text = self.file.read()
        if text:
            self.json = json.loads(text)
            assert self.json["status"] == self.child.returncode, (self.json["status"], self.child.returncode)
        return self.child.returncode


def load(tool, server, *options, status=0):
    """Runs it to its end, which must be with this status."""
    with Load(tool, server, *options) as run:
        ended = run.wait()
        assert ended == status, f"{' '.join(run.argv)} ended with {ended}, not {status}:\n{run.err}\n{run.out}"
        return run


def slower(run, ns):
    """How many answers took longer."""
    return sum(n for command in run.json["commands"].values() for end, n in command["histogram"] if end > ns)


class Answer:
    """line: without its CRLF, or a header of 24 bytes; body: a value or body, without its CRLF, or None."""

    def __init__(self, line, body, binary=False):
        self.line, self.body, self.binary = line, body, binary

    @property
    def is_value(self):
        if self.binary:
            return self.line[6:8] == b"\0\0" and self.line[1] in (0x00, 0x09) and len(self.body) > 4
        return self.body is not None

    @property
    def is_beside(self):
        """Of stats or version, which rend-load asks for beside the load."""
        if self.binary:
            return self.line[1] in (0x0b, 0x10)
        return self.line.startswith((b"STAT ", b"VERSION "))

    @property
    def key(self):
        return self.line.split()[1] if self.line.startswith(b"VALUE ") else None

    def bytes(self):
        if self.binary:
            return self.line + self.body
        return self.line + b"\r\n" + (b"" if self.body is None else self.body + b"\r\n")


class Proxy:
    """Between rend-load and the server at path; spoil sees the answers of all connections, one at a time."""

    def __init__(self, path, spoil):
        self.to, self.spoil = path, spoil
        self.lock = threading.Lock()
        self.folder = tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
        self.path = os.path.join(self.folder, "proxy.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        self.open = []

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.open:
            sock.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.to)
            self.open += [client, server]
            threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    @staticmethod
    def _end(sock):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _pass_on(self, client, server):
        try:
            while data := client.recv(65536):
                server.sendall(data)
        except OSError:
            pass
        self._end(server)

    def _answer(self, server, client):
        stream = server.makefile("rb")
        try:
            while (answer := self._next(stream)) is not None:
                with self.lock:
                    said = self.spoil(answer)
                client.sendall(said)
        except OSError:
            pass
        self._end(client)

    @staticmethod
    def _next(stream):
        first = stream.read(1)
        if not first:
            return None
        if first == b"\x81":
            header = first + stream.read(23)
            return Answer(header, stream.read(int.from_bytes(header[8:12], "big")), binary=True)
        line = first + stream.readline()
        if not line.endswith(b"\r\n"):
            return None
        line = line[:-2]
        words = line.split()
        size = words[3] if words[0] == b"VALUE" else words[1] if words[0] == b"VA" else None
        if size is None:
            return Answer(line, None)
        return Answer(line, stream.read(int(size) + 2)[:-2])
