#!/usr/bin/env python3
"""What `stockroom check` costs beside what people use instead, in one run:

    scripts/compare-checkers.py LIBRARY [--rounds 7] [--stockroom target/release/stockroom]

LIBRARY is laid out as benches/check/main.rs says (records products/*/*/metadata.json or .yaml, one schema), committed. A peer
is taken from PATH, or from the environment: JSONSCHEMA_CLI, BOON (crates `jsonschema-cli`, `boon-cli`), CHECK_JSONSCHEMA
(PyPI), AJV (npm `ajv-cli`, the engine of json-yaml-validate). One that is not there is skipped, and said so. The programs
run in turn, each as a process of its own; what counts is the CPU time, user and system, of the process and its children.
A peer is handed the list of files; stockroom looks for them. The slow ones run once.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import sys

words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
words.add_argument("library", type=pathlib.Path)
words.add_argument("--rounds", type=int, default=7)
words.add_argument("--stockroom", default="target/release/stockroom")
given = words.parse_args()
library = given.library.resolve()
schema = str(library / "schemas/product-metadata/v1.1.0.json")
records = sorted(str(path) for path in library.glob("products/*/*/metadata.*"))
is_json = records[0].endswith(".json")

# name, variable, program, words, formats it reads, rounds
PEERS = [
    ("jsonschema-cli", "JSONSCHEMA_CLI", "jsonschema-cli",
     ["validate", schema, "--assert-format", "--offline", "--errors-only", "-i", *records], "json", given.rounds),
    ("boon", "BOON", "boon", ["-q", "-f", schema, *records], "json yaml", given.rounds),
    ("check-jsonschema", "CHECK_JSONSCHEMA", "check-jsonschema", ["--schemafile", schema, *records], "json yaml", 1),
    ("ajv-cli", "AJV", "ajv",
     ["validate", "--spec=draft2020", "--strict=false", "--errors=no", "-c", "ajv-formats", "-s", schema, "-d",
      str(library / "products/*/*/metadata.*")], "json yaml", 1),
]


def cost(command):
    """CPU seconds and peak memory in MiB of one run."""
    silent = os.open(os.devnull, os.O_RDWR)
    moves = [(os.POSIX_SPAWN_DUP2, silent, 1), (os.POSIX_SPAWN_DUP2, silent, 2)]
    child = os.posix_spawnp(command[0], command, os.environ, file_actions=moves)
    _, status, used = os.wait4(child, 0)
    os.close(silent)
    if os.waitstatus_to_exitcode(status) not in (0, 1, 2):
        sys.exit(f"{command[0]} failed: {status}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


programs = [("stockroom", [given.stockroom, "-C", str(library), "check", "--format", "json"], given.rounds)]
for name, variable, program, arguments, formats, rounds in PEERS:
    found = os.environ.get(variable) or shutil.which(program)
    if found is None:
        print(f"SKIPPED: {name} is neither on PATH nor in ${variable}", file=sys.stderr)
    elif ("json" if is_json else "yaml") in formats.split():
        programs.append((name, [found, *arguments], rounds))

costs = {name: [] for name, _, _ in programs}
for turn in range(given.rounds):
    for name, command, rounds in programs:
        if turn < rounds:
            costs[name].append(cost(command))
own = statistics.median(cpu for cpu, _ in costs["stockroom"])
print(f"{library}: {len(records)} records, medians of {given.rounds} rounds in turn")
for name, runs in costs.items():
    cpu, memory = (statistics.median(column) for column in zip(*runs))
    print(f"  {name:<16} CPU {cpu * 1e3:>8.0f} ms, memory {memory:>6.1f} MiB; stockroom / {name}: {own / cpu:.3f} ({cpu / own:.1f} times)")
