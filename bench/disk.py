"""Where systems that keep values on a disk have their files; and what the kernel says was written."""
import os
import tempfile

from process import Failed

# Not a disk: what is in them is in memory.
IN_MEMORY = ("tmpfs", "ramfs", "devtmpfs", "overlay")

SECTOR = 512


def kind(path):
    """The type of the filesystem that path is in."""
    path, found = os.path.realpath(path), ("", "")
    with open("/proc/self/mounts") as f:
        for line in f:
            at, kind_of = line.split()[1:3]
            if os.path.join(path, "").startswith(os.path.join(at, "")) and len(at) >= len(found[0]):
                found = at, kind_of
    return found[1]


def folder(where):
    """A new one below where, which has to be on a disk."""
    if kind(where) in IN_MEMORY:
        raise Failed(f"{where} is a {kind(where)}, no disk: --disk says where one is")
    return tempfile.mkdtemp(prefix="rend-bench.", dir=where)


def fill(path, size):
    """A file with bytes in all of its blocks: what only was allocated is read without the disk."""
    piece = os.urandom(1 << 20)
    with open(path, "xb") as f:
        for _ in range(0, size, len(piece)):
            f.write(piece)
        f.flush()
        os.fsync(f.fileno())


def written(path):
    """Bytes that went to the device of path since the machine was started, whoever wrote them.  None: it is no plain device."""
    device = os.stat(path).st_dev
    with open("/proc/diskstats") as f:
        for line in f:
            fields = line.split()
            if (int(fields[0]), int(fields[1])) == (os.major(device), os.minor(device)):
                return int(fields[9]) * SECTOR
    return None


def written_by(pid):
    """Bytes that a process, with all of its threads, caused to be written."""
    with open(f"/proc/{pid}/io") as f:
        return int(dict(line.split(":") for line in f)["write_bytes"])
