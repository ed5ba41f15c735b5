/** For those who live in a dedicated worker: a store whose every call answers at once. */

import type { Entry, Format, Json, Key, MergeReport, OpenOptions, ReadOptions, Report, ScanOptions, Stats, VerifyReport, WriteOptions } from './index.js';

export * from './errors.js';

export type SyncOptions = Omit<OpenOptions, 'worker' | 'leaderTimeout' | 'durability'>;

export interface SyncStore<V = Json> {
  /** What opening found. */
  readonly report: Report;
  readonly backend: 'opfs' | 'memory';
  get<T = V>(key: Key, how?: ReadOptions): T | undefined;
  has(key: Key): boolean;
  entry<T = V>(key: Key, how?: ReadOptions): Entry<T> | undefined;
  getMany<T = V>(keys: Key[], how?: ReadOptions): (T | undefined)[];
  /** Throws `NotReady` before anything is written if no file is ready for it: await `reserve()` and call again. */
  set<T = V>(key: Key, value: T, how?: WriteOptions): void;
  del(key: Key, how?: { durability?: 'flushed' | 'written' }): void;
  /** All or nothing, in one write. */
  setMany<T = V>(entries: Iterable<[Key, T]>, how?: WriteOptions): void;
  delMany(keys: Iterable<Key>, how?: { durability?: 'flushed' | 'written' }): void;
  clear(): void;
  keys(options?: { prefix?: Key }): IterableIterator<string | Uint8Array>;
  entries<T = V>(options?: ScanOptions): IterableIterator<[string | Uint8Array, T]>;
  flush(): void;
  stats(): Stats;
  /** Merges for about so many bytes: a report when a merge is complete, `false` while there is more, else `undefined`. */
  mergeStep(bytes?: number): MergeReport | false | undefined;
  /** Reads and checks every byte, a file at a time: what else the worker has to do is done in between. */
  verify(): Promise<VerifyReport>;
  /** Opens the files of so many new segments ahead. Also done by itself whenever the worker has time. */
  reserve(segments?: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens a store for this worker alone; refuses with `LockedByOtherTab` where it is open. */
export function openSync<V = Json>(name: string, options?: SyncOptions): Promise<SyncStore<V>>;

export type { Entry, Format, Json, Key };
