#!/usr/bin/python3
"""The configurations in etc/: each of them serves, and the one that `./dev run` takes keeps what it was told."""
import glob
import os
import re
import signal
import subprocess

import harness
from conf_test import TOP, Folder, exits, me, running
from harness import Rend, wait_for

ETC = os.path.join(TOP, "etc")
DEFAULT = os.path.join(ETC, "rend.conf")
OS_ERROR = 71


def text(name):
    with open(os.path.join(ETC, name)) as f:
        return f.read()


def example(name, *settings, folder=None):
    """A rend of that file, at ports of its own; folder: where its disk is."""
    conf = text(name)
    more = [f"listeners.{n}.port=0" for n in range(len(re.findall(r"^\s*\{? ?port = ", conf, re.M)))]
    more += [f"handlers.all.path={folder}"] if folder else []
    more += [*settings, "plugin_dir=" + harness.PLUGINS, "user=" + harness.user_name()]
    rend = Rend(None, args=[word for setting in more for word in ("-o", setting)])
    with open(rend.conf_file, "w") as f:
        f.write(conf)
    return rend


def test_each_of_them_serves():
    names = sorted(os.path.basename(path) for path in glob.glob(os.path.join(ETC, "*.conf")))
    assert {"rend.conf", "rend-inmem.conf", "rend-memcached.conf", "rend-l1l2.conf", "rend-memcached-l1l2.conf"} <= set(names), names
    for name in names:
        if 'plugin = "mnemonic"' in text(name) and not os.path.exists(os.path.join(harness.PLUGINS, "mnemonic.so")):
            continue  # built only where librocksdb is
        on_disk = 'plugin = "ssd"' in text(name) or 'plugin = "mnemonic"' in text(name)
        with Folder() as f, example(name, folder=os.path.join(f.path, "disk") if on_disk else None) as rend:
            assert len(rend.names()) == (2 if 'plugin = "l1l2batch"' in text(name) else 1), rend.names()
            for which in range(len(rend.names())):
                with rend.client(which) as c:
                    assert c.say(b"version\r\n").line().startswith(b"VERSION "), name


def test_in_memory_alone():
    with example("rend-inmem.conf") as rend, rend.client() as c:
        c.ask(b"set k 0 0 1\r\nv\r\nget k\r\n", b"STORED\r\nVALUE k 0 1\r\nv\r\nEND\r\n")


def test_the_default_keeps_what_it_was_told():
    """Both listeners, and a start after each kind of end."""
    with Folder() as f:
        disk = os.path.join(f.path, "disk")
        with example("rend.conf", folder=disk) as rend, rend.client(0) as online, rend.client(1) as bulk:
            online.ask(b"set k 5 0 1\r\nv\r\n", b"STORED\r\n")
            bulk.ask(b"set b 0 0 4\r\nbulk\r\nget k\r\n", b"STORED\r\nVALUE k 5 1\r\nv\r\nEND\r\n")
        with example("rend.conf", folder=disk) as rend, rend.client(0) as online, rend.client(1) as bulk:
            assert rend.said("2 objects, as they were left"), rend.tail()
            online.ask(b"get k b\r\n", b"VALUE k 5 1\r\nv\r\nVALUE b 0 4\r\nbulk\r\nEND\r\n")
            bulk.ask(b"delete k\r\n", b"DELETED\r\n")
            online.ask(b"get k\r\n", b"END\r\n")
        assert os.stat(disk).st_mode & 0o077 == 0


def ends(rend):
    """It does not come up: its status, and what it said."""
    rend.start()
    status = rend.child.wait(harness.PATIENCE)
    rend.reader.join(harness.PATIENCE)
    rend.remove()
    return status, rend.tail()


def test_two_at_once():
    """The second one says why it does not start, and the first one goes on."""
    with Folder() as f:
        disk = os.path.join(f.path, "disk")
        with example("rend.conf", folder=disk) as rend, rend.client() as c:
            c.ask(b"set k 0 0 1\r\nv\r\n", b"STORED\r\n")
            status, said = ends(example("rend.conf", folder=disk))
            assert status == OS_ERROR and disk in said and "another process has it" in said, (status, said)
            port = rend.address()[1]
            with Folder() as other:
                second = example("rend.conf", folder=os.path.join(other.path, "disk"))
                second.argv += ["-o", f"listeners.0.port={port}"]
                status, said = ends(second)
                assert status == OS_ERROR and f"127.0.0.1:{port}" in said, (status, said)
                assert not os.path.exists(os.path.join(other.path, "disk")), "it had touched the disk by then"
            c.ask(b"get k\r\n", b"VALUE k 0 1\r\nv\r\nEND\r\n")


def test_a_folder_that_cannot_be_made():
    with Folder() as f:
        status, said = ends(example("rend.conf", folder=os.path.join(f.path, "no", "disk")))
        assert status == OS_ERROR and "cannot make the folder" in said and "the one that it belongs in is not there" in said, (status, said)
        f.write("file", "")
        status, said = ends(example("rend.conf", folder=os.path.join(f.path, "file")))
        assert status == OS_ERROR and os.path.join(f.path, "file") in said, (status, said)
        if os.getuid() != 0:  # root may
            os.chmod(f.path, 0o500)
            status, said = ends(example("rend.conf", folder=os.path.join(f.path, "disk")))
            os.chmod(f.path, 0o700)
            assert status == OS_ERROR and "not permitted" in said, (status, said)


def test_in_the_background_a_relative_path_stays_where_it_was_started():
    with Folder() as f:
        for life in range(2):
            exits(f.run("-d", "-u", me(), "-c", DEFAULT, "-o", "listeners.0.port=0", "-o", "listeners.1.port=0", "-o", "handlers.all.path=disk", "-P",
                        "rend.pid", "-o", "log.to=rend.log"), 0)
            with open(os.path.join(f.path, "rend.pid")) as file:
                pid = int(file.read())
            os.kill(pid, signal.SIGTERM)
            wait_for("the server to end", lambda: not running(pid))
            with open(os.path.join(f.path, "rend.log")) as file:
                log = file.read()
            assert "could not be left" not in log and ("as they were left" in log) == (life == 1), log
        assert os.path.exists(os.path.join(f.path, "disk", "index.snap"))


def test_dev_run_says_what_the_file_has():
    """`./dev run` has its disk in the checkout: the block is called as it is in the file."""
    with open(os.path.join(TOP, "dev")) as f:
        block = re.search(r"handlers\.(\w+)\.path=\$here/build/disk", f.read()).group(1)
    got = subprocess.run([harness.REND, "-t", "-c", DEFAULT, "-o", f"handlers.{block}.path=/nowhere", "-o", "plugin_dir=" + harness.PLUGINS],
                         capture_output=True, text=True, timeout=300)
    assert got.returncode == 0, got.stderr


if __name__ == "__main__":
    harness.main()
