"""A result: everything that was measured, as it is kept.

    {"format": 1, "taken": when, with what, on which host: the last time; a case that was not measured then has its own,
     "cases": [{"name", "about", "workload", "unit", "again", "systems": {name: role}, "commands": {name: command},
                "rounds": [one for each turn: see pairs.py],
                "counted": {"calls" | "instructions" | "idle_bytes" | ...: {name: {"per_request": [...], ...}}},
                "claims": [...], "failed": [why a pass could not be made]}]}
"""
import json
from dataclasses import asdict

from claims import Claim

FORMAT = 1


def new_case(case):
    return dict(name=case.name, about=case.about, workload=case.workload.sentence(), unit=case.workload.unit(), again=list(case.again),
                systems={name: system.role for name, system in case.systems.items()}, commands={}, rounds=[], counted={},
                claims=[asdict(claim) for claim in case.claims], failed=[])


def claims_of(case):
    return [Claim(**dict(claim, besides=claim.get("besides") and tuple(claim["besides"]))) for claim in case["claims"]]


def merged(last, result, order):
    """The cases of result in place of those of last with the same names; what has no name in order any more goes."""
    cases = {case["name"]: dict(case, taken=case.get("taken", last["taken"])) for case in last["cases"]}
    cases.update((case["name"], case) for case in result["cases"])
    return dict(result, cases=[cases[name] for name in order if name in cases])


def taken(result, case):
    return case.get("taken", result["taken"])


def write(result, path):
    """A line for each round, so that two results can be compared by eye."""
    cases = [dict(case, rounds=f"rounds of {case['name']}") for case in result["cases"]]
    text = json.dumps(dict(result, cases=cases), indent=1, ensure_ascii=False)
    for case in result["cases"]:
        lines = ",\n".join("    " + json.dumps(record, ensure_ascii=False) for record in case["rounds"])
        text = text.replace(f'"rounds of {case["name"]}"', f"[\n{lines}\n   ]" if lines else "[]", 1)
    with open(path, "w") as f:
        f.write(text + "\n")


def read(path):
    with open(path) as f:
        result = json.load(f)
    if result.get("format") != FORMAT:
        raise ValueError(f"{path}: not a result of this bench (format {result.get('format')}, expected {FORMAT})")
    return result
