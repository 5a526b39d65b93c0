#!/usr/bin/env python3
"""Makes and measures the embedding model that is compiled into Stockroom.

    make-model.py make SOURCE [OUT] [--dims 256] [--bits 4]      needs numpy
    make-model.py measure SOURCE LUCIDE [--osv OSV]              needs numpy, tokenizers
    make-model.py fixture SOURCE FILE [--model OUT]              needs numpy, tokenizers

SOURCE is a folder with `model.safetensors` (tokens x 256, f16) and `tokenizer.json`, as model2vec writes them.
LUCIDE is a checkout of lucide-icons/lucide, OSV one of a repository with OSV records (`summary`, `details`).
`make` writes `model.bin` and `vocab.txt`; OUT is models/minilm-static unless given. models/minilm-static/README.md
describes the format and holds the table that `measure` prints.
"""

import argparse
import glob
import gzip
import hashlib
import json
import os
import struct

import numpy as np

MAGIC = b"SRSTATIC"
FORMAT = 1
HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "models", "minilm-static")


def load(source):
    """The f16 matrix as f32, and the tokens in the order of its rows."""
    with open(os.path.join(source, "model.safetensors"), "rb") as f:
        data = f.read()
    (length,) = struct.unpack("<Q", data[:8])
    entry = json.loads(data[8 : 8 + length])["embeddings"]
    assert entry["dtype"] == "F16", entry
    begin, end = (8 + length + offset for offset in entry["data_offsets"])
    matrix = np.frombuffer(data[begin:end], np.float16).reshape(entry["shape"]).astype(np.float32)
    with open(os.path.join(source, "tokenizer.json"), encoding="utf-8") as f:
        vocabulary = json.load(f)["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.get)
    assert [vocabulary[t] for t in tokens] == list(range(len(matrix)))
    assert not any("\n" in t or "\r" in t for t in tokens)
    return matrix, tokens


def quantise(matrix, bits):
    """Whole numbers per value and one scale per row: the scale with the least squared error of those tried."""
    top = 127 if bits == 8 else 7
    largest = np.maximum(np.abs(matrix).max(1, keepdims=True), 1e-12)
    best_error, best = None, None
    # With 16 levels it pays to cut off the largest values of a row; with 256 it does not.
    for part in [1.0] if bits == 8 else np.linspace(0.4, 1.0, 25):
        scale = largest * part / top
        levels = np.clip(np.rint(matrix / scale), -top, top)
        error = ((matrix - levels * scale) ** 2).sum(1, keepdims=True)
        if best is None:
            best_error, best = error, levels
        else:
            better = error < best_error
            best_error, best = np.where(better, error, best_error), np.where(better, levels, best)
    square = (best**2).sum(1, keepdims=True)
    scale = np.where(square > 0, (matrix * best).sum(1, keepdims=True) / np.maximum(square, 1), 0)
    return best.astype(np.int8), scale.astype("<f4")


def pack(levels, bits):
    """The rows as bytes: a signed byte a value, or two values a byte, each 8 greater than it is, the first in the low half."""
    if bits == 8:
        return levels.tobytes()
    raised = (levels + 8).astype(np.uint8)
    return (raised[:, 0::2] | (raised[:, 1::2] << 4)).tobytes()


def model_bytes(matrix, tokens, bits):
    """`model.bin` and `vocab.txt`."""
    levels, scale = quantise(matrix, bits)
    vocabulary = "".join(t + "\n" for t in tokens).encode()
    body = scale.tobytes() + pack(levels, bits)
    digest = hashlib.sha256(body + vocabulary).digest()
    head = MAGIC + struct.pack("<IIII", FORMAT, len(matrix), matrix.shape[1], bits)
    return head + digest + body, vocabulary


def read_back(path):
    """The matrix of a `model.bin` as f32."""
    with open(path, "rb") as f:
        data = f.read()
    assert data[:8] == MAGIC
    _, rows, dims, bits = struct.unpack("<IIII", data[8:24])
    scale = np.frombuffer(data[56 : 56 + 4 * rows], "<f4").reshape(rows, 1)
    body = np.frombuffer(data[56 + 4 * rows :], np.uint8)
    if bits == 8:
        return body.view(np.int8).reshape(rows, dims) * scale
    halves = np.stack([body & 15, body >> 4], axis=-1).reshape(rows, dims).astype(np.int8) - 8
    return halves * scale


def tokenizer(source):
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(os.path.join(source, "tokenizer.json"))
    found.no_padding()
    found.no_truncation()
    return lambda texts: [e.ids for e in found.encode_batch(texts, add_special_tokens=False)]


def vectors(matrix, token_ids, unknown=1):
    """Mean of the known tokens' rows, of length 1."""
    out = np.zeros((len(token_ids), matrix.shape[1]), np.float32)
    for i, ids in enumerate(token_ids):
        known = [t for t in ids if t != unknown]
        if known:
            out[i] = matrix[known].mean(0)
    return out / (np.linalg.norm(out, axis=1, keepdims=True) + 1e-12)


def lucide_recall(encode, folder):
    """Recall@10 of the icon when one of its tags is taken away and asked for; every tag of every icon in turn."""
    icons = []
    for path in sorted(glob.glob(os.path.join(folder, "icons", "*.json"))):
        with open(path, encoding="utf-8") as f:
            icons.append((os.path.basename(path)[:-5].replace("-", " "), json.load(f)["tags"]))
    text = lambda name, tags: name + ", " + ", ".join(tags)
    cases = [(i, tag) for i, (_, tags) in enumerate(icons) if len(tags) >= 2 for tag in tags]
    whole = encode([text(*icon) for icon in icons])
    held = encode([text(icons[i][0], [t for t in icons[i][1] if t != tag]) for i, tag in cases])
    asked = encode([tag for _, tag in cases])

    def recall(matrix):
        documents, rest, queries = (vectors(matrix, ids) for ids in (whole, held, asked))
        hits = 0
        for k, (i, _) in enumerate(cases):
            scores = documents @ queries[k]
            own = scores[i] = rest[k] @ queries[k]
            hits += int((scores > own).sum() < 10)
        return hits / len(cases)

    return len(cases), recall


def osv_recall(encode, folder, limit=2000):
    """Recall@10 of a record's `details` when its `summary` is asked for."""
    pairs = []
    for path in sorted(glob.glob(os.path.join(folder, "**", "*.json"), recursive=True)):
        with open(path, encoding="utf-8") as f:
            record = json.load(f)
        if record.get("summary") and len(record.get("details") or "") > 100:
            pairs.append((record["summary"], record["details"][:1000]))
    pairs = pairs[:: max(1, len(pairs) // limit)][:limit]
    asked, documents = encode([p[0] for p in pairs]), encode([p[1] for p in pairs])

    def recall(matrix):
        scores = vectors(matrix, asked) @ vectors(matrix, documents).T
        return float(((scores > np.diag(scores)[:, None]).sum(1) < 10).mean())

    return len(pairs), recall


def measure(args):
    matrix, tokens = load(args.source)
    encode = tokenizer(args.source)
    tests = [("lucide", *lucide_recall(encode, args.lucide))]
    if args.osv:
        tests.append(("osv", *osv_recall(encode, args.osv)))
    heads = " | ".join(f"{name} recall@10 (n = {n})" for name, n, _ in tests)
    print(f"dims | bits | {heads} | bytes | gzip -9")
    print("--- | --- | " + "--- | " * len(tests) + "--- | ---")
    for dims in (64, 128, 256):
        cut = np.ascontiguousarray(matrix[:, :dims])
        recalls = " | ".join(f"{recall(cut):.4f}" for _, _, recall in tests)
        print(f"{dims} | f16 | {recalls} | {cut.size * 2:,} | ", flush=True)
        for bits in (8, 4):
            levels, scale = quantise(cut, bits)
            recalls = " | ".join(f"{recall(levels * scale):.4f}" for _, _, recall in tests)
            data, vocabulary = model_bytes(cut, tokens, bits)
            size, packed = len(data) + len(vocabulary), len(gzip.compress(data, 9)) + len(gzip.compress(vocabulary, 9))
            print(f"{dims} | {bits} | {recalls} | {size:,} | {packed:,}", flush=True)


def make(args):
    matrix, tokens = load(args.source)
    data, vocabulary = model_bytes(np.ascontiguousarray(matrix[:, : args.dims]), tokens, args.bits)
    os.makedirs(args.out, exist_ok=True)
    for name, content in (("model.bin", data), ("vocab.txt", vocabulary)):
        with open(os.path.join(args.out, name), "wb") as f:
            f.write(content)
        print(f"{name}: {len(content):,} bytes, {len(gzip.compress(content, 9)):,} gzipped")


TEXTS = [
    "hex bolt", "Hex Bolt Gen v2", "HEX BOLT", "A parametric hex bolt with ISO 4014 dimensions, from M3 to M64.",
    "", " ", "\t\n\r ", "!!!", "...", "it's", "don't stop-believing", "C++ & C# vs. F#", "$19.99 (−20 %)", "a_b-c.d/e\\f",
    "foo@example.com", "https://example.com/a?b=c&d=e#f", "1,000,000.5", "v1.10.0-rc.2+build", "#hashtag **bold** `code`",
    "café", "cafe\u0301", "naïve façade coöperate", "Ünïcödé ÀÉÎÕÜ ß ẞ", "İstanbul ı ſ ǅ", "Łódź Øre Đà Nẵng", "Ελληνικά ΑΣ ς",
    "Привет мир Ёж", "שָׁלוֹם", "السَّلَامُ عَلَيْكُم", "हिन्दी में", "ไทยภาษา", "한국어 조선말", "日本語のテキスト", "中文字符测试", "漢字とカタカナ、ひらがな。",
    "中abc文", "㐀䶿豈", "\U00020000\U0002a6df", "emoji 😀 and 👩‍👩‍👧‍👦 🇩🇪 👍🏽", "☃ ✈️ ★ ™ © ½ ² ﬁ Ⅷ", "zero\u200bwidth\u200djoin\ufeffed", "soft\u00adhyphen",
    "con\u0000trol\u0007 chars\u001b[31m", "nbsp\u00a0em\u2003line\u2028para\u2029nel\u0085end", "repl\ufffdacement \ue000private", "\u202eright to left\u202c",
    "“curly” ‘quotes’ — dash – … «guillemets»", "，。！？（）－：／～", "x" * 100, "y" * 101, "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "pneumonoultramicroscopicsilicovolcanoconiosis " * 3, "[PAD]", "a[UNK]b", "[unk] [Pad] [CLS] [SEP] [MASK]", "##ing ing", "##", "½¼ ¹²³ ①②",
    "a\u0300\u0301\u0302\u0303\u0304b", "ᾳ ᾼ ﷺ ㎏ Å", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 ｆｕｌｌｗｉｄｔｈ", "𓀀𓁐", "tab\tseparated\tvalues\r\nand\nlines", "The quick brown fox jumps over the lazy dog. " * 20,
]


def fixture(args):
    """What the tests of the loader compare with: token ids by `tokenizers`, vectors (as signed bytes) of the f16 original."""
    matrix, _ = load(args.source)
    token_ids = tokenizer(args.source)(TEXTS)
    shipped = read_back(os.path.join(args.model, "model.bin"))
    wanted, found = vectors(matrix[:, : shipped.shape[1]], token_ids), vectors(shipped, token_ids)
    cases = []
    for text, ids, vector, ours in zip(TEXTS, token_ids, wanted, found):
        case = {"text": text, "ids": ids}
        if np.any(vector):
            levels = np.rint(vector / np.abs(vector).max() * 127).astype(np.int8)
            case |= {"vector": levels.tobytes().hex(), "cosine": round(float(vector @ ours), 4)}
        cases.append(case)
    with open(args.file, "w", encoding="ascii") as f:
        f.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
    cosines = [c["cosine"] for c in cases if "cosine" in c]
    print(f"{len(cases)} texts, cosine with the original: least {min(cosines)}, mean {sum(cosines) / len(cosines):.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("make")
    command.add_argument("source")
    command.add_argument("out", nargs="?", default=OUT)
    command.add_argument("--dims", type=int, default=256, choices=(64, 128, 192, 256))
    command.add_argument("--bits", type=int, default=4, choices=(4, 8))
    command.set_defaults(run=make)
    command = commands.add_parser("measure")
    command.add_argument("source")
    command.add_argument("lucide")
    command.add_argument("--osv")
    command.set_defaults(run=measure)
    command = commands.add_parser("fixture")
    command.add_argument("source")
    command.add_argument("file")
    command.add_argument("--model", default=OUT)
    command.set_defaults(run=fixture)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
