// Holds docs/clients/search.mjs to what it promises: search.mjs CLIENT FOLDER FIXTURE
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [client, folder, fixture] = process.argv.slice(2);
const { open, tokens, Refused } = await import(pathToFileURL(client));
const files = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
const named = (kind) => [...files.keys()].find((name) => name.startsWith(`${kind}-`));
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const opened = (files, options = {}) => open("x", { fetch: async (name) => new Response(files.get(String(name).slice(2)) ?? null, { status: files.has(String(name).slice(2)) ? 200 : 404 }), ...options });

// The tokenizer, over the texts that the reference tokenizer has cut: accents, ideographs, control characters.
const search = await opened(files), { vocabulary } = search.model;
const cases = JSON.parse(readFileSync(fixture, "utf8"));
for (const { text, ids } of cases) assert.deepEqual(tokens(vocabulary, text), ids, JSON.stringify(text));
assert.ok(cases.length > 50);
assert.equal(search.model.vector("hex bolt").reduce((sum, value) => sum + value * value, 0).toFixed(5), "1.00000");
assert.deepEqual(search.model.vector(""), search.model.vector("\u{10ffff}"), "what says nothing has one place");

// Answers: as many as were asked for, the best one first, each asset once.
const all = await search.find("hex bolt", 1000);
assert.equal(all.length, 15);
assert.equal(new Set(all.map(({ id }) => id)).size, 15);
assert.ok(all.every((hit, at) => !at || hit.score <= all[at - 1].score));
assert.deepEqual(await search.find("hex bolt", 3), all.slice(0, 3));
assert.deepEqual(await search.find("hex bolt", 0), []);
for (const odd of ["", " ", "\ud800", "__proto__ constructor", "x".repeat(1e5), "bolt ".repeat(2e4)]) assert.equal((await search.find(odd)).length, 10);

// What is not as it was published is refused, whatever part it is of.
const root = JSON.parse(files.get("manifest.json"));
for (const kind of ["search", "model", "vectors"]) {
  const name = named(kind), bytes = files.get(name);
  for (const other of [bytes.subarray(1), Buffer.concat([bytes, bytes]), Buffer.alloc(bytes.length), Buffer.alloc(0)]) {
    await assert.rejects(opened(new Map(files).set(name, other)), Refused, `${kind} of ${other.length} bytes`);
  }
  const without = new Map(files);
  without.delete(name);
  await assert.rejects(opened(without), /404/);
}
const torn = await opened(new Map(files).set(named("words"), Buffer.alloc(7)));
await assert.rejects(torn.find("bolt"), Refused);
await assert.rejects(opened(files, { root: {} }), /has no search/);
for (const path of ["../x.bin", "https://example.com/x.bin", "x.js", ""]) await assert.rejects(opened(files, { root: { search: { ...root.search, path } } }), Refused);
await assert.rejects(opened(files, { root: { search: { ...root.search, bytes: 2 ** 40 } } }), Refused);

// Whoever publishes may lie in files that are whole: no answer is made of it, and none takes long.
const forged = async (kind, change) => {
  const head = JSON.parse(files.get(named("search"))), all = new Map(files);
  const reference = { search: root.search, model: head.model.file, vectors: head.vectors, words: head.words[0].file }[kind];
  const put = (reference, bytes) => { all.set(reference.path, bytes); Object.assign(reference, { bytes: bytes.length, sha256: sha256(bytes) }); };
  if (kind === "search") change(head);
  else { const bytes = Buffer.from(files.get(reference.path)); put(reference, change(bytes) ?? bytes); }
  const search = { ...root.search };
  put(search, Buffer.from(JSON.stringify(head)));
  return (await opened(all, { root: { search } })).find("hex bolt");
};
const four = (at, value) => (bytes) => void bytes.writeUInt32LE(value, at);
for (const [kind, change] of [
  ["search", (head) => (head.version = 2)], ["search", (head) => (head.model.dimensions = 63)], ["search", (head) => (head.scoring.b = null)],
  ...[0, 8, 12, 16, 20].map((at) => ["model", four(at, 0xffffffff)]), ["model", (bytes) => bytes.subarray(0, 60)], ["model", (bytes) => bytes.subarray(0, -1e5)],
  ...[0, 8, 12, 16, 20, 24].map((at) => ["vectors", four(at, 0xfffffff0)]), ["vectors", four(12, 0)], ["vectors", four(16, 1)], ["vectors", (bytes) => bytes.subarray(0, -1)],
  ["vectors", (bytes) => void bytes.fill(255, bytes.length - 20)], ["words", (bytes) => void bytes.fill(255)], ["words", (bytes) => void bytes.fill(127)], ["words", (bytes) => bytes.subarray(0, 3)],
]) {
  await assert.rejects(forged(kind, change), (error) => error instanceof Refused || error instanceof SyntaxError, `${kind}: ${change}`);
}
assert.equal((await forged("search", (head) => (head.words = []))).length, 10, "without words there is meaning");
// Nonsense that keeps its form gives nonsense, and ends.
for (let seed = 1, at = 0; at < 60; at++) {
  const kind = ["model", "vectors", "words"][at % 3];
  const change = (bytes) => { for (let times = 0; times < 8; times++) { seed = (seed * 48271) % 2147483647; bytes[seed % bytes.length] = seed >> 8; } };
  await forged(kind, change).catch((error) => assert.ok(error instanceof Refused || error instanceof SyntaxError || error instanceof TypeError, String(error.stack)));
}
