/** Synchronous files for WebAssembly: the handles of one directory of the private file system, by number. */

/** The directory at `path` ("a/b") of this site's private file system. */
export function directoryAt(path: string, create?: boolean): Promise<FileSystemDirectoryHandle>;

/** The number of no handle: a folder has the name. */
export const NO_FILE: number;

/**
 * Functions that a module imports. Numbers below zero are refusals: -1 not found, -3 full, -5 locked, -6 denied,
 * -9 closed, -4 anything else. Offsets are doubles, exact up to 2^53.
 */
export interface OpfsImports {
  pread(file: number, address: number, length: number, offset: number): number;
  pwrite(file: number, address: number, length: number, offset: number): number;
  flush(file: number): number;
  size(file: number): number;
  truncate(file: number, length: number): number;
  now(): number;
  entropy(address: number, length: number): number;
}

/** Open handles of one directory, in a dedicated worker. */
export class OpfsFiles {
  constructor(directory: FileSystemDirectoryHandle);
  /** The browser's last refusal of a synchronous call. */
  refused?: Error;
  /** The file that the last such call was about. */
  looked?: { name: string };
  /** Opens every file that is there: names and numbers. Throws what `tooMany` makes of a number above `limit`. */
  openAll(limit: number, tooMany?: (count: number) => Error): Promise<[string, number][]>;
  /** Opens a file, made if it is not there. Waits some seconds for one that somebody else holds. */
  openOne(name: string): Promise<number>;
  /** Closes a handle and deletes its file. */
  discard(file: number): Promise<void>;
  closeAll(): void;
  /** What a module imports; `bytes` answers all of its memory as it is now. */
  imports(bytes: () => Uint8Array): OpfsImports;
}
