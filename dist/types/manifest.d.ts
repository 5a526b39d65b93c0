// The manifest, version 1. Generated from the program's own types; fields may be added, so ignore what you do not know.

/** One asset. */
export interface AssetEntry {
  /** SHA-256 of what it means: its record without volatile values, its path, its schema, and the paths and contents of its files. Equal digest, nothing that matters has changed. */
  digest: string;
  /** The files beside it, sorted by path. */
  files: FileEntry[];
  /** Its id, unique in the collection. */
  id: string;
  /** The path of its metadata file in the repository. */
  path: string;
  /** The published part of the record. */
  record: unknown;
  /** The schema that accepted it, as `name@version`. */
  schema?: string;
  /** `valid`, or `warning` when there is something to look at. */
  status: string;
}

/** A collection in short. */
export interface CollectionSummary {
  /** How many assets it has. */
  assets: number;
  /** How many bytes those files have. */
  bytes: number;
  /** SHA-256 over a line for each asset, in the order of their ids: the SHA-256 of its entry as it stands in its shard, a space, its id, a line break. */
  digest: string;
  /** How many files they have. */
  files: number;
}

/** What leads from one library to the next: it can be applied where the digest of what one has is `from`. */
export interface Delta {
  /** The digest before. */
  from: string;
  /** The delta before this one, where there is one. */
  prev?: DeltaRef;
  /** Assets that are new or have changed, each on a line of its own. */
  put: Put[];
  /** Assets that are gone. */
  removed: Key[];
  /** Assets that have another id now. Each is in `removed` and `put` too, so this may be ignored. */
  renamed: Renamed[];
  /** The number of the edition that it belongs to. */
  seq: number;
  /** Where the library was read from. */
  source: Source;
  /** The digest after. */
  to: string;
  /** The format's version: 1. */
  version: number;
}

/** A delta, and what it is one from. */
export interface DeltaRef {
  /** Its size in bytes. */
  bytes: number;
  /** The digest of the library that it is to be applied to. */
  from: string;
  /** Its name, relative to the root. */
  path: string;
  /** Its SHA-256 in hex. */
  sha256: string;
}

/** The files in other formats. */
export interface ExportList {
  /** By the name of the export, its files, sorted by path. */
  exports: Record<string, FileRef[]>;
  /** The format's version: 1. */
  version: number;
}

/** A file of an asset. */
export interface FileEntry {
  /** Its size in bytes. */
  bytes: number;
  /** Its git object id. */
  git_oid: string;
  /** The height of an image, in pixels. */
  height?: number;
  /** What a shop's own server finds a private file by: its path, percent-encoded. Present where the file is private. */
  key?: string;
  /** Its media type by its extension (IANA, else `application/octet-stream`). */
  media_type: string;
  /** Its path in the repository. */
  path: string;
  /** What it is to the asset: `thumbnail`, `image`, `model`, `video`, `text` or `file`, or a role of the library's own. */
  role: string;
  /** Its SHA-256 in hex. */
  sha256: string;
  /** Where to fetch it, percent-encoded; absent without `base_url`, and for a private file. */
  url?: string;
  /** The width of an image, in pixels, where it could be read. */
  width?: number;
}

/** A file beside the root. Its name holds its SHA-256. */
export interface FileRef {
  /** Its size in bytes. */
  bytes: number;
  /** Its name, relative to the root. */
  path: string;
  /** Its SHA-256 in hex. */
  sha256: string;
}

/** What there is to look at in the library. */
export interface Findings {
  /** The findings in the order of their files. */
  findings: PublishedFinding[];
  /** The format's version: 1. */
  version: number;
}

/** All assets in short, sorted by collection and id, each on a line of its own. */
export interface Index {
  /** The assets. */
  assets: IndexEntry[];
  /** The format's version: 1. */
  version: number;
}

/** One asset in short. */
export interface IndexEntry {
  /** Its collection. */
  collection: string;
  /** A few words about it. */
  description?: string;
  /** The `digest` of its entry. */
  digest: string;
  /** Its id. */
  id: string;
  /** The address of its picture; absent where it has none that can be fetched. */
  image?: string;
  /** The `status` of its entry. */
  status: string;
  /** Its tags. */
  tags?: string[];
  /** What people call it. */
  title?: string;
  /** Where its page is. */
  url?: string;
}

/** What names an asset. */
export interface Key {
  /** Its collection. */
  collection: string;
  /** Its id. */
  id: string;
}

/** A library of a hub, and the edition of it that the hub has. */
export interface Member {
  /** The commit that it was built from, where there is one. */
  commit?: string;
  /** The `digest` of its edition. */
  digest: string;
  /** Its name in the hub. */
  name: string;
  /** Where its manifest was read: an address, or the last part of a path. */
  place: string;
  /** The `seq` of its edition. */
  seq: number;
}

/** A commit and its time. */
export interface Moment {
  /** The commit; absent for files that were not committed. */
  commit?: string;
  /** When it was committed, as RFC 3339 in UTC. */
  date?: string;
}

/** An earlier edition at the same place. */
export interface Prev {
  /** Its `digest`. */
  digest: string;
  /** Its number. */
  seq: number;
  /** The SHA-256 of its root's bytes. */
  sha256: string;
}

/** One thing to look at. */
export interface PublishedFinding {
  /** What kind of finding it is. */
  code: string;
  /** What to do. */
  help?: string;
  /** The line, from 1; absent where it is about the whole file. */
  line?: number;
  /** What is wrong, in a sentence. */
  message: string;
  /** The file. */
  path: string;
  /** `error` or `warning`. */
  severity: string;
}

/** An asset as it is now. */
export interface Put {
  /** Its entry. */
  asset: AssetEntry;
  /** Its collection. */
  collection: string;
}

/** An asset with another id than before. */
export interface Renamed {
  /** Its collection. */
  collection: string;
  /** Its id before. */
  from: string;
  /** Its id now. */
  to: string;
}

/** The one mutable file, `manifest.json`: what there is and where it is. */
export interface Root {
  /** The collections by name. */
  collections: Record<string, CollectionSummary>;
  /** What has changed since the edition with the digest `from`; absent where it would be larger than the shards that have. */
  delta?: DeltaRef;
  /** SHA-256 of the canonical JSON (RFC 8785) of `version`, `schemas`, and of each collection its `assets` and `digest`: equal digest, equal library. */
  digest: string;
  /** Until when this edition may be relied on, as RFC 3339 in UTC: a place that is not renewed was forgotten or is held back. */
  expires?: string;
  /** The list of the files in other formats; absent where there are none. */
  exports?: FileRef;
  /** What there is to look at in the library; absent where nobody asked for it. */
  findings?: FileRef;
  /** All assets in short; absent where that would be no small file. */
  index?: FileRef;
  /** The libraries that it was made of, where it is that of a hub; their collections are called `NAME/COLLECTION`. */
  members?: Member[];
  /** SHA-256 of all that the exports are made from beside the assets, so that a change of it is published. */
  presentation: string;
  /** The edition before this one. */
  prev?: Prev;
  /** The schemas that the records follow: name, version (or `latest`, or `-` for none), SHA-256 of the schema's file. */
  schemas: Record<string, Record<string, string>>;
  /** The head of the search in a browser, whose files are among the exports; absent where there is none. */
  search?: FileRef;
  /** A number that only grows: the time of the commit in seconds since 1970-01-01 UTC, or one more than that of the edition before where that is higher. */
  seq: number;
  /** The list of the shards. */
  shards: FileRef;
  /** Where the library was read from. */
  source: Source;
  /** Which commit last changed each asset. */
  updated: FileRef;
  /** The format's version: 1. */
  version: number;
}

/** How a chunk is scored: cosine + `words` · BM25 / the best BM25 of the query. */
export interface Scoring {
  /** How much longer texts count less: BM25's b. */
  b: number;
  /** How soon more of the same word counts no more: BM25's k1. */
  k1: number;
  /** How much words count beside meaning. */
  words: number;
}

/** The head of a search that needs no server: what a program reads first. Its parts are files of bytes, described in docs/search.md. */
export interface SearchHead {
  /** How many assets have a text. */
  assets: number;
  /** How many chunks these texts were cut into. */
  chunks: number;
  /** The model that turns a query into a vector: the same file for every library. */
  model: SearchModel;
  /** How words and meaning add up. */
  scoring: Scoring;
  /** Whose each chunk is, its number of words and its vector. */
  vectors: FileRef;
  /** The format's version: 1. */
  version: number;
  /** Which chunks each word is in, in files of neighbouring words. */
  words: WordsRef[];
}

/** A model whose vectors the chunks have. */
export interface SearchModel {
  /** How many numbers a vector has. */
  dimensions: number;
  /** Its file. */
  file: FileRef;
  /** Its fingerprint: vectors of another one cannot be compared with these. */
  name: string;
}

/** Some assets of one collection, sorted by id. Each stands on a line of its own, in canonical JSON (RFC 8785). */
export interface Shard {
  /** The assets. */
  assets: AssetEntry[];
  /** The format's version: 1. */
  version: number;
}

/** All shards of all collections. */
export interface ShardList {
  /** The shards of each collection, in the order of their prefixes. */
  collections: Record<string, ShardRef[]>;
  /** The format's version: 1. */
  version: number;
}

/** A file of those assets of a collection the SHA-256 of whose ids begins with certain bits. */
export interface ShardRef {
  /** How many assets it has. */
  assets: number;
  /** Its size in bytes. */
  bytes: number;
  /** Its name, relative to the root. */
  path: string;
  /** The bits, as zeros and ones; none where the collection has a single shard. */
  prefix: string;
  /** Its SHA-256 in hex. */
  sha256: string;
}

/** The commit that a manifest was built from. */
export interface Source {
  /** The commit; absent in a repository without one. */
  commit?: string;
  /** When it was committed, as RFC 3339 in UTC. */
  date?: string;
  /** Present and true when files differed from that commit. */
  modified?: boolean;
  /** The repository as `owner/name`, where it is known. */
  repository?: string;
  /** The commit's tree. */
  tree?: string;
}

/** Which commit last changed what an asset means, as far as this place has seen. */
export interface Updated {
  /** The place in `commits` of the one that counts for all assets that are not listed. */
  base: number;
  /** By collection and id, the place in `commits`. */
  collections: Record<string, Record<string, number>>;
  /** The commits, oldest first. */
  commits: Moment[];
  /** The deltas that are kept, newest first. */
  deltas: DeltaRef[];
  /** The format's version: 1. */
  version: number;
}

/** A file of words, and where it begins. */
export interface WordsRef {
  /** The file. */
  file: FileRef;
  /** The first word in it; words are sorted by their bytes in UTF-8. */
  from: string;
}
