/** A crash-safe key-value store for the browser: many tabs, one store, files that the native command opens. */

/** A key: text (kept as UTF-8) or bytes, at most 65,535 of them. */
export type Key = string | Uint8Array | ArrayBuffer;

/** What can be kept under `values: 'json'`. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** How values are read and written: as JSON, as text, or as the bytes they are. */
export type Format = 'json' | 'text' | 'bytes';

/**
 * When a write's promise resolves, and so what may be lost afterwards.
 *
 * - `flushed` (the default): the browser's flush has returned. Survives a power loss as far as the browser's flush
 *   reaches the drive.
 * - `written`: the bytes are with the browser. Survives the death of the tab and of the browser; a power loss may
 *   take the newest writes, never one in the middle.
 * - `queued`: at once. The death of this tab may lose it; so may an error, which nobody then hears of.
 */
export type Durability = 'flushed' | 'written' | 'queued';

export interface OpenOptions {
  /** How values are kept unless a call says otherwise. Default `json`. */
  values?: Format;
  /** How keys are told: `text` (default) tells those that are no UTF-8 as bytes all the same. */
  keys?: 'text' | 'bytes';
  /** Default `flushed`. */
  durability?: Durability;
  /** Life of a key that was set without its own, in milliseconds. Default: for ever. */
  ttl?: number;
  /** Keep the store in memory: always (`true`), or where there are no files (`'fallback'`). Default: never. */
  memory?: boolean | 'fallback';
  /** Refuse with `NoStore` instead of making a new store. Default `true`. */
  create?: boolean;
  /** How long a tab that leads may be silent before calls answer `LeaderUnresponsive`. Default 5,000 ms. */
  leaderTimeout?: number;
  /** Read older versions of keys where damage hides newer ones, instead of `MaybeStale`. */
  acceptStale?: boolean;
  /** Believe a clock that moved by more than a day since the store was last open. */
  trustClock?: boolean;
  /** Merge in idle moments. Default `true`. */
  merge?: boolean;
  /** Size at which a file of the log is sealed, 1 MiB to 1 GiB. Default: grows with the store, from 8 MiB. */
  segmentBytes?: number;
  /** Longest key in bytes. Default 65,535. */
  keyBytesMax?: number;
  /** Largest value in bytes. Default 512 MiB. */
  valueBytesMax?: number;
  /** Starts the worker, for bundlers that want it spelt out. It must load `portcask/worker.js`. */
  worker?: () => Worker;
  /** Where `portcask.wasm` is, with its other parts beside it, if not beside the worker. */
  wasmUrl?: string | URL;
}

export interface ReadOptions {
  as?: Format;
}

export interface WriteOptions extends ReadOptions {
  /** Milliseconds to live, above 0; `Infinity` where the store has a life for keys and this one shall have none. */
  ttl?: number;
  /** The moment at which its life ends. */
  expires?: Date | number;
  durability?: Durability;
}

export interface Entry<V> {
  value: V;
  /** Grows with every write; `batch().require(key, { seq })` asks for it. */
  seq: number;
  /** Milliseconds since 1970. */
  expires?: number;
}

export interface ScanOptions extends ReadOptions {
  /** Only keys that start so. Without an index every key is looked at. */
  prefix?: Key;
}

/** What became of a key. `reset` tells that changes may have been missed, because another tab took over. */
export type Change = { type: 'set' | 'del'; key: string | Uint8Array } | { type: 'reset' } | { type: 'clear' };

/** Writes that are taken together or not at all, also across a crash. */
export interface Batch<V> {
  set(key: Key, value: V, how?: Omit<WriteOptions, 'durability'>): this;
  del(key: Key): this;
  /** Refuses the batch with `ConditionFailed` unless the key is so now. */
  require(key: Key, what: 'absent' | 'present' | { seq: number }): this;
  commit(how?: { durability?: Durability }): Promise<void>;
}

export interface Segment {
  id: number;
  sizeBytes: number;
  liveBytes: number;
  deadBytes: number;
  tombstoneBytes: number;
  liveKeys: number;
  active: boolean;
  damaged: boolean;
}

export interface Stats {
  keys: number;
  liveBytes: number;
  deadBytes: number;
  tombstoneBytes: number;
  totalBytes: number;
  fragmentationPercent: number;
  /** Memory that the keys cost. */
  memoryBytes: number;
  lastSeq: number;
  epoch: number;
  /** Files held open. */
  handles: number;
  /** Oldest first. */
  segments: Segment[];
}

export interface Damage {
  file: string;
  offset: number;
  bytes: number;
  damage: string;
  /** Whether a key depends on these bytes. */
  live: boolean;
}

/** What opening found and did. */
export interface Report {
  /** The same for people. */
  summary: string;
  created: boolean;
  clean: boolean;
  degraded: boolean;
  clockJumped: boolean;
  epoch: number;
  keys: number;
  scannedRecords: number;
  scannedBytes: number;
  hintedBytes: number;
  tornBytes: number;
  tornRecords: number;
  undecidableBytes: number;
  undecidableRecords: number;
  rewrittenRecords: number;
  damages: Damage[];
  damagesOmitted: number;
  undecided: Damage[];
  orphans: string[];
}

export interface MergeReport {
  inputs: number;
  outputs: number;
  bytesBefore: number;
  bytesAfter: number;
  recordsKept: number;
  recordsDropped: number;
}

export interface VerifyReport {
  sound: boolean;
  files: number;
  records: number;
  liveRecords: number;
  bytes: number;
  damages: Damage[];
  undecided: Damage[];
}

/** An open store. Its calls may be made from any tab; all writes of one tick become one write and one flush. */
export interface Portcask<V = Json> {
  get<T = V>(key: Key, how?: ReadOptions): Promise<T | undefined>;
  set<T = V>(key: Key, value: T, how?: WriteOptions): Promise<void>;
  del(key: Key, how?: { durability?: Durability }): Promise<void>;
  has(key: Key): Promise<boolean>;
  /** Replaces a value by what `change` makes of it, at once and not by a promise; called again if another writer came in between. */
  update<T = V>(key: Key, change: (old: T | undefined) => T, how?: WriteOptions): Promise<void>;
  entry<T = V>(key: Key, how?: ReadOptions): Promise<Entry<T> | undefined>;
  getMany<T = V>(keys: Iterable<Key>, how?: ReadOptions): Promise<(T | undefined)[]>;
  /** All or nothing. */
  setMany<T = V>(entries: Iterable<[Key, T]>, how?: WriteOptions): Promise<void>;
  /** All or nothing. */
  delMany(keys: Iterable<Key>, how?: { durability?: Durability }): Promise<void>;
  clear(): Promise<void>;
  keys(options?: { prefix?: Key }): Promise<(string | Uint8Array)[]>;
  values<T = V>(options?: ScanOptions): Promise<T[]>;
  entries<T = V>(options?: ScanOptions): Promise<[string | Uint8Array, T][]>;
  /** Entries page by page, in no order. A key that is there all the while appears exactly once. */
  scan<T = V>(options?: ScanOptions): AsyncIterableIterator<[string | Uint8Array, T]>;
  batch(): Batch<V>;
  /** Calls back with the changes of all tabs to keys with this prefix. Answers how to stop. */
  watch(prefix: Key, listener: (changes: Change[]) => void): () => void;
  /** Waits until everything written so far is flushed. */
  flush(): Promise<void>;
  stats(): Promise<Stats>;
  /** Rewrites the log without what is dead, in small steps between other calls. */
  merge(): Promise<MergeReport | undefined>;
  /** Reads and checks every byte. */
  verify(): Promise<VerifyReport>;
  /** What the opening found. */
  report(): Promise<Report>;
  /** The store's files as a tar, which the native command opens once unpacked. */
  exportTo(): Promise<Blob>;
  exportTo(target: WritableStream<Uint8Array>): Promise<void>;
  /** Takes a tar's files over as this store's, which must have no keys. */
  importFrom(source: Blob | ReadableStream<Uint8Array> | ArrayBuffer | Uint8Array | Iterable<File>): Promise<Report>;
  estimate(): Promise<{ usage: number; quota: number; persisted: boolean }>;
  /** Asks the browser never to clear this site's storage by itself. */
  requestPersist(): Promise<boolean>;
  /** Believes the clock now, after it moved by more than a day and so expired nothing. */
  confirmClock(): Promise<void>;
  /** Where the store is kept. */
  backend(): Promise<'opfs' | 'memory'>;
  /** Whether this tab's worker holds the files. */
  readonly leads: boolean;
  close(): Promise<void>;
}

/** Opens a store of this site, made if it is not there. Any number of tabs may. */
export function open<V = Json>(name: string, options?: OpenOptions): Promise<Portcask<V>>;

/** Deletes a store and its files. Refuses with `LockedByOtherTab` while it is open anywhere. */
export function destroy(name: string): Promise<void>;

export * from './errors.js';
