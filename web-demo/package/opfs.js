// Synchronous files for WebAssembly: the handles of one OPFS directory, opened ahead, by number.
//
// Usable without the rest: whatever wants synchronous positional files in a worker can import this.

import { Blocks, SMALL } from './blocks.js';
import { Failed, LockedByOtherTab, NeedsWorker, NoStore, PrivateMode, QuotaExceeded, Unsupported } from './errors.js';

/** How long a handle that somebody else still holds is asked for. A closed tab's are free within milliseconds. */
const PATIENCE_MS = 4000;

/** The number of no handle. */
export const NO_FILE = 0xffffffff;

const CLASSES = {
  NotFoundError: -1, QuotaExceededError: -3, NoModificationAllowedError: -5,
  NotAllowedError: -6, SecurityError: -6, InvalidStateError: -9,
};

const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

/** The directory at `path` ("a/b") of this site's private file system. */
export async function directoryAt(path, create = true) {
  const storage = globalThis.navigator?.storage;
  if (!storage?.getDirectory) {
    throw globalThis.isSecureContext === false
      ? new Unsupported('the private file system needs a secure context: serve the page over https or from localhost')
      : new Unsupported('this browser has no private file system');
  }
  try {
    let directory = await storage.getDirectory();
    for (const part of path.split('/')) directory = await directory.getDirectoryHandle(part, { create });
    return directory;
  } catch (error) {
    throw explained(error);
  }
}

/** A browser's error as one of ours. */
export function explained(error) {
  const more = { cause: error };
  switch (error?.name) {
    case 'SecurityError':
    case 'NotAllowedError':
      return new PrivateMode('the browser refuses storage here, as in a private window: use an ordinary one, or open with memory: true', more);
    case 'QuotaExceededError':
      return new QuotaExceeded('the site is out of space', more);
    case 'NoModificationAllowedError':
      return new LockedByOtherTab('another tab holds the files of this store and does not let go', more);
    case 'NotFoundError':
      return new NoStore('there is no store of this name', more);
    case 'TypeMismatchError':
      return new Failed('a file stands where the folder of the store would be', more);
    default:
      return error;
  }
}

/** A file's synchronous handle, waited for some seconds where somebody else still has it. @param {FileSystemFileHandle} file */
export async function accessTo(file) {
  for (let waited = 0, pause = 1; ; waited += pause, pause = Math.min(pause * 2, 250)) {
    try {
      if (!file.createSyncAccessHandle) throw new NeedsWorker('synchronous files exist in dedicated workers only');
      return await file.createSyncAccessHandle();
    } catch (error) {
      if (error?.name !== 'NoModificationAllowedError' || waited >= PATIENCE_MS) throw explained(error);
      await sleep(pause);
    }
  }
}

/** Open handles of one directory. */
export class OpfsFiles {
  #blocks = new Blocks();

  /** @param {FileSystemDirectoryHandle} directory */
  constructor(directory) {
    this.directory = directory;
    /** By number; `null` once closed. @type {(null | {name: string, file: FileSystemFileHandle, access: FileSystemSyncAccessHandle})[]} */
    this.open = [];
    /** The browser's last refusal of a synchronous call. @type {Error | undefined} */
    this.refused = undefined;
    /** The file that the last such call was about. @type {{name: string} | undefined} */
    this.looked = undefined;
    /** Grows whenever a file is cut short or deleted: what was read of one before may be of no use any more. */
    this.cuts = 0;
  }

  /** Whether there is nothing at all in the directory. */
  async isEmpty() { return (await this.directory.entries().next()).done; }

  /** Opens every file that is there; answers `[name, number]` of each. Refuses more than `limit` before opening any. */
  async openAll(limit, TooMany) {
    const found = [];
    for await (const [name, file] of this.directory.entries()) {
      if (file.kind === 'file' && /^[a-z0-9_-][a-z0-9._-]{0,63}$/.test(name) && name !== 'lock') found.push([name, file]);
    }
    if (found.length > limit) throw TooMany(found.length);
    const opened = [];
    for (const [name, file] of found) opened.push([name, await this.#seat(name, file)]);
    return opened;
  }

  /** Opens a file, made if it is not there; answers its number, or `NO_FILE` where a folder has the name. */
  async openOne(name) {
    try {
      return await this.#seat(name, await this.directory.getFileHandle(name, { create: true }));
    } catch (error) {
      if (error?.name === 'TypeMismatchError') return NO_FILE;
      throw explained(error);
    }
  }

  async #seat(name, file) { return this.open.push({ name, file, access: await accessTo(file) }) - 1; }

  /** Closes a handle and deletes its file. */
  async discard(number) {
    const { name, access } = this.open[number];
    this.cuts += 1;
    this.open[number] = null;
    access.close();
    await this.directory.removeEntry(name).catch(() => {});
  }

  /** Closes every handle. Safe to call twice, and while the page goes away. */
  closeAll() {
    for (const [number, seat] of this.open.entries()) {
      this.open[number] = null;
      try { seat?.access.close(); } catch { /* it is closed then */ }
    }
  }

  /** What the engine imports under the name `opfs`. @param {() => Uint8Array} bytes all of the module's memory, as it is now */
  imports(bytes) {
    const at = { at: 0 };
    const refuse = (error) => {
      this.refused = error;
      return CLASSES[error?.name] ?? -4;
    };
    const { open } = this;
    const blocks = this.#blocks;
    /** Does it with an open file; -9 where there is none. */
    const using = (number, deed) => {
      const seat = this.looked = open[number];
      if (!seat) return -9;
      try { return deed(seat, seat.access) ?? 0; } catch (error) { return refuse(error); }
    };
    return {
      pread(number, address, length, offset) {
        return using(number, (seat, access) => {
          const into = bytes().subarray(address, address + length);
          if (length <= SMALL) return blocks.read(number, seat, into, offset);
          at.at = offset;
          return access.read(into, at);
        });
      },
      pwrite(number, address, length, offset) {
        return using(number, (seat, access) => {
          blocks.forget(number, seat, offset, length);
          at.at = offset;
          return access.write(bytes().subarray(address, address + length), at);
        });
      },
      flush: (number) => using(number, (_, access) => access.flush()),
      size: (number) => using(number, (_, access) => access.getSize()),
      truncate: (number, length) => using(number, (seat, access) => {
        this.cuts += 1;
        blocks.forget(number, seat, length, Infinity);
        access.truncate(length);
      }),
      now: Date.now,
      entropy(address, length) {
        try { crypto.getRandomValues(bytes().subarray(address, address + length)); return 0; } catch (error) { return refuse(error); }
      },
    };
  }
}
