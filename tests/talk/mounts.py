"""Small file systems of a test's own, which nobody else sees and which are gone when it ends.  Not run on its own."""
import errno
import os
import subprocess
import sys

MARK = "REND_TEST_MOUNTS"


def enter():
    """Begins the program anew where it may mount; where that is forbidden the test is skipped, which is no success."""
    if os.environ.get(MARK) == "1":
        return
    os.environ[MARK] = "1"
    for how in (["unshare", "-rm"], ["unshare", "-m"]):
        tried = [*how, "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /tmp"]
        if subprocess.run(tried, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            os.execvp(how[0], [*how, sys.executable, *sys.argv])
    print("skipped: no file system can be mounted here")
    sys.exit(77)


def small(path, mib):
    """A disk of so many MiB."""
    os.mkdir(path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=755", "tmpfs", path], check=True)


def away(path):
    subprocess.run(["umount", "-l", path], check=False)


def fill(path):
    """A file that takes all the room there is."""
    with open(path, "wb", buffering=0) as f:
        for some in (1 << 16, 4096):
            try:
                while True:
                    f.write(b"\xa5" * some)
            except OSError as e:
                assert e.errno == errno.ENOSPC, e
