// Reads what Stockroom publishes: a catalogue of assets, and only what has changed of it. For browsers, Node 20 and Deno;
// no dependencies. Copy it into your project. The format: docs/manifest.md.

export interface FileEntry { path: string; url?: string; key?: string; bytes: number; sha256: string; git_oid: string; media_type: string; role: string; width?: number; height?: number }
export interface Asset { id: string; path: string; digest: string; status: "valid" | "warning"; schema?: string; record: any; files: FileEntry[] }
export interface Listed { collection: string; id: string; digest: string; status: string; title?: string; description?: string; tags?: string[]; image?: string }
export interface Reference { path: string; bytes: number; sha256: string }
export interface Root {
  version: 1; digest: string; seq: number; expires?: string;
  source: { repository?: string; commit?: string; date?: string };
  collections: Record<string, { assets: number; files: number; bytes: number; digest: string }>;
  shards: Reference; index?: Reference; delta?: Reference & { from: string };
}
/** What you keep between two visits, as JSON: each asset's line of canonical JSON by `COLLECTION/ID`. */
export interface Held { seq: number; digest: string; entries: Record<string, string> }
export interface Followed { held: Held; by: "nothing" | "delta" | "shards"; changed: string[]; removed: string[] }
export interface Options { publicKey?: string; now?: Date; fetch?: typeof fetch }
interface Shard extends Reference { prefix: string; assets: number }
interface Delta { from: string; to: string; put: { collection: string; asset: Asset }[]; removed: { collection: string; id: string }[]; prev?: Reference }

/** What was fetched is not what was published, or not acceptable. Nothing of it has been used. */
export class Refused extends Error {}
class Missing extends Error {}

const utf8 = new TextEncoder();
const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const sha256 = async (bytes: Uint8Array<ArrayBuffer>) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
const base64 = (text: string) => Uint8Array.from(atob(text.trim()), (char) => char.charCodeAt(0));
const compare = (a: string, b: string) => { // by bytes of UTF-8, which is the order of code points
  const [one, two] = [utf8.encode(a), utf8.encode(b)];
  for (let at = 0; at < one.length && at < two.length; at++) if (one[at] !== two[at]) return one[at]! - two[at]!;
  return one.length - two.length;
};
/** Collection and id of a key; a hub's collections have a slash in their names, and so may ids. */
const parts = (key: string, root: Root): [string, string] => {
  const name = Object.keys(root.collections).find((name) => key.startsWith(`${name}/`));
  return name === undefined ? ["", key] : [name, key.slice(name.length + 1)];
};
/** The entries of a shard or delta as they stand there, which is what they are hashed by: each on a line of its own. */
const lines = (text: string) => text.split("\n").slice(1, -2).map((line) => line.replace(/,$/, ""));

/** Opens the catalogue in this folder, such as `https://assets.example.com/catalogue/`. */
export async function open(folder: string, options: Options = {}): Promise<Catalogue> {
  const get = async (name: string, limit: number) => {
    const url = new URL(name, folder.endsWith("/") ? folder : `${folder}/`);
    const response = await (options.fetch ?? fetch)(url, { cache: name === "manifest.json" ? "no-cache" : "default" });
    if (response.status === 404) throw new Missing(`${url} does not exist`);
    if (!response.ok) throw new Error(`${url} answers with status ${response.status}`);
    const bytes = new Uint8Array(limit + 1);
    let size = 0;
    for (const reader = response.body!.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) return bytes.slice(0, size);
      if (size + value.length > limit) throw (await reader.cancel(), new Refused(`${url} is larger than it may be`));
      bytes.set(value, size);
      size += value.length;
    }
  };
  const bytes = await get("manifest.json", 65_536);
  if (options.publicKey) {
    const signature = await get(`root-${hex(await sha256(bytes))}.minisig`, 4096).catch((error) => { throw error instanceof Missing ? new Refused("the manifest is not signed") : error; });
    if (!(await isSigned(bytes, signature, options.publicKey).catch(() => false))) throw new Refused("the manifest's signature is not one of this key");
  }
  const root: Root = JSON.parse(new TextDecoder().decode(bytes));
  if (root.version !== 1) throw new Refused(`the manifest is of version ${root.version}; this client knows version 1`);
  if (root.expires && !(new Date(root.expires) > (options.now ?? new Date()))) throw new Refused(`the manifest has expired on ${root.expires}`);
  return new Catalogue(root, get);
}

/** Whether this is minisign's signature over the root's own bytes (`Ed`), and over the comment that is to be trusted. */
async function isSigned(bytes: Uint8Array<ArrayBuffer>, signature: Uint8Array, publicKey: string): Promise<boolean> {
  const lines = new TextDecoder().decode(signature).split("\n");
  const [key, signed] = [base64(publicKey.trim().split("\n").pop()!), base64(lines[1] ?? "")];
  const comment = utf8.encode((lines[2] ?? "").replace(/^trusted comment: /, ""));
  const ed25519 = await crypto.subtle.importKey("raw", key.slice(10), "Ed25519", false, ["verify"]);
  return hex(key.slice(0, 10)) === hex(signed.slice(0, 10)) // both begin with `Ed` and the key's number
    && (await crypto.subtle.verify("Ed25519", ed25519, signed.slice(10), bytes))
    && (await crypto.subtle.verify("Ed25519", ed25519, base64(lines[3] ?? ""), new Uint8Array([...signed.slice(10), ...comment])));
}

export class Catalogue {
  readonly root: Root;
  readonly #get: (name: string, limit: number) => Promise<Uint8Array<ArrayBuffer>>;
  constructor(root: Root, get: (name: string, limit: number) => Promise<Uint8Array<ArrayBuffer>>) { this.root = root; this.#get = get; }

  async #read(reference: Reference): Promise<{ value: any; lines: string[] }> {
    if (!/^[\w-]+\.json$/.test(reference.path)) throw new Refused(`${JSON.stringify(reference.path)} is no file of a catalogue`);
    const bytes = await this.#get(reference.path, reference.bytes);
    if (bytes.length !== reference.bytes || hex(await sha256(bytes)) !== reference.sha256) throw new Refused(`${reference.path} is not the file that was published`);
    const text = new TextDecoder().decode(bytes);
    const value = JSON.parse(text);
    if (value.version !== 1) throw new Refused(`${reference.path} is of a version that this client does not know`);
    return { value, lines: lines(text) };
  }

  /** A line about each asset: from the index in one request, or from all shards where the catalogue is too large for one. */
  async list(): Promise<Listed[]> {
    if (this.root.index) return (await this.#read(this.root.index)).value.assets;
    const { held } = await this.follow();
    return Object.keys(held.entries).map((key) => {
      const { id, digest, status, record } = asset(held, key)!;
      return { collection: parts(key, this.root)[0], id, digest, status, title: record?.title ?? record?.name, tags: record?.tags };
    });
  }

  /** Brings what you hold to this edition. By the deltas since then where none is missing, else by the shards that differ. */
  async follow(held?: Held): Promise<Followed> {
    const { seq, digest } = this.root;
    if (held && (seq < held.seq || (seq === held.seq && digest !== held.digest))) throw new Refused(`the manifest went back: it is number ${seq}, and number ${held.seq} was seen before`);
    if (held?.digest === digest) return { held: { ...held, seq }, by: "nothing", changed: [], removed: [] };
    const before = new Map(Object.entries(held?.entries ?? {}));
    const byDelta = held && (await this.#byDeltas(held.digest, before));
    const now = byDelta && (await this.#isWhole(byDelta)) ? byDelta : await this.#byShards(before);
    if (now !== byDelta && !(await this.#isWhole(now))) throw new Refused("the shards do not add up to what the manifest says");
    const changed = [...now.keys()].filter((key) => now.get(key) !== before.get(key));
    const removed = [...before.keys()].filter((key) => !now.has(key));
    return { held: { seq, digest, entries: Object.fromEntries(now) }, by: now === byDelta ? "delta" : "shards", changed, removed };
  }

  async #byDeltas(from: string, before: Map<string, string>): Promise<Map<string, string> | undefined> {
    const chain: { value: Delta; lines: string[] }[] = [];
    try {
      for (let next: Reference | undefined = this.root.delta, to = this.root.digest; to !== from; to = chain[0]!.value.from, next = chain[0]!.value.prev) {
        if (!next || chain.length === 32) return undefined;
        chain.unshift(await this.#read(next));
        if (chain[0]!.value.to !== to) throw new Refused(`${next.path} does not lead to the edition after it`);
      }
    } catch (error) {
      if (error instanceof Missing) return undefined; // too long ago: it has been taken away
      throw error;
    }
    const now = new Map(before);
    for (const { value, lines } of chain) {
      for (const { collection, id } of value.removed) now.delete(`${collection}/${id}`);
      value.put.forEach(({ collection, asset }, at) => now.set(`${collection}/${asset.id}`, lines[at]!.slice('{"asset":'.length, lines[at]!.lastIndexOf(',"collection":'))));
    }
    return now;
  }

  /** A shard holds the assets whose id's SHA-256 begins with its prefix, a line each: what is held already shows whether it is that. */
  async #byShards(before: Map<string, string>): Promise<Map<string, string>> {
    const held: [string, string, string, string][] = await Promise.all([...before].map(async ([key, line]) => {
      const [collection, id] = parts(key, this.root);
      return [collection, id, Array.from(await sha256(utf8.encode(id)), (byte) => byte.toString(2).padStart(8, "0")).join(""), line];
    }));
    held.sort((a, b) => compare(a[1], b[1]));
    const now = new Map<string, string>();
    const lists: Record<string, Shard[]> = (await this.#read(this.root.shards)).value.collections;
    const wanted = Object.entries(lists).flatMap(([collection, shards]) => shards.map((shard) => ({ collection, shard })));
    await Promise.all(Array.from({ length: 6 }, async () => {
      for (let next; (next = wanted.shift()); ) {
        const { collection, shard } = next;
        const mine = held.filter((it) => it[0] === collection && it[2].startsWith(shard.prefix));
        const made = utf8.encode(`{"version":1,"assets":[\n${mine.map((it) => it[3]).join(",\n")}\n]}\n`);
        if (hex(await sha256(made)) === shard.sha256) for (const [, id, , line] of mine) now.set(`${collection}/${id}`, line);
        else {
          const { value, lines } = await this.#read(shard);
          value.assets.forEach((asset: Asset, at: number) => now.set(`${collection}/${asset.id}`, lines[at]!));
        }
      }
    }));
    return now;
  }

  /** Whether these are the assets that the root speaks of, each with the content that it speaks of. */
  async #isWhole(now: Map<string, string>): Promise<boolean> {
    const lines = new Map(Object.keys(this.root.collections).map((name) => [name, [] as [string, string][]]));
    for (const [key, line] of now) {
      const [collection, id] = parts(key, this.root);
      lines.get(collection)?.push([id, line]);
    }
    for (const [name, { digest, assets }] of Object.entries(this.root.collections)) {
      const sorted = lines.get(name)!.sort((a, b) => compare(a[0], b[0]));
      const sums = await Promise.all(sorted.map(async ([id, line]) => `${hex(await sha256(utf8.encode(line)))} ${id}\n`));
      if (sorted.length !== assets || hex(await sha256(utf8.encode(sums.join("")))) !== digest) return false;
    }
    return [...lines.values()].reduce((sum, list) => sum + list.length, 0) === now.size;
  }
}

/** One of the assets that you hold, by `COLLECTION/ID`. */
export function asset(held: Held, key: string): Asset | undefined {
  const line = Object.hasOwn(held.entries, key) ? held.entries[key] : undefined;
  return line === undefined ? undefined : JSON.parse(line);
}
