#!/usr/bin/env python3
"""What it takes to keep a vector index of 500 texts in step, beside three Python programs, in one run:

    scripts/compare-indexers.py --mock 'PYTHON MOCK' [--stockroom target/release/stockroom] [--qdrant .tools/bin/qdrant]

MOCK is a server of OpenAI's embeddings interface with `--port`, `--latency-ms`, and counters at /stats (POST /reset), with its
interpreter. The peers are taken from environments with their packages: LLAMA_INDEX, LANGCHAIN, COCOINDEX name the interpreters
(PyPI: llama-index-core, llama-index-embeddings-openai, llama-index-vector-stores-qdrant; langchain, langchain-classic, greenlet,
langchain-community, langchain-openai, langchain-qdrant; cocoindex[qdrant], litellm). One that is not there is skipped, and said so.

Each program gets the same texts (about 3,000 characters, cut at 1,000 with 200 twice), the model at 700 ms a request, and a
real Qdrant; what counts is the wall time of the whole process, and the tokens and requests that the model counted.
"""

import argparse
import json
import os
import pathlib
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
words.add_argument("--mock", required=True)
words.add_argument("--stockroom", default="target/release/stockroom")
words.add_argument("--qdrant", default=".tools/bin/qdrant")
words.add_argument("--files", type=int, default=500)
words.add_argument("--latency-ms", type=int, default=700)
given = words.parse_args()
here = pathlib.Path(__file__).resolve().parent
stockroom = str(pathlib.Path(given.stockroom).resolve())


def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(url, method="GET"):
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5) as answer:
        return answer.read()


def until(url):
    for _ in range(200):
        try:
            return ask(url)
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{url} does not answer")


def text(seed):
    some = random.Random(seed)
    stock = "steel bolt hex oak lamp parametric node geometry chamfer bevel moss slate copper rope glass ivory tile plaster".split()
    sentence = lambda: " ".join(some.choices(stock, k=some.randint(6, 14))).capitalize() + f" {some.randint(1, 9999)}."
    paragraphs = [" ".join(sentence() for _ in range(some.randint(3, 6))) for _ in range(12)]
    return "\n\n".join(paragraphs)[:3000] + "\n"


def git(library, *arguments):
    quiet = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    subprocess.run(["git", "-C", library, "-c", "commit.gpgsign=false", *arguments], check=True, capture_output=True, env={**os.environ, **quiet})


def write(library, name, seed):
    folder = library / name
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({"title": name}))
    (folder / f"{name}_desc.md").write_text(text(seed))


SETTINGS = """
version: 1
collections: { products: { metadata: "*/*.json" } }
manifest: { publish: [] }
embed:
  text: ["*_desc.md"]
  model: { provider: openai, name: text-embedding-3-small, url: "%s", key: "${{ env.OPENAI_API_KEY }}" }
  store: { kind: qdrant, url: "%s", namespace: compare }
"""


class Program:
    def __init__(self, name, python=None):
        self.name, self.python = name, python

    def command(self, library, state, model, store):
        if self.python is None:
            return [stockroom, "-C", str(library), "sync", "--only", "embed", "--allow-mass-delete"]
        return [self.python, str(here / "compare-indexers" / f"{self.name}.py"), str(library), str(state), model, store]


def run(program, library, state, model, store, kill_at=None):
    """Seconds, and what the model counted."""
    ask(model.removesuffix("/v1") + "/reset", "POST")
    begun = time.monotonic()
    silent = {"OPENAI_API_KEY": "x", **os.environ}
    with open(state / f"{program.name}.log", "ab") as log:
        child = subprocess.Popen(program.command(library, state, model, store), stdout=log, stderr=log, env=silent, start_new_session=True)
        while child.poll() is None:
            if kill_at is not None and stats(model)["tokens"] >= kill_at:
                os.killpg(child.pid, signal.SIGKILL)
            time.sleep(0.005 if kill_at is None else 0.02)
    if kill_at is None and child.returncode != 0:
        raise RuntimeError(f"{program.name} ended with {child.returncode}:\n{(state / (program.name + '.log')).read_text()[-2000:]}")
    # What was on its way when it was killed is counted too.
    time.sleep(0 if kill_at is None else given.latency_ms / 1000 + 0.2)
    return time.monotonic() - begun, stats(model)


def stats(model):
    return json.loads(ask(model.removesuffix("/v1") + "/stats"))


programs = [Program("stockroom")]
for name in ("llama_index", "langchain", "cocoindex"):
    python = os.environ.get(name.upper())
    if python is None or not shutil.which(python):
        print(f"SKIPPED: {name}, as ${name.upper()} names no interpreter", file=sys.stderr)
    else:
        programs.append(Program(name, python))

with tempfile.TemporaryDirectory() as scratch:
    scratch = pathlib.Path(scratch)
    model_port, store_port, grpc_port = port(), port(), port()
    model, store = f"http://127.0.0.1:{model_port}/v1", f"http://127.0.0.1:{store_port}"
    qdrant = {"QDRANT__SERVICE__HTTP_PORT": str(store_port), "QDRANT__SERVICE__GRPC_PORT": str(grpc_port),
              "QDRANT__STORAGE__STORAGE_PATH": str(scratch / "storage"), "QDRANT__TELEMETRY_DISABLED": "true"}
    servers = [
        subprocess.Popen([*shlex.split(given.mock), "--port", str(model_port), "--latency-ms", str(given.latency_ms)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL),
        subprocess.Popen([str(pathlib.Path(given.qdrant).resolve())], cwd=scratch, env={**os.environ, **qdrant}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL),
    ]
    try:
        until(f"http://127.0.0.1:{model_port}/stats")
        until(store + "/readyz")
        print(f"{given.files} texts, model at {given.latency_ms} ms a request, Qdrant\n")
        print("program | first | nothing changed | 1 % changed | 50 renamed | killed at half, then again")
        print("--- | --- | --- | --- | --- | ---")
        for program in programs:
            library, state = scratch / program.name, scratch / f"{program.name}-state"
            library.mkdir()
            state.mkdir()
            for number in range(given.files):
                write(library, f"p{number:04}", number)
            (library / "stockroom.yml").write_text(SETTINGS % (model, store))
            git(library, "init", "-q")
            cells = []

            def step(change=lambda: None):
                change()
                git(library, "add", "-A")
                git(library, "commit", "-q", "--allow-empty", "-m", "x")
                seconds, counted = run(program, library, state, model, store)
                cells.append(f"{seconds:.2f} s, {counted['requests']} calls, {counted['tokens']:,} tokens")
                return counted

            whole = step()["tokens"]
            step()
            step(lambda: [write(library, f"p{number:04}", number + 100_000) for number in range(max(1, given.files // 100))])

            def rename():
                for number in range(100, 150):
                    old, new = f"p{number:04}", f"renamed{number:04}"
                    (library / old).rename(library / new)
                    for end in (".json", "_desc.md"):
                        (library / new / (old + end)).rename(library / new / (new + end))

            step(rename)
            # All texts are new, the program is killed when half of them are paid for, and begins again.
            for number in range(given.files):
                name = f"renamed{number:04}" if 100 <= number < 150 else f"p{number:04}"
                write(library, name, number + 200_000)
            git(library, "add", "-A")
            git(library, "commit", "-q", "-m", "x")
            _, first = run(program, library, state, model, store, kill_at=whole // 2)
            _, second = run(program, library, state, model, store)
            twice = first["tokens"] + second["tokens"] - whole
            cells.append(f"{100 * twice / whole:.0f} % paid twice")
            print(" | ".join([program.name, *cells]), flush=True)
    finally:
        for server in servers:
            server.kill()
            server.wait()
