"""A result as markdown and pictures."""
import os

import chart
import curves
import hits
import interval
from cases import CASES
from claims import (BESIDE_SETS, CALLS, CPU, ENDED, GETS_ALONE, IDLE_BYTES, INSTRUCTIONS, MISSED, OBJECT_BYTES, P99_9, RECOVERY, SHIFTED, WORDS, WRITTEN, compare, compare_claimed,
                    compare_counts, counted, figures, judge, middle)
from results import claims_of, merged, read, taken, write

# Between these lines docs/performance.md is written by publish().
BEGIN, END = "<!-- measured: from here -->", "<!-- measured: to here -->"

# What a case weighs instead of timing it, and how a figure of it is written.
WEIGHED = {IDLE_BYTES: "{:.0f}", WRITTEN: "{:.3f}", OBJECT_BYTES: "{:.1f}", RECOVERY: "{:.2f}",
            BESIDE_SETS: "{:.0f}", GETS_ALONE: "{:.0f}", MISSED: "{:.2f} %", SHIFTED: "{:.2f} %", ENDED: "{:.2f} %"}

COLUMNS = (
    ("system", "---"),
    ("CPU µs per {unit}", "--:"),
    ("× {base} [95 %]", "--:"),
    ("of it in the kernel", "--:"),
    ("1,000 {unit}s per second", "--:"),
    ("p50 µs", "--:"),
    ("p99 µs", "--:"),
    ("p99.9 µs", "--:"),     # where something is claimed of it
    ("cores: server, client", "--:"),
    ("RSS MiB", "--:"),
    ("system calls", "--:"),
    ("user instructions", "--:"),
    ("×", "--:"),
)


def markdown(result, pictures):
    """pictures: the folder of the SVGs, as a link to it from where the text will stand."""
    parts = [_taken(result["taken"]), "## Claims\n", _claims(result["cases"])]
    if _summary_rows(result)[0]:
        parts.append(f"![all claims on CPU time]({pictures}/claims.svg)\n")
    if _hits(result["cases"]):
        parts += ["## Hits, beside those that were foretold\n", _hits(result["cases"])]
    for case in result["cases"]:
        parts += [f"## {case['name']}: {case['about']}\n"]
        if taken(result, case) != result["taken"]:
            parts += [_taken(taken(result, case))]
        parts += [_case(case, pictures)]
    return "\n".join(parts)


def svgs(result):
    """{file name: picture}."""
    found = {}
    rows, marks = _summary_rows(result)
    if rows:
        found["claims.svg"] = chart.bars("CPU time per request, as a multiple of the peer's", "dashed: the limit that is claimed", rows, marks)
    for case in result["cases"]:
        rows = _bars(case)
        if rows:
            found[f"{case['name']}.svg"] = chart.bars(f"{case['name']}: {case['about']}", _axis(case), rows)
        if SHIFTED in case["counted"]:
            found[f"{case['name']}-course.svg"] = _course(case)
    return found


def _course(case):
    """From the first request to the last, and what was foretold of some of them."""
    marks = [(case["systems"][name], first, first + hits.TENTH - 1, said["foretold"])
             for what, first in hits.TENTHS.items() for name, said in case["counted"].get(what, {}).items() if said.get("foretold") is not None]
    return curves.lines(f"{case['name']}: {case['about']}", "percent of hits; from left to right all requests; dashed: what was foretold",
                        [(name, case["systems"][name], said["windows"]) for name, said in case["counted"][MISSED].items()], marks)


def published(page, result):
    """docs/performance.md with this result in it."""
    head, rest = page.split(BEGIN)
    return f"{head}{BEGIN}\n\n{markdown(result, 'performance')}\n{END}{rest.split(END)[1]}"


def publish(result, source):
    """Puts it into bench/results, docs/performance.md, and its pictures; a case that it does not have stays as it was measured last."""
    docs = os.path.join(source, "docs")
    pictures = os.path.join(docs, "performance")
    last = os.path.join(source, "bench", "results", "last.json")
    if os.path.exists(last):
        result = merged(read(last), result, [case.name for case in CASES])
    write(result, last)
    with open(os.path.join(docs, "performance.md")) as f:
        page = f.read()
    with open(os.path.join(docs, "performance.md"), "w") as f:
        f.write(published(page, result))
    os.makedirs(pictures, exist_ok=True)
    for name in os.listdir(pictures):
        os.unlink(os.path.join(pictures, name))
    for name, picture in svgs(result).items():
        with open(os.path.join(pictures, name), "w") as f:
            f.write(picture)


def _summary_rows(result):
    rows, marks = [], []
    for case in result["cases"]:
        for claim in claims_of(case):
            found = compare_claimed(case, claim) if claim.what == CPU else None
            if found:
                marks.append((len(rows), claim.limit))
                rows.append((case["name"], "ours", found))
    return rows, marks


def _axis(case):
    weighed = [WORDS[what] for what in WEIGHED if what in case["counted"]]
    timed = "microseconds of the slowest in a thousand" if _on_tail(case) else f"CPU microseconds per {case['unit']}"
    return weighed[0] if weighed else timed


def _bars(case):
    rows = []
    for name, role in case["systems"].items():
        values = next((counted(case, name, what) for what in WEIGHED if counted(case, name, what)), None) or list(
            figures(case, name, P99_9 if _on_tail(case) else CPU).values())
        # An idle connection that costs nothing has no logarithm, and no bar.
        found = interval.around(values) if values and min(values) > 0 else None
        if found:
            rows.append((name, role, found))
    return rows


def _table(head, rows):
    lines = ["| " + " | ".join(name for name, _ in head) + " |", "|" + "|".join(rule for _, rule in head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def _taken(taken):
    host, settings = taken["host"], taken["settings"]
    at = taken["commit"][:12] or "unknown"
    changed = " with changes that are not committed" if taken["changed"] else ""
    versions = ", ".join(text if name in text else f"{name} {text}" for name, text in taken["versions"].items() if text)
    return (f"Measured on {taken['date']} in {taken['minutes']:.0f} minutes, at commit {at}{changed}. {host['cores']} × {host['cpu']}, "
            f"{host['memory_mib']:,} MiB, Linux {host['kernel']}; load average at the beginning {host['load_average'][0]:.1f}. "
            f"{settings['rounds']} rounds of {settings['seconds']:g} s. {versions}.\n")


def _claims(cases):
    rows = []
    for case in cases:
        for claim in claims_of(case):
            verdict = judge(case, claim)
            rows.append((case["name"], claim.sentence(), f"**{verdict.word}**", verdict.reason))
    return _table((("case", "---"), ("claim", "---"), ("", "---"), ("measured", "---")), rows)


# What is counted of traffic that is replayed, and when.
PARTS = {MISSED: "", SHIFTED: ", first tenth after the shift", ENDED: ", last tenth"}


def _hits(cases):
    """All traffic that was replayed, in one table; empty: none was."""
    rows = []
    for case in cases:
        for what, when in PARTS.items():
            found = case["counted"].get(what)
            if found:
                rows.append((case["name"] + when, *_hits_row(list(found.values()))))
    return _table((("traffic", "---"), ("rend", "--:"), ("foretold", "--:"), ("memcached", "--:"), ("foretold", "--:"), ("points ahead", "--:"),
                   ("foretold", "--:")), rows) if rows else ""


def _hits_row(found):
    """Of two: percent of hits, measured and foretold, and how far one is ahead."""
    ours, theirs = [100 - said["per_request"][0] for said in found]
    said = [each.get("foretold") for each in found]
    row = []
    for measured, expected in ((ours, said[0]), (theirs, said[1]), (ours - theirs, None if None in said else said[0] - said[1])):
        row += [f"{measured:.2f}", "" if expected is None else f"{expected:.1f}"]
    return row


def _case(case, pictures):
    failed = "".join(f"Could not be measured: {why}\n\n" for why in case["failed"])
    if not case["rounds"] and not case["counted"]:
        return failed
    if any(what in case["counted"] for what in WEIGHED):
        text = _weighed(case)
    else:
        text = _timed(case)
    if _bars(case):
        text += f"\n![{case['name']}]({pictures}/{case['name']}.svg)\n"
    if SHIFTED in case["counted"]:
        text += f"\n![{case['name']} from beginning to end]({pictures}/{case['name']}-course.svg)\n"
    return failed + text


def _weighed(case):
    text = ""
    for what in WEIGHED:
        rows = [(name, " ".join(WEIGHED[what].format(value) for value in found["per_request"])) for name, found in case["counted"].get(what, {}).items()]
        if rows:
            text += ("\n" if text else "") + _table((("system", "---"), (f"{WORDS[what]}, each time", "--:")), rows) + _beside(case, what)
    return text


def _beside(case, what):
    """What else was seen."""
    text = ""
    for name, found in case["counted"][what].items():
        if found.get("of_the_device"):
            text += f"\nWritten to the whole device meanwhile, by whomever, for {name}: {' '.join(f'{value:.3f}' for value in found['of_the_device'])}.\n"
        if "rate" in found:
            text += _at_a_rate(name, found)
        if "objects" in found:
            text += f"\n{name} had {found['objects']:,} objects.\n"
        if "bytes_missed" in found:
            text += f"\n{name} missed {found['bytes_missed']:.2f} % of the bytes, and had an RSS of {found['rss_kb'] / 1024:.0f} MiB at the end.\n"
        if "misses" in found:
            text += f"\nAfter the last of these starts {found['misses']:,} of the gets of {name} were misses.\n"
    return text + "\n" if text else ""


def _at_a_rate(name, found):
    """Of a store that is asked so much a second: what it bore, and what else was seen."""
    text = f"\n{name}: {found['rate']:,.0f} requests a second"
    if "largest" in found:
        text += (f"; {found['largest']:,.0f} is the largest rate that it kept up with, {found['of_reads']:.2f} × the reads that the disk can do; "
                 f"{found['cores']:.2f} cores, {found['rss_kb'] / 1024:.0f} MiB, {found['written']:.2f} bytes written per byte of keys and values, "
                 f"p99 of sets {' '.join(f'{us:,.0f}' for us in found['sets_p99_us'])} µs, {found['refused']:,} requests refused")
        text += f", {found['files']:,} files at level 0" if "files" in found else ""
        text += f", no worker later than {found['lag_ms']:g} ms" if "lag_ms" in found else ""
    return text + f"; p50 of gets {' '.join(f'{us:,.0f}' for us in found['p50_us'])} µs, {100 * found['missed']:.2f} % of them misses, {found['unsent']:,} not sent.\n"


def _timed(case):
    shown = [at for at, (name, _) in enumerate(COLUMNS) if name != "p99.9 µs" or _on_tail(case)]
    head = [(COLUMNS[at][0].format(unit=case["unit"], base=case["again"][1]), COLUMNS[at][1]) for at in shown]
    text = f"{case['workload'][0].upper()}{case['workload'][1:]}.\n\n"
    text += _table(head, [[_row(case, name)[at] for at in shown] for name in case["systems"]])
    wrong = [f"{name}: {count}" for name, count in _wrong(case).items() if count]
    if wrong:
        text += f"\nWrong or missing answers: {', '.join(wrong)}.\n"
    if case["rounds"]:
        text += (f"\nBesides, the client took {_middle_of(case, 'client_us'):.2f} µs per {case['unit']}, and the rest of the machine was busy on "
                 f"{_middle_of(case, 'other_cores'):.2f} cores (medians of the turns).\n")
    return text + _profile(case)


def _wrong(case):
    found = {}
    for record in case["rounds"]:
        if record["role"] != "floor":
            found[record["system"]] = found.get(record["system"], 0) + record["wrong"]
    return found


def _on_tail(case):
    """Is something claimed of the slowest of a thousand?"""
    return any(claim.what == P99_9 for claim in claims_of(case))


def _us(turns, what):
    """Microseconds; of what takes few, with the digits that count.  Empty: nobody looked."""
    times = [r[what] for r in turns if r.get(what)]
    return (f"{middle(times):.0f}" if middle(times) >= 10 else f"{middle(times):.2g}") if times else ""


def _middle_of(case, what):
    return middle([record[what] for record in case["rounds"]])


def _row(case, name):
    base = case["again"][1]
    mine = [r for r in case["rounds"] if r["system"] == name]
    cpu = interval.around(figures(case, name, CPU).values())
    to_base = None if name == base else compare(case, name, base)
    ticks = [sum(r[kind] for r in mine) for kind in ("user_ticks", "kernel_ticks")]
    calls, own, base_own = (counted(case, *of) for of in ((name, CALLS), (name, INSTRUCTIONS), (base, INSTRUCTIONS)))
    return (name,
            f"{cpu.value:.{2 if cpu.value >= 1 else 3}f}" if cpu else "",
            "1" if name == base else f"{to_base.value:.2f} [{to_base.low:.2f}, {to_base.high:.2f}]" if to_base else "",
            f"{100 * ticks[1] / sum(ticks):.0f} %" if sum(ticks) else "",
            f"{middle([r['per_second'] for r in mine]) / 1000:.1f}" if mine else "",
            _us(mine, "p50_us"),
            _us(mine, "p99_us"),
            _us(mine, "p99_9_us"),
            _cores(mine),
            f"{max(r['rss_kb'] for r in mine) / 1024:.0f}" if mine and any(r["rss_kb"] for r in mine) else "",
            f"{middle(calls):.3g}" if calls else "",
            f"{middle(own):,.0f}" if own else "",
            f"{compare_counts(case, name, base, INSTRUCTIONS).value:.2f}" if own and base_own else "")


def _cores(turns):
    if not turns:
        return ""
    return ", ".join(f"{middle([r['per_second'] * r[what] / 1e6 for r in turns]):.2f}" for what in ("cpu_us", "client_us"))


def _profile(case):
    """Where rend's own instructions and its system calls go."""
    text = ""
    for name, role in case["systems"].items():
        found = case["counted"].get(INSTRUCTIONS, {}).get(name, {})
        kinds = case["counted"].get(CALLS, {}).get(name, {}).get("kinds", {})
        if role != "ours":
            continue
        if kinds:
            text += f"\nSystem calls of {name} per {case['unit']}: " + ", ".join(f"{count:.3g} {kind}" for kind, count in kinds.items()) + ".\n"
        if found:
            text += (f"\nInstructions of {name}: {_shares(found['libraries'])}; by function {_shares(found['functions'])}.\n")
    return text


def _shares(found):
    return ", ".join(f"{name} {percent:.0f} %" for name, percent in found)
