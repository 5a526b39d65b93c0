#!/usr/bin/env python3
"""What a client fetches that follows a library through all its commits, by deltas, by shards, or as one file.

    scripts/replay-bytes.py STOCKROOM REPOSITORY

REPOSITORY is a clone with a stockroom.yml beside its files; it is checked out commit after commit, oldest first, so give it a
copy. The client asks after each commit. Sizes are those of gzip -9, as a web server sends them; a root that has not changed
costs nothing (304).
"""

import gzip
import json
import pathlib
import subprocess
import sys
import tempfile


def size(data: bytes) -> int:
    return len(gzip.compress(data, 9, mtime=0))


def main() -> None:
    stockroom, repository = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    git = lambda *words: subprocess.run(["git", "-C", repository, *words], check=True, capture_output=True, text=True).stdout
    commits = git("rev-list", "--reverse", "HEAD").split()
    folder = pathlib.Path(tempfile.mkdtemp()) / "published"
    known, digest = set(), None
    total = {"delta": 0, "shards": 0, "one file": 0}
    requests = {"delta": 0, "shards": 0, "one file": 0}
    editions = by_delta = 0
    for commit in commits:
        git("checkout", "--quiet", "--force", commit)
        words = [stockroom, "-C", repository, "manifest", "-o", folder]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 0:
            print(f"{commit[:7]}: not published ({done.stdout.splitlines()[-1:]} {done.stderr.splitlines()[-1:]})")
            continue
        read = lambda reference: (folder / reference["path"]).read_bytes()
        root_bytes = (folder / "manifest.json").read_bytes()
        root = json.loads(root_bytes)
        listed = json.loads(read(root["shards"]))
        shards = [shard for of in listed["collections"].values() for shard in of]
        if digest is not None and root["digest"] != digest:
            editions += 1
            new = [shard for shard in shards if shard["path"] not in known]
            by_shards = size(root_bytes) + size(read(root["shards"])) + sum(size(read(shard)) for shard in new)
            total["shards"] += by_shards
            requests["shards"] += 2 + len(new)
            delta = root.get("delta")
            if delta and delta["from"] == digest:
                total["delta"] += size(root_bytes) + size(read(delta))
                requests["delta"] += 2
                by_delta += 1
            else:
                total["delta"] += by_shards
                requests["delta"] += 2 + len(new)
            lines = b"".join(read(shard) for shard in shards)
            total["one file"] += size(lines)
            requests["one file"] += 1
        digest, known = root["digest"], {shard["path"] for shard in shards}
    print(f"{len(commits)} commits, {editions} that change an asset, {by_delta} of them followed by delta")
    for name in total:
        print(f"{name:9} {total[name]:>12,} bytes in {requests[name]:>6,} requests")


main()
