// Searches a catalogue that Stockroom publishes, by meaning and by words, in the reader's own browser: no server is asked.
// For browsers, Node 20 and Deno; no dependencies. Copy it into your project. The format: docs/search.md.

/** @typedef {{ path: string, bytes: number, sha256: string }} Reference */
/** @typedef {{ version: number, assets: number, chunks: number, scoring: { k1: number, b: number, words: number }, model: { name: string, dimensions: number, file: Reference }, vectors: Reference, words: { from: string, file: Reference }[] }} Head */
/** @typedef {{ collection: string, id: string, score: number, cosine: number }} Hit `score` is comparable within one query, `cosine` from query to query. */
/** @typedef {{ root?: { search?: Reference }, fetch?: typeof fetch, sha256?: (bytes: Uint8Array<ArrayBuffer>) => Promise<string> }} Options */

/** What was fetched is not what was published, or no search of this kind. Nothing of it has been used. */
export class Refused extends Error {}

const utf8 = new TextEncoder(), most = 64 << 20;
/** @type {(value: unknown, why: string) => asserts value} */
const must = (value, why) => { if (!value) throw new Refused(why); };
/** The scores are those of a program that counts with 32 bits. */
const f = Math.fround;
const pause = () => new Promise((done) => setTimeout(done));
/** @param {Uint8Array<ArrayBuffer>} bytes */
const digest = async (bytes) => Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Numbers and texts, one after the other, in bytes that may be anything. */
class Reader {
  /** @param {Uint8Array<ArrayBuffer>} bytes @param {number} at */
  constructor(bytes, at = 0) { this.bytes = bytes; this.at = at; }
  get ended() { return this.at >= this.bytes.length; }
  /** @param {number} size */
  take(size) {
    must(size <= this.bytes.length - this.at, "a file of the search ends too early");
    return this.bytes.subarray(this.at, (this.at += size));
  }
  four() { return new DataView(this.take(4).slice().buffer).getUint32(0, true); }
  number() {
    for (let number = 0, unit = 1; ; unit *= 128) {
      const byte = this.bytes[this.at++];
      must(byte !== undefined && unit < 2 ** 49, "a number of the search is none");
      number += (byte & 127) * unit;
      if (byte < 128) return number;
    }
  }
}

/** Cuts texts into the pieces of a vocabulary: BERT's tokenizer, in lower case. @param {Map<string, number>} vocabulary @param {string} text */
export function pieces(vocabulary, text) {
  /** @type {number[]} */
  const rows = [];
  for (const part of text.split(/(\[PAD\]|\[UNK\])/)) {
    if (part === "[PAD]" || part === "[UNK]") { rows.push(part === "[PAD]" ? 0 : 1); continue; }
    let clean = part.replace(/(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\ufffd]/gu, "").replace(/\p{White_Space}/gu, " ")
      .replace(/[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a700}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu, " $& ");
    clean = Array.from(clean.normalize("NFD").replace(/\p{Mn}/gu, ""), (char) => char.toLowerCase()).join("");
    for (const word of clean.match(/[!-/:-@[-`{-~]|\p{P}|[^\p{P}\p{White_Space}!-/:-@[-`{-~]+/gu) ?? []) {
      const chars = Array.from(word), found = [];
      for (let from = 0, to; from < chars.length; from = to) {
        let row;
        for (to = chars.length > 100 ? 0 : chars.length; to > from; to--) {
          row = vocabulary.get((from ? "##" : "") + chars.slice(from, to).join(""));
          if (row !== undefined) break;
        }
        // One unknown piece makes the whole word unknown.
        if (row === undefined) { found.length = 0; found.push(1); break; }
        found.push(row);
      }
      rows.push(...found);
    }
  }
  return rows;
}

/** A matrix of 4 bits a value, and its vocabulary. */
class Model {
  /** @param {Uint8Array<ArrayBuffer>} bytes @param {number} dimensions */
  constructor(bytes, dimensions) {
    const reader = new Reader(bytes, 8), kind = new TextDecoder().decode(bytes.subarray(0, 8));
    const [version, rows, dims, bits] = [reader.four(), reader.four(), reader.four(), reader.four()];
    must(kind === "SRSTATIC" && version === 1 && bits === 4 && dims === dimensions && dims % 2 === 0, "the model is not one of format 1");
    reader.take(32);
    this.dimensions = dims;
    this.scales = new Float32Array(reader.take(rows * 4).slice().buffer);
    this.values = reader.take(rows * dims / 2);
    const tokens = new TextDecoder().decode(reader.take(bytes.length - reader.at)).split("\n");
    must(tokens.length >= rows, "the model has too few tokens");
    this.vocabulary = new Map(tokens.slice(0, rows).map((token, row) => [token, row]));
  }
  /** The vector of a text, of length 1. @param {string} text */
  vector(text) {
    const sum = new Float32Array(this.dimensions), width = this.dimensions / 2;
    /** @param {number} row */
    const add = (row) => {
      const scale = this.scales[row];
      for (let at = 0; scale !== undefined && at < width; at++) {
        const both = this.values[row * width + at];
        sum[2 * at] += f(scale * ((both & 15) - 8));
        sum[2 * at + 1] += f(scale * ((both >> 4) - 8));
      }
    };
    for (const row of pieces(this.vocabulary, text)) if (row !== 1) add(row);
    // Texts without a known token share the place of the unknown one.
    if (sum.every((value) => value === 0)) add(1);
    const length = f(Math.sqrt(sum.reduce((total, value) => f(total + f(value * value)), 0)));
    return length > 0 ? sum.map((value) => value / length) : sum;
  }
}

/** Opens the search of the catalogue in this folder, such as `https://assets.example.com/catalogue/`. Its model is a good megabyte, and is the same for every catalogue. @param {string} folder @param {Options} options */
export async function open(folder, options = {}) {
  const at = folder.endsWith("/") ? folder : `${folder}/`;
  /** @param {string} name @param {number} limit */
  const get = async (name, limit) => {
    const response = await (options.fetch ?? fetch)(at + name, { cache: name === "manifest.json" ? "no-cache" : "default" });
    if (!response.ok || !response.body) throw new Error(`${name} cannot be fetched: the server answers with the status ${response.status}`);
    const bytes = new Uint8Array(limit);
    let size = 0;
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) return bytes.subarray(0, size).slice();
      if (size + value.length > limit) { await reader.cancel(); throw new Refused(`${name} is larger than it may be`); }
      bytes.set(value, size);
      size += value.length;
    }
  };
  /** @param {Reference} reference */
  const read = async ({ path, bytes: size, sha256 }) => {
    must(/^[\w-]+\.(json|bin)$/.test(path) && size <= most, `${JSON.stringify(path)} is no file of a catalogue`);
    const bytes = await get(path, size);
    must(bytes.length === size && (await (options.sha256 ?? digest)(bytes)) === sha256, `${path} is not the file that was published`);
    return bytes;
  };
  /** @param {Uint8Array<ArrayBuffer>} bytes */
  const json = (bytes) => JSON.parse(new TextDecoder().decode(bytes));
  const root = options.root ?? json(await get("manifest.json", 65536));
  must(root.search, "the catalogue has no search");
  /** @type {Head} */
  const head = json(await read(root.search));
  must(head.version === 1, `the search is of version ${head.version}; this client knows version 1`);
  const [model, vectors] = await Promise.all([read(head.model.file), read(head.vectors)]);
  await pause();
  const made = new Model(model, head.model.dimensions);
  await pause();
  return new Search(head, made, vectors, read);
}

/** A search that was opened. */
export class Search {
  /** @param {Head} head @param {Model} model @param {Uint8Array<ArrayBuffer>} vectors @param {(file: Reference) => Promise<Uint8Array<ArrayBuffer>>} read */
  constructor(head, model, vectors, read) {
    const { k1, b, words } = head.scoring, reader = new Reader(vectors, 8);
    const [version, assets, chunks, dimensions, keys] = [reader.four(), reader.four(), reader.four(), reader.four(), reader.four()];
    must(new TextDecoder().decode(vectors.subarray(0, 8)) === "SRVECTOR" && version === 1 && dimensions === model.dimensions && [k1, b, words].every(Number.isFinite), "the search is not one of format 1");
    this.head = head; this.model = model; this.read = read;
    const signed = () => new Int8Array(vectors.buffer, reader.at);
    this.powers = signed().subarray(0, reader.take(chunks).length);
    this.levels = signed().subarray(0, reader.take(chunks * dimensions).length);
    /** @type {[string, string[]][]} */
    const named = JSON.parse(new TextDecoder().decode(reader.take(keys)));
    /** @type {[string, string][]} */
    this.keys = named.flatMap(([collection, ids]) => ids.map((id) => /** @type {[string, string]} */ ([String(collection), String(id)])));
    must(this.keys.length === assets, "the search names other assets than it has");
    /** Whose each chunk is. */
    this.assets = new Uint32Array(chunks);
    let at = 0;
    for (let asset = 0; asset < assets; asset++) {
      const end = at + reader.number();
      must(end <= chunks, "the search has chunks of nobody");
      this.assets.fill(asset, at, (at = end));
    }
    must(at === chunks, "the search has chunks of nobody");
    /** How many words each chunk has. */
    this.lengths = Float32Array.from({ length: chunks }, () => reader.number());
    must(reader.ended, "the search has more than it says");
    this.mean = Math.max(f(this.lengths.reduce((sum, length) => sum + length, 0) / Math.max(chunks, 1)), 1);
    /** @type {Map<string, Promise<Uint8Array<ArrayBuffer>>>} */
    this.files = new Map();
  }

  /** The assets that answer best, the best one first: by the meaning of the query, and by its words. @param {string} query @param {number} [count] @returns {Promise<Hit[]>} */
  async find(query, count = 10) {
    const words = await this.bm25(query), { levels, powers, assets } = this;
    const vector = this.model.vector(query), dimensions = vector.length, chunks = assets.length;
    let top = 0;
    for (const score of words.values()) top = Math.max(top, score);
    const weight = f(this.head.scoring.words), scores = new Float32Array(this.keys.length).fill(-Infinity), cosines = new Float32Array(this.keys.length);
    for (let chunk = 0; chunk < chunks; chunk++) {
      // Whoever types must not wait.
      if (chunk % 8192 === 8191) await pause();
      let sum = 0;
      for (let at = 0, from = chunk * dimensions; at < dimensions; at++) sum = f(sum + f(levels[from + at] * vector[at]));
      const cosine = f(2 ** powers[chunk] * sum), asset = assets[chunk], found = words.get(chunk);
      const score = found && top > 0 ? f(cosine + f(f(weight * found) / top)) : cosine;
      if (score > scores[asset]) [scores[asset], cosines[asset]] = [score, cosine];
    }
    // Equal scores stay in the order of the assets, which are sorted.
    const order = Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || a - b).slice(0, count);
    return order.map((asset) => ({ collection: this.keys[asset][0], id: this.keys[asset][1], score: scores[asset], cosine: cosines[asset] }));
  }

  /** Okapi BM25 of each chunk that has a word of the query. @param {string} query @returns {Promise<Map<number, number>>} */
  async bm25(query) {
    const terms = [...new Set(Array.from(query.match(/[\p{Alphabetic}\p{N}]+/gu) ?? [], (word) => word.toLowerCase()))].map((term) => ({ term, bytes: utf8.encode(term) }));
    terms.sort((a, b) => compare(a.bytes, b.bytes));
    const { k1, b } = this.head.scoring, total = this.assets.length, scores = new Map();
    for (const found of await Promise.all(terms.map(({ bytes }) => this.postings(bytes)))) {
      const rarity = f(Math.log(f(1 + f(f(f(total - found.length) + 0.5) / f(found.length + 0.5)))));
      for (const [chunk, n] of found) {
        const weight = f(f(k1) * f(f(1 - f(b)) + f(f(f(b) * this.lengths[chunk]) / this.mean)));
        scores.set(chunk, f((scores.get(chunk) ?? 0) + f(f(f(rarity * n) * f(f(k1) + 1)) / f(n + weight))));
      }
    }
    return scores;
  }

  /** The chunks that have a word, and how often. @param {Uint8Array} word @returns {Promise<[number, number][]>} */
  async postings(word) {
    const part = this.head.words.findLast(({ from }) => compare(utf8.encode(from), word) <= 0);
    if (!part) return [];
    const { file } = part, bytes = this.files.get(file.path) ?? this.read(file);
    this.files.set(file.path, bytes);
    bytes.catch(() => this.files.delete(file.path));
    const reader = new Reader(await bytes), before = new Uint8Array(1 << 16);
    while (!reader.ended) {
      const shared = reader.number(), suffix = reader.take(reader.number()), size = shared + suffix.length;
      must(size <= before.length, "a word of the search is too long");
      before.set(suffix, shared);
      const order = compare(before.subarray(0, size), word), chunks = reader.number();
      /** @type {[number, number][]} */
      const found = [];
      for (let left = chunks, next = 0; left > 0; left--) {
        const step = reader.number(), count = step % 2 ? reader.number() + 2 : 1;
        const chunk = next + Math.floor(step / 2);
        if (order === 0) found.push([chunk, count]);
        next = chunk + 1;
      }
      must(!found.length || found[found.length - 1][0] < this.assets.length, "a word of the search is in a chunk that is not there");
      if (order >= 0) return found;
    }
    return [];
  }
}

/** The order of bytes. @param {Uint8Array} a @param {Uint8Array} b */
function compare(a, b) {
  for (let at = 0; at < a.length && at < b.length; at++) if (a[at] !== b[at]) return a[at] - b[at];
  return a.length - b.length;
}
