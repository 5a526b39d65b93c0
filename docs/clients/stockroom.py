"""Reads what Stockroom publishes: a catalogue of assets, and only what has changed of it.

Python 3.9 and its standard library. Copy it into your project. The format: docs/manifest.md.
Only to check a signature it needs more: `pip install cryptography`.
"""

import base64
import hashlib
import json
import re
import urllib.error
import urllib.request
from datetime import datetime, timezone


class Refused(Exception):
    """What was fetched is not what was published, or not acceptable. Nothing of it has been used."""


class _Missing(Exception):
    pass


def _sha256(data):
    return hashlib.sha256(data).hexdigest()


def _parts(key, collections):
    """Collection and id of a key; a hub's collections have a slash in their names, and so may ids."""
    name = next((name for name in collections if key.startswith(f"{name}/")), None)
    return name, key if name is None else key[len(name) + 1 :]


def _is_signed(root, signature, public_key):
    """Whether this is minisign's signature over the root's bytes, and over the comment that is to be trusted."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise Refused("checking the signature needs a package: pip install cryptography") from error
    try:
        lines = signature.decode().split("\n")
        key, signed = (base64.b64decode(text) for text in (public_key.strip().split("\n")[-1], lines[1]))
        comment = lines[2][len("trusted comment: ") :].encode()
        verify = Ed25519PublicKey.from_public_bytes(key[10:]).verify
        verify(signed[10:], root)
        verify(base64.b64decode(lines[3]), signed[10:] + comment)
    except (InvalidSignature, ValueError, IndexError):
        return False
    return key[:10] == signed[:10]  # both begin with `Ed` and the key's number


def open(folder, public_key=None, now=None):
    """Opens the catalogue in this folder, such as `https://assets.example.com/catalogue/`."""

    def get(name, limit):
        url = f"{folder.rstrip('/')}/{name}"
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                data = answer.read(limit + 1)
        except urllib.error.HTTPError as error:
            raise (_Missing if error.code == 404 else OSError)(f"{url} answers with status {error.code}") from None
        if len(data) > limit:
            raise Refused(f"{url} is larger than it may be")
        return data

    data = get("manifest.json", 65536)
    if public_key:
        try:
            signature = get(f"root-{_sha256(data)}.minisig", 4096)
        except _Missing:
            raise Refused("the manifest is not signed") from None
        if not _is_signed(data, signature, public_key):
            raise Refused("the manifest's signature is not one of this key")
    root = json.loads(data)
    if root.get("version") != 1:
        raise Refused(f"the manifest is of version {root.get('version')}; this client knows version 1")
    expires = root.get("expires")
    if expires and datetime.fromisoformat(expires.replace("Z", "+00:00")) <= (now or datetime.now(timezone.utc)):
        raise Refused(f"the manifest has expired on {expires}")
    return Catalogue(root, get)


class Catalogue:
    """One edition. `root` is its manifest.json."""

    def __init__(self, root, get):
        self.root, self._get = root, get

    def _read(self, reference):
        path = reference["path"]
        if not re.fullmatch(r"[\w-]+\.json", path, re.ASCII):
            raise Refused(f"{path!r} is no file of a catalogue")
        data = self._get(path, reference["bytes"])
        if len(data) != reference["bytes"] or _sha256(data) != reference["sha256"]:
            raise Refused(f"{path} is not the file that was published")
        value = json.loads(data)
        if value.get("version") != 1:
            raise Refused(f"{path} is of a version that this client does not know")
        return value, data.decode().split("\n")[1:-2]

    def list(self):
        """A line about each asset: from the index in one request, or from all shards where the catalogue is too large for one."""
        if "index" in self.root:
            return self._read(self.root["index"])[0]["assets"]
        held = self.follow()["held"]
        whole = ((_parts(key, self.root["collections"])[0], asset(held, key)) for key in held["entries"])
        return [
            {"collection": collection, "id": it["id"], "digest": it["digest"], "status": it["status"]}
            | {name: it["record"][name] for name in ("title", "description", "tags") if name in (it["record"] or {})}
            for collection, it in whole
        ]

    def follow(self, held=None):
        """Brings what you hold to this edition: by the deltas since then where none is missing, else by the shards that differ.

        Gives `held` to keep until the next time (as JSON), `by`, and the keys (`COLLECTION/ID`) that are `changed` and `removed`.
        """
        seq, digest = self.root["seq"], self.root["digest"]
        if held and (seq < held["seq"] or (seq == held["seq"] and digest != held["digest"])):
            raise Refused(f"the manifest went back: it is number {seq}, and number {held['seq']} was seen before")
        before = held["entries"] if held else {}
        if held and held["digest"] == digest:
            return {"held": {**held, "seq": seq}, "by": "nothing", "changed": [], "removed": []}
        by, now = "delta", self._by_deltas(held["digest"], before) if held else None
        if now is None or not self._is_whole(now):
            by, now = "shards", self._by_shards(before)
            if not self._is_whole(now):
                raise Refused("the shards do not add up to what the manifest says")
        changed = [key for key in now if now[key] != before.get(key)]
        removed = [key for key in before if key not in now]
        return {"held": {"seq": seq, "digest": digest, "entries": now}, "by": by, "changed": changed, "removed": removed}

    def _by_deltas(self, digest, before):
        chain, following, to = [], self.root.get("delta"), self.root["digest"]
        while to != digest:
            if not following or len(chain) == 32:
                return None
            try:
                delta, lines = self._read(following)
            except _Missing:  # too long ago: it has been taken away
                return None
            if delta["to"] != to:
                raise Refused(f"{following['path']} does not lead to the edition after it")
            chain.append((delta, lines))
            following, to = delta.get("prev"), delta["from"]
        now = dict(before)
        for delta, lines in reversed(chain):
            for it in delta["removed"]:
                now.pop(f"{it['collection']}/{it['id']}", None)
            for it, line in zip(delta["put"], lines):
                entry = line[len('{"asset":') : line.rindex(',"collection":')]
                now[f"{it['collection']}/{it['asset']['id']}"] = entry
        return now

    def _by_shards(self, before):
        """A shard holds the assets whose id's SHA-256 begins with its prefix: what is held already shows whether it is that."""
        places = {}
        for key in sorted(before):
            collection, asset_id = _parts(key, self.root["collections"])
            place = "".join(f"{byte:08b}" for byte in hashlib.sha256(asset_id.encode()).digest())
            places.setdefault(collection, []).append((place, key))
        now = {}
        for collection, shards in self._read(self.root["shards"])[0]["collections"].items():
            for shard in shards:
                mine = [key for place, key in places.get(collection, []) if place.startswith(shard["prefix"])]
                made = '{"version":1,"assets":[\n' + ",\n".join(before[key] for key in mine) + "\n]}\n"
                if _sha256(made.encode()) == shard["sha256"]:
                    now.update((key, before[key]) for key in mine)
                else:
                    value, lines = self._read(shard)
                    now.update((f"{collection}/{it['id']}", line.rstrip(",")) for it, line in zip(value["assets"], lines))
        return now

    def _is_whole(self, now):
        """Whether these are the assets that the root speaks of, each with the content that it speaks of."""
        sums = {name: [] for name in self.root["collections"]}
        for key in sorted(now):
            collection, asset_id = _parts(key, self.root["collections"])
            sums.setdefault(collection, []).append(f"{_sha256(now[key].encode())} {asset_id}\n")
        expected = {name: (it["assets"], it["digest"]) for name, it in self.root["collections"].items()}
        return {name: (len(it), _sha256("".join(it).encode())) for name, it in sums.items()} == expected


def asset(held, key):
    """One of the assets that you hold, by `COLLECTION/ID`; None if there is no such asset."""
    return json.loads(held["entries"][key]) if key in held["entries"] else None
