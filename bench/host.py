"""Where and with what a result was measured."""
import os
import platform
import re
import subprocess


def said(*argv, folder=None):
    """The first line that a program prints; empty: it is not there, or failed."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=folder, timeout=30)
    except OSError:
        return ""
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].strip() if lines else ""


def read(path):
    with open(path) as f:
        return f.read()


def host():
    cpu = re.search(r"^model name\s*:\s*(.*)", read("/proc/cpuinfo"), re.M)
    memory = re.search(r"^MemTotal:\s+(\d+)", read("/proc/meminfo"), re.M)
    return dict(cpu=cpu.group(1) if cpu else platform.machine(), cores=os.cpu_count(), memory_mib=int(memory.group(1)) // 1024,
                kernel=platform.release(), load_average=os.getloadavg())


def versions(build):
    return {"rend": said(f"{build}/rend", "--version"),
            "rend-load": said(f"{build}/rend-load", "--version"),
            "memcached": said("memcached", "-V"),
            "nutcracker": said("nutcracker", "-V").replace("This is ", ""),
            "valgrind": said("valgrind", "--version"),
            "compiler": said("gcc", "--version")}


def commit(source):
    """The commit that is measured, and whether the tree differs from it."""
    at = said("git", "log", "-1", "--format=%H", folder=source)
    if not re.fullmatch(r"[0-9a-f]{40}", at):
        return dict(commit="", changed=False)
    return dict(commit=at, changed=bool(said("git", "status", "--porcelain", "--untracked-files=no", folder=source)))
