// A note beside a store of the one call that is done to it as a whole, `clear` or `import`: these take away or replace
// whatever is in the store, and so also what the store itself could tell of them after a crash.

import { accessTo, explained } from './opfs.js';

/** Capitals: the engine looks at no such name. */
const NAME = 'CALL';
const [BEGUN, DONE] = [98, 100];
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Written before the deed, marked when it is done, removed when the store tells of it. Whoever opens the store next
 * finishes what was begun, before anybody is served.
 */
export class Note {
  #directory; #access;
  /** What was noted. @type {undefined | {verb: 'clear' | 'import', from: string, id: number}} */
  call;
  done = false;

  /** @param {FileSystemDirectoryHandle} directory */
  constructor(directory) { this.#directory = directory; }

  /** Finds the note of an earlier life. */
  async read() {
    const file = await this.#directory.getFileHandle(NAME).catch(() => {});
    if (!file) return;
    this.#access = await accessTo(file);
    const bytes = new Uint8Array(this.#access.getSize());
    this.#access.read(bytes, { at: 0 });
    try {
      this.call = JSON.parse(decoder.decode(bytes.subarray(1)));
      this.done = bytes[0] === DONE;
    } catch {
      // It was cut short, and so nothing had begun.
      await this.remove();
    }
  }

  /** Notes what is about to be done. */
  async begin(call) {
    try {
      this.#access = await accessTo(await this.#directory.getFileHandle(NAME, { create: true }));
      this.#access.write(Uint8Array.of(BEGUN, ...encoder.encode(JSON.stringify(call))), { at: 0 });
      this.#access.flush();
      this.call = call;
      this.done = false;
    } catch (error) {
      await this.remove();
      throw explained(error);
    }
  }

  /** Notes that it was done. */
  finish() {
    this.#access?.write(Uint8Array.of(DONE), { at: 0 });
    this.#access?.flush();
    this.done = true;
  }

  async remove() {
    this.call = undefined;
    this.close();
    await this.#directory.removeEntry(NAME).catch(() => {});
  }

  close() {
    this.#access?.close();
    this.#access = undefined;
  }
}
