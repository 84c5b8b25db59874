#!/usr/bin/python3
"""A new process takes over: listeners, connections where they stand, and what was counted; or it does not, and nothing has changed."""
import os
import re
import signal
import socket
import struct
import subprocess
import threading

import harness
from harness import INMEM, Client, Memcached, behind, wait_for
from reload_load_test import ROOMY, Binary, Meta, Middle, Slow, Text, check_answers
from upgrades import Upgraded, alive

CONFIG, TEMPFAIL = 78, 75
UPGRADES = 6 if not harness.sanitized() else 3


def test_connections_go_on():
    with Upgraded(INMEM) as rend:
        clients = [rend.client() for _ in range(50)]
        for i, c in enumerate(clients):
            c.ask(b"set k%d 0 0 1\r\nv\r\n" % i, b"STORED\r\n")
        before = clients[0].stats()
        ports = [c.sock.getsockname() for c in clients]
        rend.upgrade()
        for i, c in enumerate(clients):
            c.ask(b"set n%d 7 0 2\r\nvv\r\nget n%d\r\n" % (i, i), b"STORED\r\nVALUE n%d 7 2\r\nvv\r\nEND\r\n" % i)
        after = clients[0].stats()
        assert int(after["pid"]) == rend.pid != int(before["pid"])
        assert after["curr_connections"] == before["curr_connections"]
        assert int(after["cmd_set"]) == 100 and after["total_connections"] == before["total_connections"], after
        assert int(after["bytes_read"]) > int(before["bytes_read"]) and int(after["uptime"]) >= int(before["uptime"])
        assert ports == [c.sock.getsockname() for c in clients]
        with rend.client() as c:
            c.ask(b"mn\r\n", b"MN\r\n")
        for c in clients:
            c.close()


def test_under_load():
    """Pipelined text, meta and binary clients, values half there, and clients that read late; and some that come and go."""
    with Memcached(*ROOMY) as l2, Upgraded(behind(l2.server), more='reload_wait = "200ms"; handover_timeout = "20s"; drain_timeout = "1h";') as rend:
        with rend.client() as c:
            c.ask(b"set big 0 0 500000\r\n" + b"B" * 500000 + b"\r\n", b"STORED\r\n")
        stop = threading.Event()
        loads = [kind(rend, stop, i) for i, kind in enumerate((Text, Text, Meta, Binary, Binary, Middle, Middle, Slow) * (1 if harness.sanitized() else 2))]
        for load in loads:
            load.may_miss = False
            load.start()
        came, wrong = [0], []

        def come_and_go():
            while not stop.is_set():
                try:
                    with rend.client() as c:
                        c.ask(b"mn\r\n", b"MN\r\n")
                    came[0] += 1
                except Exception as e:  # pylint: disable=broad-except
                    wrong.append(repr(e))

        visitor = threading.Thread(target=come_and_go, daemon=True)
        visitor.start()
        for _ in range(UPGRADES):
            before = [load.asked for load in loads]
            seen = came[0]
            rend.upgrade()
            wait_for("all clients to go on", lambda: came[0] > seen and all(load.error or load.asked > b for load, b in zip(loads, before)))
        stop.set()
        check_answers(loads)
        visitor.join(harness.PATIENCE)
        assert not wrong, wrong[:3]
        for load in loads:
            load.client.close()


def binary(opcode, key=b"", extras=b"", value=b""):
    return struct.pack("!BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0, len(extras) + len(key) + len(value), 7, 0) + extras + key + value


def requests():
    """Each in its own words, with a question at the end by which it is seen that all is in step."""
    end = b"mn\r\n"
    yield b"set KEY 5 0 10\r\n0123456789\r\nget KEY\r\n" + end
    yield b"set KEY 5 0 3 noreply\r\nabc\r\nappend KEY 0 0 2\r\nde\r\nprepend KEY 0 0 1\r\n>\r\ngets nokey KEY\r\n" + end
    yield b"add KEY 0 0 0\r\n\r\nreplace KEY 1 0 1\r\n7\r\nincr KEY 5\r\ndecr KEY 1\r\ntouch KEY 0\r\ngat 0 KEY\r\ndelete KEY\r\nget KEY\r\n" + end
    yield b"cas KEY 0 0 1 99\r\nx\r\nset KEY 0 0 2\r\nabc\r\n" + end
    yield b"set KEY 0 0 2000000\r\n" + end
    yield b"set KEY\r\nbogus\r\nverbosity 1\r\nversion\r\n" + end
    yield b"ms KEY 4 T0 F7\r\nabcd\r\nmg KEY v f t s\r\nma KEY\r\nmg KEY k O7 q\r\nmd KEY q\r\nmg KEY v\r\nme KEY\r\n" + end
    yield b"ms azE= 2 b\r\nhi\r\nmg azE= b k v\r\nms KEY S2\r\n" + end
    yield binary(1, b"k", struct.pack("!II", 9, 0), b"value") + binary(0, b"k") + binary(9, b"nokey") + binary(12, b"k") + \
        binary(14, b"k", b"", b"more") + binary(4, b"k") + binary(17, b"q", struct.pack("!II", 0, 0), b"quiet") + binary(11) + binary(10)


def ended(request, heard):
    if request[:1] == b"\x80":
        at = 0
        while at + 24 <= len(heard):
            size = 24 + struct.unpack("!I", heard[at + 8:at + 12])[0]
            if heard[at + 1] == 10 and at + size <= len(heard):
                return True
            at += size
        return False
    return heard.endswith(b"MN\r\n")


def answer_to(client, request):
    heard = b""
    while not ended(request, heard):
        data = client.sock.recv(1 << 16)
        assert data, (request, heard)
        heard += data
    client.close()
    return heard


def plain(request, heard):
    """Without what differs from one run to the next: versions."""
    if request[:1] == b"\x80":
        out, at = b"", 0
        while at < len(heard):
            size = 24 + struct.unpack("!I", heard[at + 8:at + 12])[0]
            out += heard[at:at + 16] + bytes(8) + heard[at + 24:at + size]
            at += size
        return out
    return re.sub(rb"(VALUE \S+ \d+ \d+) \d+", rb"\1 -", heard)


def test_every_request_split_at_every_byte():
    """One connection for each place at which a request can be cut in two, all over one upgrade."""
    with Memcached("-c", "4096") as l2, Upgraded(behind(l2.server)) as rend:
        open_ones, said_so_far = [], 0
        for number, request in enumerate(requests()):
            swallowed = b"set KEY 0 0 2000000\r\n"
            body = request.replace(swallowed, swallowed + b"z" * 2000000 + b"\r\n")
            splits = range(1, len(request)) if body == request else (5, 18, 19, 20, 1000, 70000, 1999999, len(body) - 6, len(body) - 1)
            with Client(rend.address()) as whole:
                key = b"w%d" % number
                said = rename(body, key)
                whole.say(said)
                heard = b""
                while not ended(said, heard):
                    heard += whole.sock.recv(1 << 16)
                expected = plain(said, heard).replace(key, b"KEY")
            for split in splits:
                key = b"s%d-%d" % (number, split)
                said = rename(body, key)
                client = Client(rend.address())
                client.say(said[:split])
                said_so_far += split
                open_ones.append((client, said, split, expected, key))
        # What was read is what has to go along; the rest is the kernel's.
        wait_for("all to be read", lambda: int(rend.stats()["bytes_read"]) >= said_so_far)
        rend.upgrade()
        for client, said, cut, expected, key in open_ones:
            client.say(said[cut:])
            heard = plain(said, answer_to(client, said)).replace(key, b"KEY")
            if said[:1] == b"\x80":
                assert strip_lengths(heard) == strip_lengths(expected), (said, cut, heard, expected)
            else:
                assert heard == expected, (said[:200], cut, heard[:300], expected[:300])


def rename(request, key):
    if request[:1] == b"\x80":
        out, at = b"", 0
        while at < len(request):
            _, opcode, klen, elen, _, _, body, _, _ = struct.unpack("!BBHBBHIIQ", request[at:at + 24])
            extras = request[at + 24:at + 24 + elen]
            name = request[at + 24 + elen:at + 24 + elen + klen]
            out += binary(opcode, key + name[1:] if name in (b"k", b"q") else name, extras, request[at + 24 + elen + klen:at + 24 + body])
            at += 24 + body
        return out
    return request.replace(b"KEY", key)


def strip_lengths(heard):
    out, at = [], 0
    while at < len(heard):
        at = heard.find(b"\x81", at)
        if at < 0:
            break
        out.append((heard[at + 1], heard[at + 6:at + 8]))
        at += 24
    return out


def test_large_values_half_there():
    """Of a store that reserves room, and of one that does not; some with all but their line end."""
    for conf in (INMEM, None):
        with Memcached("-I", "2m") as l2, Upgraded(conf or behind(l2.server)) as rend:
            size = 700000
            clients = []
            for i, cut in enumerate((1, 100, 40000, 65536, 70000, 200000, 699999, 700000, 700001)):
                c = rend.client()
                c.say(b"set big%d 3 0 %d\r\n" % (i, size) + (bytes([97 + i]) * size + b"\r\n")[:cut])
                clients.append((c, i, cut))
            said = sum(cut + len(b"set big%d 3 0 %d\r\n" % (i, size)) for _, i, cut in clients)
            wait_for("all to be read", lambda: int(rend.stats()["bytes_read"]) >= said)
            for _ in range(2):
                rend.upgrade()
            for c, i, cut in clients:
                value = bytes([97 + i]) * size
                c.ask((value + b"\r\n")[cut:], b"STORED\r\n")
                c.ask(b"get big%d\r\n" % i, b"VALUE big%d 3 %d\r\n" % (i, size) + value + b"\r\nEND\r\n")
                c.close()


def test_who_reads_late_follows_later():
    with Upgraded(INMEM, more='drain_timeout = "1h";') as rend:
        slow, quick = rend.client(), rend.client()
        slow.ask(b"set big 0 0 900000\r\n" + b"S" * 900000 + b"\r\n", b"STORED\r\n")
        slow.say(b"get big\r\n" * 60 + b"mn\r\n")
        wait_for("it to be asked", lambda: int(quick.stats()["cmd_get"]) >= 4)
        old = rend.hand_over()
        quick.ask(b"mn\r\n", b"MN\r\n")
        assert alive(old), "it still owes something"
        # A third one would not get what is yet to come to the second.
        rend.not_upgraded(TEMPFAIL, "to come yet")
        # What it had asked is answered by the one that it asked, the rest by the new one.
        while True:
            line = slow.line()
            if line == b"MN":
                break
            if line == b"END":
                continue
            assert line == b"VALUE big 0 900000", line
            slow.hear(b"S" * 900000 + b"\r\nEND\r\n")
        rend.gone(old)
        slow.ask(b"mn\r\n", b"MN\r\n")
        rend.upgrade()
        slow.ask(b"mn\r\n", b"MN\r\n")
        slow.close()
        quick.close()


def test_who_reads_late_and_has_nobody_to_go_to():
    """The new process has died: it gets what it was owed, and the end of the connection, not a silence."""
    with Upgraded(INMEM, more='drain_timeout = "1h";') as rend:
        slow, quick = rend.client(), rend.client()
        slow.ask(b"set big 0 0 900000\r\n" + b"S" * 900000 + b"\r\n", b"STORED\r\n")
        slow.say(b"get big\r\n" * 60)
        wait_for("it to be asked", lambda: int(quick.stats()["cmd_get"]) >= 4)
        old = rend.hand_over()
        quick.ask(b"mn\r\n", b"MN\r\n")
        os.kill(rend.pid, signal.SIGKILL)
        rend.killed = True
        heard = 0
        while True:
            data = slow.sock.recv(1 << 20)
            if not data:
                break
            heard += len(data)
        whole = len(b"VALUE big 0 900000\r\n") + 900000 + len(b"\r\nEND\r\n")
        assert heard > 0 and heard % whole == 0, (heard, whole)
        rend.gone(old)
        slow.close()
        quick.close()


def test_what_is_wrong_changes_nothing():
    with Upgraded(INMEM) as rend:
        c = rend.client()
        c.ask(b"set k 0 0 1\r\nv\r\n", b"STORED\r\n")
        good = INMEM
        rend.write("handlers = {")
        rend.not_upgraded(CONFIG, "the new process", "rend.conf")
        rend.write(good.replace("inmem", "nosuch"))
        rend.not_upgraded(CONFIG, "nosuch")
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            rend.write(good.replace('port = 0; policy = "main"; }', 'port = 0; policy = "main"; }, { port = %d; policy = "main"; }' % other.getsockname()[1]))
            rend.not_upgraded(71, "Address already in use")
        c.ask(b"get k\r\n", b"VALUE k 0 1\r\nv\r\nEND\r\n")
        rend.write(good)
        rend.upgrade()
        c.ask(b"mn\r\n", b"MN\r\n")
        c.close()


def test_descriptors_and_threads_stay():
    with Upgraded(INMEM) as rend:
        clients = [rend.client() for _ in range(20)]
        for c in clients:
            c.ask(b"mn\r\n", b"MN\r\n")
        rend.upgrade()
        fds, threads = rend.fds_of(), rend.threads_of()
        for _ in range(UPGRADES):
            rend.upgrade()
        for c in clients:
            c.ask(b"mn\r\n", b"MN\r\n")
        wait_for("as many descriptors as before", lambda: rend.fds_of() <= fds + 1)
        assert rend.threads_of() == threads
        for c in clients:
            c.close()


def test_paths_go_on():
    """A unix socket, the control socket and the pid file are the new process's, and it removes them."""
    with Upgraded(INMEM) as rend:
        path, pid_file = os.path.join(rend.folder, "s"), os.path.join(rend.folder, "pid")
        rend.write(INMEM.replace("port = 0;", f'path = "{path}"; mode = "0600";'), more=f'pid_file = "{pid_file}";')
        rend.end()
        rend.lines.clear()
        rend.start()
        wait_for("it to listen", lambda: rend.said(r"listening on|ERROR|rend:"))
        rend.first, rend.pid = rend.child, rend.child.pid
        with Client(path) as c:
            c.ask(b"mn\r\n", b"MN\r\n")
            rend.upgrade()
            c.ask(b"mn\r\n", b"MN\r\n")
            with open(pid_file) as f:
                assert int(f.read()) == rend.pid
        with Client(path) as c:
            c.ask(b"mn\r\n", b"MN\r\n")
        rend.end()
        assert not os.path.exists(path) and not os.path.exists(pid_file) and not os.path.exists(rend.control)


def test_a_unix_socket_gets_another_mode():
    """When the new process serves, and not if it does not."""
    with Upgraded(INMEM) as rend:
        path = os.path.join(rend.folder, "s")
        conf = INMEM.replace("port = 0;", f'path = "{path}"; mode = "%s";')
        rend.write(conf % "0600")
        rend.upgrade()
        assert os.stat(path).st_mode & 0o777 == 0o600
        with Client(path) as c:
            c.ask(b"mn\r\n", b"MN\r\n")
            rend.write((conf % "0660").replace('"inmem"', '"inmen"'))
            rend.not_upgraded(78, "inmen")
            assert os.stat(path).st_mode & 0o777 == 0o600
            rend.write(conf % "0660")
            rend.upgrade()
            wait_for("the mode", lambda: os.stat(path).st_mode & 0o777 == 0o660)
            c.ask(b"mn\r\n", b"MN\r\n")


def test_by_signal_and_by_hand():
    with Upgraded(INMEM) as rend:
        c = rend.client()
        c.ask(b"mn\r\n", b"MN\r\n")
        old = rend.pid
        os.kill(old, signal.SIGUSR2)
        rend.gone(old)
        rend.pid = rend.now()
        c.ask(b"mn\r\n", b"MN\r\n")
        by_hand = subprocess.Popen([harness.REND, "-c", rend.conf_file, "--takeover", rend.control], stderr=subprocess.PIPE)
        rend.gone(rend.pid)
        rend.pid = by_hand.pid
        assert rend.now() == by_hand.pid
        c.ask(b"mn\r\n", b"MN\r\n")
        c.close()
        by_hand.terminate()
        said = by_hand.communicate(timeout=harness.PATIENCE)[1].decode()
        assert by_hand.returncode == 0 and "Sanitizer" not in said, said


if __name__ == "__main__":
    harness.main()
