"""A backend that keeps a few values, understands meta or only classic text, and misbehaves on demand.

Each request is handed to misbehave(conn, request) first; what it returns is sent instead of the true answer, None leaves that to us, and
SILENCE sends nothing.  A connection may also be cut there: conn.reset(), conn.close().
"""
import os
import shutil
import socket
import struct
import tempfile
import threading

SILENCE = b""


class Request:
    def __init__(self, line, body):
        self.line = line
        self.words = line.split()
        self.verb = self.words[0].decode() if self.words else ""
        self.body = body
        self.key = self.words[1].decode() if len(self.words) > 1 else ""
        self.opaque = next((w[1:] for w in self.words[2:] if w.startswith(b"O")), None)

    def flag(self, letter):
        """The token behind a meta flag; None: the flag is not there."""
        return next((w[1:] for w in self.words[3 if self.verb == "ms" else 2:] if w.startswith(letter)), None)

    def number(self, letter):
        token = self.flag(letter)
        return None if token is None else int(token)

    @property
    def is_probe(self):
        return self.verb == "version" or self.key == "rend:probe"


class Connection:
    def __init__(self, backend, sock):
        self.backend = backend
        self.sock = sock
        self.heard = b""
        self.asked = 0

    def reset(self):
        """Ends it with a RST instead of a FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        # Another thread may be reading it: close() alone would leave it open until that returns.
        if not self._lingers():
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.sock.close()

    def _lingers(self):
        try:
            return self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 1, 0)
        except OSError:
            return True

    def send(self, data):
        self.sock.sendall(data)

    def _need(self, count):
        while len(self.heard) < count:
            data = self.sock.recv(1 << 20)
            if not data:
                raise ConnectionError
            self.heard += data

    def _take(self, count):
        self._need(count)
        taken, self.heard = self.heard[:count], self.heard[count:]
        return taken

    def read_request(self):
        while b"\r\n" not in self.heard:
            self._need(len(self.heard) + 1)
        line, self.heard = self.heard.split(b"\r\n", 1)
        words = line.split()
        body = b""
        if words and words[0] == b"ms" and self.backend.meta:
            body = self._take(int(words[2]) + 2)[:-2]
        elif words and words[0] in (b"set", b"add", b"replace", b"append", b"prepend", b"cas"):
            body = self._take(int(words[4]) + 2)[:-2]
        return Request(line, body)

    def serve(self):
        try:
            while True:
                request = self.read_request()
                self.asked += 1
                answer = self.backend.answer(self, request)
                if answer:
                    self.send(answer)
        except (OSError, ConnectionError, ValueError):
            pass
        finally:
            self.sock.close()


class ScriptedBackend:
    def __init__(self, misbehave=None, meta=True, tcp=True, sets_cas=False, host="127.0.0.1", port=0):
        self.misbehave = misbehave
        self.meta = meta
        self.sets_cas = sets_cas  # the flag E
        self.sent = set()  # keys that somebody has won
        self.tcp = tcp
        self.values = {}
        self.cas = 0
        self.lock = threading.Lock()
        self.requests = []
        self.connections = []
        self.connected = 0
        self.folder = tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
        self.listener = None
        self.host = host
        self.port = port

    @property
    def server(self):
        return f"{self.host}:{self.port}" if self.tcp else "unix:" + os.path.join(self.folder, "s")

    def __enter__(self):
        self.listener = socket.socket(socket.AF_INET if self.tcp else socket.AF_UNIX)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((self.host, self.port) if self.tcp else os.path.join(self.folder, "s"))
        self.listener.listen(128)
        if self.tcp:
            self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()
        shutil.rmtree(self.folder, ignore_errors=True)

    def cut(self):
        """Closes every connection."""
        connections, self.connections = self.connections, []
        for conn in connections:
            try:
                conn.close()
            except OSError:
                pass

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            conn = Connection(self, sock)
            self.connections.append(conn)
            self.connected += 1
            threading.Thread(target=conn.serve, daemon=True).start()

    def answer(self, conn, request):
        if not request.is_probe:
            self.requests.append(request)
        if self.misbehave is not None:
            said = self.misbehave(conn, request)
            if said is not None:
                return said
        with self.lock:
            return self.truth(request)

    def truth(self, request):
        handler = getattr(self, ("meta_" if self.meta else "text_") + request.verb, None)
        if request.verb == "version":
            return b"VERSION 1.6.18\r\n" if self.meta else b"VERSION 1.4.0\r\n"
        if self.meta and not self.sets_cas and request.flag(b"E") is not None:
            return b"CLIENT_ERROR invalid flag\r\n"
        return handler(request) if handler else b"ERROR\r\n"

    def _store(self, key, body, flags, cas=None):
        self.cas += 1
        self.values[key] = (body, flags, self.cas if cas is None else cas)
        self.sent.discard(key)

    def meta_mg(self, r):
        opaque = b" O" + r.opaque if r.opaque else b""
        sign = b""
        if r.key not in self.values:
            if r.flag(b"N") is None:
                return b"EN" + opaque + b"\r\n"
            self._store(r.key, b"", 0, r.number(b"E"))
            self.sent.add(r.key)
            sign = b" W"
        elif r.key in self.sent:
            sign = b" Z"
        body, flags, cas = self.values[r.key]
        shown = b" f%d c%d t-1" % (flags, cas) + opaque + sign
        if r.flag(b"v") is not None:
            return b"VA %d" % len(body) + shown + b"\r\n" + body + b"\r\n"
        return b"HD" + shown + b"\r\n"

    def _refused(self, r):
        """What a condition on the version says, or None."""
        wanted = r.number(b"C")
        if wanted is None or (r.key in self.values and self.values[r.key][2] == wanted):
            return None
        return (b"EX" if r.key in self.values else b"NF") + b" O" + r.opaque + b"\r\n"

    def meta_ms(self, r):
        refused = self._refused(r)
        if refused:
            return refused
        self._store(r.key, r.body, r.number(b"F") or 0, r.number(b"E"))
        return b"HD c%d O%s\r\n" % (self.values[r.key][2], r.opaque)

    def meta_md(self, r):
        refused = self._refused(r)
        if refused:
            return refused
        self.sent.discard(r.key)
        return (b"HD" if self.values.pop(r.key, None) else b"NF") + b" O" + r.opaque + b"\r\n"

    def any_flush_all(self, r):
        self.values.clear()
        self.sent.clear()
        return b"OK\r\n"

    meta_flush_all = text_flush_all = any_flush_all

    def text_get(self, r):
        if r.key not in self.values:
            return b"END\r\n"
        body, flags, cas = self.values[r.key]
        tail = b" %d" % cas if r.verb == "gets" else b""
        return b"VALUE %s %d %d%s\r\n%s\r\nEND\r\n" % (r.key.encode(), flags, len(body), tail, body)

    text_gets = text_get

    def text_set(self, r):
        self._store(r.key, r.body, int(r.words[2]))
        return b"STORED\r\n"

    def text_cas(self, r):
        if r.key not in self.values:
            return b"NOT_FOUND\r\n"
        if self.values[r.key][2] != int(r.words[5]):
            return b"EXISTS\r\n"
        return self.text_set(r)

    def text_delete(self, r):
        return b"DELETED\r\n" if self.values.pop(r.key, None) else b"NOT_FOUND\r\n"

    def text_incr(self, r):
        if r.key not in self.values:
            return b"NOT_FOUND\r\n"
        body, flags, _ = self.values[r.key]
        if not body.isdigit():
            return b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
        self._store(r.key, b"%d" % (int(body) + int(r.words[2])), flags)
        return self.values[r.key][0] + b"\r\n"

    def text_touch(self, r):
        return b"TOUCHED\r\n" if r.key in self.values else b"NOT_FOUND\r\n"
