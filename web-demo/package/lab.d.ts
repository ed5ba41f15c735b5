/** A store's files in memory, to be looked at, cut and damaged: nothing here touches what is kept. Works on any thread. */

import type { Format, Key, ReadOptions, Report, ScanOptions, Stats, VerifyReport } from './index.js';

export interface LabOptions {
  /** Where `portcask-full.wasm` is, if not beside this file. */
  wasmUrl?: string | URL;
  /** How values are told. Default `text`. */
  values?: Format;
}

export interface Field {
  offset: number;
  /** Its bytes, or the first of them. */
  hex: string;
  name: string;
  says: string;
}

/** A header, a record, damage or a footer. */
export interface Part {
  title: string;
  offset: number;
  bytes: number;
  fields: Field[];
}

/** One version of a key that the log still holds. */
export interface Version {
  seq: number;
  expires?: number;
  file: string;
  offset: number;
  /** Whether it is the one that `get` answers. */
  live: boolean;
  deleted: boolean;
  value?: unknown;
}

export class Lab {
  /** From a tar (`exportTo()`), files, or bytes by name. */
  static load(source: Blob | Map<string, Uint8Array> | Iterable<File>, options?: LabOptions): Promise<Lab>;
  files(): { name: string; bytes: number }[];
  bytes(name: string): Uint8Array | undefined;
  /** Another one, whose files may be changed without changing these. */
  copy(): Lab;
  /** Ends a file at a byte, as a crash in the middle of a write may. */
  cut(name: string, at: number): this;
  /** Turns one bit around, as rot does. */
  flip(name: string, bit: number): this;
  remove(name: string): this;
  /** The annotated text of a file, as the native `portcask dump` prints it. */
  dump(name: string): Promise<string>;
  /** The same as data. */
  records(name: string): Promise<Part[]>;
  /** Opens a copy of the files as after a crash. What follows answers from it. */
  open(how?: { salvage?: boolean; readOnly?: boolean }): Promise<Report>;
  get(key: Key, how?: ReadOptions): unknown;
  entries(options?: ScanOptions): [string | Uint8Array, unknown][];
  stats(): Stats;
  verify(): VerifyReport;
  /** Oldest first. */
  history(key: Key, how?: ReadOptions): Version[];
}
