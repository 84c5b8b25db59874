"""What the conversations about backends share: configurations, short questions, a client that must not notice, and ways to misbehave."""
import os
import re
import signal
import threading

import harness
from harness import wait_for

DOWN = b"SERVER_ERROR backend down\r\n"
TIMEOUT = b"SERVER_ERROR backend timeout\r\n"
BUSY = b"SERVER_ERROR backend busy\r\n"
ERROR = b"SERVER_ERROR backend error\r\n"

# For tests in which somebody is given up, which takes so long each time.  A backend that is there is not to be as late, however busy the machine.
QUICK = 'request_timeout = "2s"; connect_timeout = "2s"; retry_max = "1s";'
# Nobody is given up: then what is answered soon was not waited for.
SLOW = 'request_timeout = "1h"; connect_timeout = "1h"; retry_max = "1s";'
SOON = harness.PATIENCE


# One worker: then there is one connection to the backend, and what happens to it is certain.
def beside(server, more=SLOW):
    """Two listeners: values at the backend, and values in memory, which no fault of the backend may disturb."""
    return f"""
handlers = {{
    back = {{ plugin = "memcached"; servers = [ "{server}" ]; {more} }};
    mem = {{ plugin = "inmem"; memory = "64MiB"; }};
}};
policies = {{ main = {{ plugin = "l1only"; l1 = "back"; }}; local = {{ plugin = "l1only"; l1 = "mem"; }}; }};
listeners = ( {{ port = 0; policy = "main"; }}, {{ port = 0; policy = "local"; }} );
"""


def number(rend, name):
    """What is counted at the node called back."""
    return int(rend.stats("nodes")["back." + name])


def said(client, question):
    return client.say(question).line() + b"\r\n"


def heard(client, question):
    """One answer to a get, whole; or to anything else, which is one line."""
    first = said(client, question)
    return first + client.until(b"END\r\n") if first.startswith(b"VALUE") else first


def served(client, key=b"back"):
    """A value was stored, and nobody says error."""
    return said(client, b"set %s 0 0 1\r\nx\r\n" % key) == b"STORED\r\n"


def stop(process):
    """Stops it; when this returns, none of its threads runs."""
    process.send_signal(signal.SIGSTOP)


class TcpMemcached(harness.Process):
    """A real memcached on a TCP port that the kernel chose."""

    def __init__(self, *args):
        super().__init__(["memcached", "-u", harness.user_name(), "-l", "127.0.0.1", "-p", "-1", "-U", "0", "-t", "1", *args])
        self.said_port = os.path.join(self.folder, "port")
        self.kw = {"env": dict(os.environ, MEMCACHED_PORT_FILENAME=self.said_port)}

    def __enter__(self):
        self.start()
        self.server = "127.0.0.1:" + wait_for("memcached to say its port", self._port)
        return self

    def _port(self):
        if not os.path.exists(self.said_port):
            return None
        with open(self.said_port) as f:
            found = re.search(r"TCP INET: (\d+)\n", f.read())
        return found and found.group(1)

    def __exit__(self, *_):
        self.end(signal.SIGKILL)
        self.remove()


class Bystander:
    """A client of the values in memory, busy while the backend misbehaves; every answer must be right, and come."""

    def __init__(self, rend):
        self.client = rend.client(1)
        self.stop = threading.Event()
        self.fault = None
        self.rounds = 0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            while not self.stop.is_set():
                self.client.ask(b"set b 0 0 3\r\nabc\r\nget b\r\n", b"STORED\r\nVALUE b 0 3\r\nabc\r\nEND\r\n")
                self.rounds += 1
                self.stop.wait(0.002)
        except (AssertionError, OSError) as e:
            self.fault = e

    def is_served(self):
        """Is answered again and again, from now on."""
        begun = self.rounds
        wait_for("a bystander to be served", lambda: self.fault or self.rounds >= begun + 3, SOON)
        assert self.fault is None, self.fault

    def __enter__(self):
        self.thread.start()
        self.is_served()
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.is_served()
        finally:
            self.stop.set()
            self.thread.join(harness.PATIENCE)
            self.client.close()


def misbehave_once(answer):
    """Answers the first get so, and the others truly."""
    state = {"done": False}

    def misbehave(conn, request):
        if state["done"] or request.key != "bad":
            return None
        state["done"] = True
        return answer(conn, request) if callable(answer) else answer

    return misbehave
