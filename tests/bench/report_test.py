#!/usr/bin/python3
"""Results as JSON, markdown and pictures."""
import os
import re
import tempfile
import xml.dom.minidom
from dataclasses import asdict

import canned                # first: it finds the others
import askers
import calls
import chart
import counted
import curves
import harness
import instructions
import interval
import report
import results
from claims import CALLS, CPU, IDLE_BYTES, MISSED, P99_9, WRITTEN, Claim


def sample():
    return canned.result(
        canned.case(claims=[asdict(Claim("rend", "peer", CPU, 0.6)), asdict(Claim("rend", None, CALLS, 2.2))],
                    calls={"rend": [2.04] * 3, "peer": [2.05] * 3},
                    instructions={"rend": [800.0] * 3, "peer": [1000.0] * 3, "floor": [100.0] * 3}),
        canned.case("idle-memory", idle_bytes={"rend": [490.0, 491.0, 490.0], "peer": [520.0], "peer again": [521.0], "floor": [0.0]},
                    claims=[asdict(Claim("rend", None, IDLE_BYTES, 512))]),
        dict(canned.case("absent", count=0), failed=["pairs: nutcracker is not installed"]))


def test_a_result_is_read_as_it_was_written():
    path = os.path.join(tempfile.mkdtemp(), "result.json")
    results.write(sample(), path)
    with open(path) as f:
        lines = f.read().splitlines()
    assert sum('"round":' in line for line in lines) == 60
    assert max(line.count('"round":') for line in lines) == 1
    again = results.read(path)
    assert again["cases"][0]["rounds"] == sample()["cases"][0]["rounds"]
    assert report.markdown(again, ".") == report.markdown(sample(), ".")


def test_another_format_is_refused():
    path = os.path.join(tempfile.mkdtemp(), "result.json")
    results.write(dict(sample(), format=99), path)
    try:
        results.read(path)
        raise AssertionError("was read")
    except ValueError as e:
        assert "format 99" in str(e)


def test_tables():
    text = report.markdown(sample(), "pictures")
    assert "| text-1 | rend: at most 0.6 × the CPU time of peer | **holds** | 0.50 ×" in text
    assert "| text-1 | rend: at most 2.2 system calls per request | **holds** | 2.04 [2.04, 2.04] from 3 counts |" in text
    assert "| idle-memory | rend: at most 512 bytes of RSS per idle connection | **holds** |" in text
    assert "Could not be measured: pairs: nutcracker is not installed" in text
    row = re.search(r"^\| rend \| ([^\n]*)", text, re.M).group(1).split(" | ")
    assert row[0] == "5.00" and row[1].startswith("0.50 [0.") and row[2] == "70 %" and row[-1] == "0.80 |", row
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        widths = {line.count("|") for line in block.splitlines()}
        assert len(widths) == 1, block
    assert "(pictures/text-1.svg)" in text and "(pictures/claims.svg)" in text and "(pictures/absent.svg)" not in text


def test_hits_stand_beside_what_was_foretold():
    case = canned.case("hits-loop", misses={"rend": [43.0], "peer": [87.5]}, claims=[asdict(Claim("rend", "peer", MISSED, points=41.6))])
    for name, percent in (("rend", 56.5), ("peer", 12.9)):
        case["counted"]["misses"][name]["foretold"] = percent
    text = report.markdown(canned.result(case, canned.case()), ".")
    assert "| hits-loop | 57.00 | 56.5 | 12.50 | 12.9 | 44.50 | 43.6 |" in text
    assert "| hits-loop | rend: at least 41.6 points of hits more than peer | **holds** | +44.50 points" in text
    # What nobody foretold has nothing beside it; and without traffic there is no such table.
    case["counted"]["misses"]["peer"]["foretold"] = None
    assert "| hits-loop | 57.00 | 56.5 | 12.50 |  | 44.50 |  |" in report.markdown(canned.result(case), ".")
    assert "foretold" not in report.markdown(canned.result(canned.case()), ".")


def test_the_slowest_of_a_thousand_where_they_are_claimed():
    text = report.markdown(canned.result(canned.case("set-tail", claims=[asdict(Claim("rend", "peer", P99_9, 2))])), ".")
    assert "| p99 µs | p99.9 µs | cores" in text and "| 80 | 240 | 500 |" in text
    assert "p99.9" not in report.markdown(canned.result(canned.case()), ".")


def test_some_cases_are_published_beside_others():
    last = canned.result(canned.case("text-1"), canned.case("text-16"), canned.case("gone"))
    new = canned.result(canned.case("text-16", ours=7.0))
    new["taken"] = dict(new["taken"], date="2026-02-03 04:05")
    both = results.merged(last, new, ["text-16", "text-1", "never"])
    assert [case["name"] for case in both["cases"]] == ["text-16", "text-1"]
    assert both["cases"][0]["rounds"] == new["cases"][0]["rounds"]
    text = report.markdown(both, ".")
    # When most was measured last stands above; when this case was, below its name.
    assert text.startswith("Measured on 2026-02-03 04:05")
    assert text.index("## text-1:") < text.index("Measured on 2026-01-02 03:04") and text.count("Measured on") == 2
    # It stays so when another is measured again, and a run of all has nothing of what was before.
    again = results.merged(both, new, ["text-16", "text-1"])
    assert report.markdown(again, ".") == text
    whole = results.merged(again, last, ["text-1", "text-16"])
    assert report.markdown(whole, ".").count("Measured on") == 1


def test_what_is_weighed_on_a_disk():
    text = report.markdown(canned.result(
        canned.case("ssd-writes", written={"rend": [1.031, 1.032, 1.033]}, claims=[asdict(Claim("rend", None, WRITTEN, 1.05))]),
        canned.case("ssd-objects", object_bytes={"rend": [21.4], "peer": [120.0]})), ".")
    assert "| rend | 1.031 1.032 1.033 |" in text and "| peer | 120.0 |" in text
    assert "| ssd-writes | rend: at most 1.05 bytes written to the disk per byte of keys and values | **holds** | 1.032 [" in text


def test_what_askers_print_is_read():
    fio = askers.fio_record('note\n{"jobs": [{"usr_cpu": 5.0, "sys_cpu": 20.0, "read": {"runtime": 500, "total_ios": 50000, '
                            '"clat_ns": {"percentile": {"50.000000": 240000, "99.000000": 700000}}}}]}')
    assert fio["per_second"] == 100000 and fio["cpu_us"] == 2.5 and (fio["p50_us"], fio["p99_us"]) == (240, 700), fio
    io = askers.io_record("uring, direct: depth 32: 40000 reads in 0.500 s of 4096 bytes, 80000 a second, p50 367 us, p99 1057 us, p99.9 2193 us, "
                          "3.14 us of CPU each, 2.50 of it in the kernel, 27.8 in a batch, 0 failed\n", 0.5)
    assert io["requests"] == 40000 and io["per_second"] == 80000 and abs(io["cpu_us"] - 3.14) < 1e-9 and io["p99_us"] == 1057, io


def test_wrong_answers_are_said():
    text = report.markdown(canned.result(canned.case(wrong=2)), ".")
    assert "Wrong or missing answers: rend: 30." in text


def test_pictures():
    pictures = report.svgs(sample())
    assert sorted(pictures) == ["claims.svg", "idle-memory.svg", "text-1.svg"]
    for picture in pictures.values():
        root = xml.dom.minidom.parseString(picture).documentElement
        assert root.tagName == "svg"
        width, height = float(root.getAttribute("width")), float(root.getAttribute("height"))
        for kind, across, down in (("line", "x1 x2", "y1 y2"), ("text", "x", "y"), ("rect", "x", "y")):
            for element in root.getElementsByTagName(kind):
                for names, end in ((across, width), (down, height)):
                    for name in names.split():
                        assert 0 <= float(element.getAttribute(name) or 0) <= end, element.toxml()
    # The white ground, and a bar for each system; one that costs nothing has none.
    assert len(xml.dom.minidom.parseString(pictures["text-1.svg"]).getElementsByTagName("rect")) == 5
    assert len(xml.dom.minidom.parseString(pictures["idle-memory.svg"]).getElementsByTagName("rect")) == 4


def test_a_bar_is_as_long_as_its_figure():
    rows = [("a", "ours", interval.Interval(2, 1.9, 2.1, 15)), ("b", "peer", interval.Interval(8, 7, 9, 15))]
    drawn = xml.dom.minidom.parseString(chart.bars("t", "a", rows)).getElementsByTagName("rect")[1:]
    widths = [float(each.getAttribute("width")) for each in drawn]
    assert abs(widths[1] / widths[0] - 4) < 0.01, widths


def test_curves_end_in_labels_that_can_be_read():
    drawn = curves.lines("t", "a", [("a", "ours", [50.0, 61.0]), ("b", "peer", [40.0, 60.0])], [("ours", 0, 1, 70.0)])
    root = xml.dom.minidom.parseString(drawn)
    ends = {each.firstChild.data: float(each.getAttribute("y")) for each in root.getElementsByTagName("text") if each.firstChild.data in "ab"}
    assert ends["b"] - ends["a"] >= 15, ends
    points = [[float(p.split(",")[1]) for p in each.getAttribute("points").split()] for each in root.getElementsByTagName("polyline")]
    dashed = [each for each in root.getElementsByTagName("line") if each.getAttribute("stroke-dasharray")]
    # What is foretold lies as far above as it is more.
    assert abs((points[0][0] - float(dashed[0].getAttribute("y1"))) / (points[1][0] - points[0][0]) - 2) < 0.01, points


def test_steps_of_an_axis():
    for largest in (0.003, 0.02, 0.85, 1, 1.9, 3, 9, 9.5, 14, 800, 4200):
        assert 3 <= largest / chart.nice_step(largest) <= 9.0001, (largest, chart.nice_step(largest))


def test_an_interval_without_end_is_drawn():
    xml.dom.minidom.parseString(chart.bars("t", "a", [("a", "ours", interval.around([2.0]))]))


def test_what_is_published_is_what_was_measured():
    source = os.path.join(canned.HERE, "..", "..")
    last = results.read(os.path.join(source, "bench", "results", "last.json"))
    with open(os.path.join(source, "docs", "performance.md")) as f:
        page = f.read()
    assert report.published(page, last) == page, "docs/performance.md is not that of bench/results/last.json: bench/run --report ... --publish"
    for name, picture in report.svgs(last).items():
        with open(os.path.join(source, "docs", "performance", name)) as f:
            assert f.read() == picture, name


# What the counting programs print.

PERF = """# started on Thu
2040,,raw_syscalls:sys_enter,1083442,100.00,,
1000,,syscalls:sys_enter_recvfrom,1083442,100.00,,
<not counted>,,syscalls:sys_enter_readv,0,100.00,,
"""
STRACE = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000300           0      1000           sendmsg
 40.00    0.000200           0       500         3 read
------ ----------- ----------- --------- --------- ----------------
100.00    0.000500           0      1500         3 total
"""
CALLGRIND = """# callgrind format
ob=(5) /usr/lib/libevent_core-2.1.so.7
fl=(1) ???
fn=(7) 0x0000000000017ea0
0 300
cob=(2) /somewhere/rend
cfi=(9) core/net/conn.c
cfn=(8) conn_read
calls=10 0
0 600
+1 50
fn=(9) 0x0000000000017ff0
* 50

ob=(2)
fl=(9)
fn=(8)
5 500
fi=(3) other.h
-2 100

totals: 1000
"""


def test_system_calls_are_read():
    assert calls.Perf.parse(PERF) == {"all": 2040, "recvfrom": 1000}
    assert calls.Strace.parse(STRACE) == {"all": 1500, "sendmsg": 1000, "read": 500}
    assert counted.per_request((1000, 5000), (3000, 9000)) == 2


def test_instructions_are_read():
    assert instructions.total(CALLGRIND) == 1000
    costs = instructions.own_costs(CALLGRIND)
    assert sum(costs.values()) == 1000 and costs["rend", "conn_read"] == 600, costs
    assert instructions.profile(CALLGRIND) == dict(libraries=[("rend", 60.0), ("libevent_core-2.1.so.7", 40.0)],
                                                   functions=[("conn_read", 60.0), ("(libevent_core-2.1.so.7)", 40.0)])


if __name__ == "__main__":
    harness.main()
