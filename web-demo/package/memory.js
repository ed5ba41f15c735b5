// A directory in memory that looks like one of the browser's private file system, synchronous handles included. It
// works in any thread and forgets everything with the page.

/** A file: its bytes grow by doubling. It is its own synchronous handle, for nobody shares it. */
class MemoryFile {
  kind = 'file';
  #bytes = new Uint8Array(256);
  #length = 0;

  constructor(name) { this.name = name; }

  /** Its bytes, as they are now; valid until the next write. */
  bytes() { return this.#bytes.subarray(0, this.#length); }

  async createSyncAccessHandle() { return this; }
  async getFile() { return new File([this.bytes()], this.name); }

  read(into, { at = 0 } = {}) {
    const piece = this.#bytes.subarray(at, Math.min(this.#length, at + into.length));
    into.set(piece);
    return piece.length;
  }

  write(bytes, { at = 0 } = {}) {
    const end = at + bytes.length;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      larger.set(this.bytes());
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, at);
    this.#length = Math.max(this.#length, end);
    return bytes.length;
  }

  truncate(length) {
    if (length > this.#length) this.write(new Uint8Array(length - this.#length), { at: this.#length });
    this.#bytes.fill(0, length, this.#length);
    this.#length = length;
  }

  getSize() { return this.#length; }
  flush() {}
  close() {}
}

/** What `OpfsFiles` needs of a directory. */
export class MemoryDirectory {
  kind = 'directory';
  /** @type {Map<string, MemoryFile>} */
  #files = new Map();

  /** @param {Iterable<[string, Uint8Array]>} [files] names and bytes, which are copied */
  constructor(files = []) {
    for (const [name, bytes] of files) this.#create(name).write(bytes);
  }

  #create(name) {
    const file = new MemoryFile(name);
    this.#files.set(name, file);
    return file;
  }

  /** A file of this name, or `undefined`. */
  file(name) { return this.#files.get(name); }

  /** `[name, bytes]` of every file, by name. */
  contents() {
    return [...this.#files].map(([name, file]) => [name, file.bytes()]).sort(([a], [b]) => (a < b ? -1 : 1));
  }

  async *entries() { yield* [...this.#files]; }
  async *keys() { yield* [...this.#files.keys()]; }

  async getFileHandle(name, { create = false } = {}) {
    const file = this.#files.get(name) ?? (create ? this.#create(name) : undefined);
    if (!file) throw new DOMException(`there is no file ${name}`, 'NotFoundError');
    return file;
  }

  async removeEntry(name) {
    if (!this.#files.delete(name)) throw new DOMException(`there is no file ${name}`, 'NotFoundError');
  }
}
