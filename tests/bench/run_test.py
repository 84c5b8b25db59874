#!/usr/bin/python3
"""bench/run from one end to the other, with so few requests that its figures mean nothing."""
import os
import subprocess
import sys
import tempfile

import canned                # first: it finds the others
import batches
import cases
import harness
import results
from process import Failed

RUN = os.path.join(canned.BENCH, "run")
BUILD = os.path.dirname(harness.REND)


def run(*argv):
    return subprocess.run([sys.executable, RUN, "--build", BUILD, *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True)


def test_the_list_names_all_cases_and_claims():
    said = run("--list").stdout
    for case in cases.CASES:
        assert case.name in said
        for claim in case.claims:
            assert claim.sentence() in said


def test_a_case_that_is_not_there():
    done = run("nothing")
    assert done.returncode == 64 and "no case 'nothing'" in done.stderr, done


def check_pairs(out, name, rounds):
    """The turns of one case, as they were noted."""
    found = results.read(os.path.join(out, "result.json"))["cases"][0]
    assert found["name"] == name and found["failed"] == [], found["failed"]
    names = list(found["systems"])
    assert [(r["round"], r["system"]) for r in found["rounds"]] == [(at, each) for at in range(rounds) for each in names]
    for r in found["rounds"]:
        assert r["cpu_us"] > 0 and r["requests"] >= 100 and r["wrong"] == 0 and r["rss_kb"] > 0 and r["p99_us"] >= r["p50_us"], r
    assert set(names) <= set(found["commands"])
    assert found["commands"]["rend"] == "BUILD/rend -c FOLDER/rend/rend.conf"
    return found


def test_values_in_memory():
    out = tempfile.mkdtemp()
    done = run("text-1", "--pairs", "--rounds", "2", "--requests", "300", "--keys", "100", "--out", out)
    assert done.returncode == 0, done
    found = check_pairs(out, "text-1", 2)
    assert "workers = 1;" in found["commands"]["rend: rend.conf"]
    assert "| text-1 | rend: at most 0.9 × the CPU time of memcached | **not decidable** | 2 pairs, and 15 are needed |" in done.stdout
    assert os.path.exists(os.path.join(out, "text-1.svg")) and os.path.exists(os.path.join(out, "tables.md"))
    # The same text can be had from the result alone.
    assert run("--report", os.path.join(out, "result.json")).stdout == done.stdout


def test_traffic_that_is_replayed():
    """So few requests that all that was stored is there: what misses is what was not asked for before."""
    out = tempfile.mkdtemp()
    done = run("hits-shift", "--requests", "30000", "--out", out)
    found = results.read(os.path.join(out, "result.json"))["cases"][0]
    assert found["failed"] == [] and done.returncode in (0, 1), (found["failed"], done)
    rend, memcached = (found["counted"]["misses"][name] for name in ("rend", "memcached"))
    assert rend["per_request"] == memcached["per_request"] and 20 < rend["per_request"][0] < 90
    assert rend["windows"] == memcached["windows"] and len(rend["windows"]) == 60
    shifted = found["counted"]["shifted"]["rend"]["per_request"][0]
    assert shifted > rend["per_request"][0]
    assert found["counted"]["ended"]["rend"]["foretold"] == 69.6 and "| hits-shift, last tenth | " in done.stdout
    assert os.path.exists(os.path.join(out, "hits-shift-course.svg"))


def test_a_handler_asked_in_batches():
    out = tempfile.mkdtemp()
    done = run("scale-2", "prefetch", "set-tail", "--rounds", "2", "--seconds", "0.05", "--keys", "2000", "--out", out)
    assert done.returncode == 0, done
    for found in results.read(os.path.join(out, "result.json"))["cases"]:
        assert found["failed"] == [] and len(found["rounds"]) == 2 * len(found["systems"]), found
        assert all(r["requests"] > 0 and r["wrong"] == 0 and r["cpu_us"] > 0 for r in found["rounds"]), found["rounds"]
        assert all(command.startswith("BUILD/bench/batches ") for command in found["commands"].values()), found["commands"]
        # Times are noted where they are asked for.
        assert all((r["p99_9_us"] >= r["p50_us"] > 0) == (found["name"] == "set-tail") for r in found["rounds"]), found["rounds"]


def test_times_of_one_command():
    out = tempfile.mkdtemp()
    done = run("set-tail-1", "--rounds", "1", "--seconds", "0.05", "--keys", "1000", "--out", out)
    assert done.returncode == 0, done
    found = results.read(os.path.join(out, "result.json"))["cases"][0]
    assert found["failed"] == [] and all(r["wrong"] == 0 and r["p99_9_us"] >= r["p99_us"] > 0 for r in found["rounds"]), found


def test_a_handler_that_is_asked_too_much():
    """What batches is not made for is no figure."""
    program = os.path.join(BUILD, "bench", "batches")
    for argv in (["--workers", "3"], ["--batch", "17"], ["--bytes", "4"], ["--bytes-to", "50"], ["--timed", "touch"], ["--sets", "101"]):
        assert subprocess.run([program, *argv, "x.so"], stdin=subprocess.DEVNULL, capture_output=True).returncode == 64, argv
    absent = subprocess.run([program, "/nowhere.so"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert absent.returncode == 1 and absent.stdout == "" and "/nowhere.so" in absent.stderr, absent


def test_a_program_that_ends_too_early():
    with tempfile.TemporaryDirectory() as folder:
        for argv, why in ((["true"], "ended with 0"), (["sh", "-c", "echo why >&2; exit 3"], "ended with 3: why"), (["/nowhere"], "No such file")):
            try:
                program = batches.Program("rend", argv, folder)
                program.line()
                raise AssertionError(f"{argv} said something")
            except Failed as said:
                assert why in str(said), said
            if argv[0] != "/nowhere":
                program.end()


def test_a_memcached_behind():
    out = tempfile.mkdtemp()
    done = run("proxy-binary-1", "--pairs", "--rounds", "2", "--requests", "300", "--keys", "100", "--out", out)
    assert done.returncode == 0, done
    assert "backend" in check_pairs(out, "proxy-binary-1", 2)["commands"]


def test_values_on_a_disk():
    out = tempfile.mkdtemp()
    done = run("ssd-set", "ssd-writes", "--rounds", "2", "--requests", "100", "--keys", "2000", "--out", out)
    assert done.returncode == 0, done
    sets, bytes_written = results.read(os.path.join(out, "result.json"))["cases"]
    assert sets["failed"] == bytes_written["failed"] == [], (sets["failed"], bytes_written["failed"])
    assert len(sets["rounds"]) == 6 and all(r["requests"] > 0 and r["wrong"] == 0 and r["p99_us"] >= r["p50_us"] for r in sets["rounds"])
    assert all("DISK" in sets["commands"][name] for name in ("ssd",)), sets["commands"]
    assert all(1 < each < 2 for each in bytes_written["counted"]["written"]["rend"]["per_request"]), bytes_written["counted"]


def test_memory_is_no_disk():
    done = run("ssd-writes", "--keys", "100", "--disk", "/dev/shm", "--out", tempfile.mkdtemp())
    assert done.returncode == 1 and "/dev/shm is a tmpfs, no disk" in done.stdout, done


def test_what_cannot_be_measured_is_said():
    out = tempfile.mkdtemp()
    done = run("text-1", "--pairs", "--rounds", "1", "--build", out, "--out", out)
    assert done.returncode == 1, done
    assert "Could not be measured" in done.stdout and results.read(os.path.join(out, "result.json"))["cases"][0]["failed"]


if __name__ == "__main__":
    harness.main()
