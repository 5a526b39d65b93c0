// Searches a catalogue that Stockroom publishes, by meaning and by words, in the reader's own browser: no server is asked.
// For browsers, Node 20 and Deno; no dependencies. Copy it into your project. The format: docs/search.md.

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */
/** @typedef {{ path: string, bytes: number, sha256: string }} Reference */
/** @typedef {{ version: number, assets: number, chunks: number, scoring: { k1: number, b: number, words: number }, model: { name: string, dimensions: number, file: Reference }, vectors: Reference, words: { from: string, file: Reference }[] }} Head */
/** @typedef {{ collection: string, id: string, score: number, cosine: number }} Hit `score` can be compared within one query; it is `cosine` where no word was found. */
/** @typedef {{ root?: { search?: Reference }, fetch?: typeof fetch, sha256?: (bytes: Bytes) => Promise<string> }} Options */

/** What was fetched is not what was published, or no search of this kind. Nothing of it has been used. */
export class Refused extends Error {}

/** @type {(value: unknown, why: string) => asserts value} */
const must = (value, why) => { if (!value) throw new Refused(why); };
const f = Math.fround; // the scores are those of a program that counts with 32 bits
const utf8 = new TextEncoder(), pause = () => new Promise((done) => setTimeout(done));
/** @param {Bytes} bytes */
const text = (bytes) => new TextDecoder().decode(bytes);
/** @param {Bytes} bytes */
const digest = async (bytes) => Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
/** The order of bytes. @param {Uint8Array} a @param {Uint8Array} b */
const compare = (a, b) => {
  for (let at = 0; at < a.length && at < b.length; at++) if (a[at] !== b[at]) return a[at] - b[at];
  return a.length - b.length;
};

/** Reads a file from its front, whatever is in it. */
class Reader {
  /** @param {Bytes} bytes @param {string} kind */
  constructor(bytes, kind) {
    this.bytes = bytes; this.at = 0;
    must(text(this.take(kind.length)) === kind && (!kind || this.four() === 1), `a file of the search is not of the kind ${kind}, format 1`);
  }
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

/** The rows of a text's tokens: BERT's tokenizer, in lower case. @param {Map<string, number>} vocabulary @param {string} text */
export function tokens(vocabulary, text) {
  /** @type {number[]} */
  const rows = [];
  for (const part of text.split(/(\[PAD\]|\[UNK\])/)) {
    if (part === "[PAD]" || part === "[UNK]") { rows.push(part === "[PAD]" ? 0 : 1); continue; }
    const clean = part.replace(/(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\ufffd]/gu, "")
      .replace(/[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a700}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu, " $& ");
    const lower = Array.from(clean.normalize("NFD").replace(/\p{Mn}/gu, ""), (char) => char.toLowerCase()).join("");
    for (const word of lower.match(/[!-/:-@[-`{-~]|\p{P}|[^\p{P}\p{White_Space}!-/:-@[-`{-~]+/gu) ?? []) {
      const chars = Array.from(word), found = [];
      for (let from = 0, to; from < chars.length; from = to) {
        let row;
        for (to = chars.length > 100 ? 0 : chars.length; to > from; to--) {
          row = vocabulary.get((from ? "##" : "") + chars.slice(from, to).join(""));
          if (row !== undefined) break;
        }
        if (row === undefined) { found.splice(0, Infinity, 1); break; } // one unknown piece makes the whole word unknown
        found.push(row);
      }
      rows.push(...found);
    }
  }
  return rows;
}

/** The model that the chunks were embedded with: a matrix of 4 bits a value, and its vocabulary. */
class Model {
  /** @param {Bytes} bytes @param {number} dimensions */
  constructor(bytes, dimensions) {
    const reader = new Reader(bytes, "SRSTATIC"), rows = reader.four(), dims = reader.four();
    must(reader.four() === 4 && dims === dimensions && dims % 2 === 0, "the model has another form than the search says");
    reader.take(32);
    this.dimensions = dims;
    this.scales = new Float32Array(reader.take(rows * 4).slice().buffer);
    this.values = reader.take(rows * dims / 2);
    const lines = text(reader.take(bytes.length - reader.at)).split("\n");
    must(lines.length >= rows, "the model has too few tokens");
    this.vocabulary = new Map(lines.slice(0, rows).map((token, row) => [token, row]));
  }
  /** The vector of a text, of length 1. @param {string} text */
  vector(text) {
    const sum = new Float32Array(this.dimensions), width = this.dimensions / 2;
    /** @param {number} row */
    const add = (row) => {
      for (let at = 0, scale = this.scales[row]; at < width; at++) {
        const pair = this.values[row * width + at];
        sum[2 * at] += f(scale * ((pair & 15) - 8));
        sum[2 * at + 1] += f(scale * ((pair >> 4) - 8));
      }
    };
    for (const row of tokens(this.vocabulary, text)) if (row !== 1) add(row);
    if (sum.every((value) => value === 0)) add(1); // texts without a known token share the place of the unknown one
    const length = f(Math.sqrt(sum.reduce((total, value) => f(total + f(value * value)), 0)));
    return length > 0 ? sum.map((value) => value / length) : sum;
  }
}

/** Opens the search of the catalogue in this folder, such as `https://assets.example.com/catalogue/`. Its model is a good megabyte, and the same for every catalogue. @param {string} folder @param {Options} [options] */
export async function open(folder, options = {}) {
  /** @param {string} name @param {number} limit */
  const get = async (name, limit) => {
    const response = await (options.fetch ?? fetch)((folder.endsWith("/") ? folder : `${folder}/`) + name, { cache: name === "manifest.json" ? "no-cache" : "default" });
    if (!response.ok || !response.body) throw new Error(`${name} cannot be fetched: the server answers with the status ${response.status}`);
    const bytes = new Uint8Array(limit);
    let size = 0;
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) return size === limit ? bytes : bytes.slice(0, size);
      if (size + value.length > limit) { await reader.cancel(); throw new Refused(`${name} is larger than it may be`); }
      bytes.set(value, size);
      size += value.length;
    }
  };
  /** @param {Reference} reference */
  const read = async ({ path, bytes: size, sha256 }) => {
    must(/^[\w-]+\.(json|bin)$/.test(path) && size <= 64 << 20, `${JSON.stringify(path)} is no file of a catalogue`);
    const bytes = await get(path, size);
    must(bytes.length === size && (await (options.sha256 ?? digest)(bytes)) === sha256, `${path} is not the file that was published`);
    return bytes;
  };
  const root = options.root ?? JSON.parse(text(await get("manifest.json", 65536)));
  must(root.search, "the catalogue has no search");
  /** @type {Head} */
  const head = JSON.parse(text(await read(root.search)));
  must(head.version === 1, `the search is of version ${head.version}; this client knows version 1`);
  const [bytes, vectors] = await Promise.all([read(head.model.file), read(head.vectors)]);
  await pause();
  const model = new Model(bytes, head.model.dimensions);
  await pause();
  return new Search(head, model, vectors, read);
}

/** A search that was opened. */
export class Search {
  /** @param {Head} head @param {Model} model @param {Bytes} vectors @param {(file: Reference) => Promise<Bytes>} read */
  constructor(head, model, vectors, read) {
    this.head = head; this.model = model; this.read = read;
    const reader = new Reader(vectors, "SRVECTOR"), assets = reader.four(), chunks = reader.four(), dimensions = reader.four(), keys = reader.four();
    must(dimensions === model.dimensions && Object.values(head.scoring).every(Number.isFinite), "the search contradicts itself");
    /** @param {number} count */
    const signed = (count) => new Int8Array(vectors.buffer, reader.take(count).byteOffset, count);
    this.powers = signed(chunks);
    this.levels = signed(chunks * dimensions);
    /** @type {[string, string[]][]} */
    const named = JSON.parse(text(reader.take(keys)));
    this.keys = named.flatMap(([collection, ids]) => ids.map((id) => ({ collection: String(collection), id: String(id) })));
    must(this.keys.length === assets, "the search names other assets than it has");
    this.owners = new Uint32Array(chunks); // whose each chunk is
    let at = 0;
    for (let asset = 0; asset < assets; asset++) this.owners.fill(asset, at, (at += reader.number()));
    must(at === chunks, "the search has chunks of nobody");
    this.lengths = Float32Array.from({ length: chunks }, () => reader.number()); // in words
    this.mean = Math.max(f(this.lengths.reduce((sum, length) => sum + length, 0) / Math.max(chunks, 1)), 1);
    /** @type {Map<string, Promise<Bytes>>} */
    this.files = new Map();
  }

  /** The assets that answer best, the best one first: by the meaning of the query, and by its words. @param {string} query @param {number} [count] @returns {Promise<Hit[]>} */
  async find(query, count = 10) {
    const words = await this.bm25(query), { levels, powers, owners } = this, vector = this.model.vector(query), dimensions = vector.length;
    let top = 0;
    for (const score of words.values()) top = Math.max(top, score);
    const scores = new Float32Array(this.keys.length).fill(-Infinity), cosines = new Float32Array(this.keys.length);
    for (let chunk = 0, began = performance.now(); chunk < owners.length; chunk++) {
      if (chunk % 512 === 511 && performance.now() - began > 8) { await pause(); began = performance.now(); } // whoever types must not wait
      let sum = 0;
      for (let at = 0, from = chunk * dimensions; at < dimensions; at++) sum = f(sum + f(levels[from + at] * vector[at]));
      const cosine = f(2 ** powers[chunk] * sum), asset = owners[chunk], word = words.get(chunk);
      const score = word && top > 0 ? f(cosine + f(f(f(this.head.scoring.words) * word) / top)) : cosine;
      if (score > scores[asset]) [scores[asset], cosines[asset]] = [score, cosine];
    }
    const least = scores.slice().sort().at(-Math.min(count, scores.length)) ?? 0, order = [];
    for (let asset = 0; asset < scores.length; asset++) if (scores[asset] >= least) order.push(asset);
    // Equal scores stay in the order of the assets, which are sorted.
    return order.sort((a, b) => scores[b] - scores[a] || a - b).slice(0, count).map((asset) => ({ ...this.keys[asset], score: scores[asset], cosine: cosines[asset] }));
  }

  /** Okapi BM25 of each chunk that has a word of the query. @param {string} query @returns {Promise<Map<number, number>>} */
  async bm25(query) {
    const words = new Set((query.match(/[\p{Alphabetic}\p{N}]+/gu) ?? []).map((word) => word.toLowerCase()));
    const sorted = [...words].map((word) => utf8.encode(word)).sort(compare), total = this.owners.length, scores = new Map();
    const k1 = f(this.head.scoring.k1), b = f(this.head.scoring.b);
    for (const found of await Promise.all(sorted.map((word) => this.chunks(word)))) {
      const rarity = f(Math.log(f(1 + f(f(f(total - found.length) + 0.5) / f(found.length + 0.5)))));
      for (const [chunk, n] of found) {
        const weight = f(k1 * f(f(1 - b) + f(f(b * this.lengths[chunk]) / this.mean)));
        scores.set(chunk, f((scores.get(chunk) ?? 0) + f(f(f(rarity * n) * f(k1 + 1)) / f(n + weight))));
      }
    }
    return scores;
  }

  /** The chunks that have a word, and how often. @param {Uint8Array} word @returns {Promise<[number, number][]>} */
  async chunks(word) {
    const file = this.head.words.findLast(({ from }) => compare(utf8.encode(from), word) <= 0)?.file;
    if (!file) return [];
    const bytes = this.files.get(file.path) ?? this.read(file);
    this.files.set(file.path, bytes);
    bytes.catch(() => this.files.delete(file.path));
    const reader = new Reader(await bytes, ""), here = new Uint8Array(1000);
    while (reader.at < reader.bytes.length) {
      const shared = reader.number(), rest = reader.take(reader.number()), size = shared + rest.length;
      must(size <= here.length, "a word of the search is too long");
      here.set(rest, shared);
      const order = compare(here.subarray(0, size), word);
      /** @type {[number, number][]} */
      const found = [];
      for (let left = reader.number(), next = 0; left > 0; left--) {
        const step = reader.number(), count = step % 2 ? reader.number() + 2 : 1, chunk = next + Math.floor(step / 2);
        must(chunk < this.owners.length, "a word of the search is in a chunk that is not there");
        if (order === 0) found.push([chunk, count]);
        next = chunk + 1;
      }
      if (order >= 0) return found;
    }
    return [];
  }
}
