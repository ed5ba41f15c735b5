// A directory in memory that looks like one of the private file system.

class MemoryHandle {
  #file;

  constructor(file) { this.#file = file; }

  read(into, { at = 0 } = {}) {
    const piece = this.#file.bytes.subarray(Math.min(at, this.#file.size), Math.min(at + into.length, this.#file.size));
    into.set(piece);
    return piece.length;
  }

  write(from, { at = 0 } = {}) {
    this.#grow(at + from.length);
    this.#file.bytes.set(from, at);
    return from.length;
  }

  #grow(size) {
    const file = this.#file;
    if (size > file.bytes.length) {
      const larger = new Uint8Array(Math.max(size, file.bytes.length * 2));
      larger.set(file.bytes);
      file.bytes = larger;
    }
    file.size = Math.max(file.size, size);
  }

  truncate(size) {
    if (size > this.#file.size) return this.#grow(size);
    this.#file.bytes.fill(0, size, this.#file.size);
    this.#file.size = size;
    return undefined;
  }

  getSize() { return this.#file.size; }
  flush() {}
  close() {}
}

export class MemoryDirectory {
  /** By name: `{bytes, size}`; beyond `size` the bytes are zeros. */
  files = new Map();

  /** @param {Iterable<[string, Uint8Array]>} [files] copied */
  constructor(files = []) {
    for (const [name, bytes] of files) this.files.set(name, { bytes: bytes.slice(), size: bytes.length });
  }

  async* entries() {
    for (const name of this.files.keys()) yield [name, this.#handle(name)];
  }

  async getFileHandle(name) {
    if (!this.files.has(name)) this.files.set(name, { bytes: new Uint8Array(0), size: 0 });
    return this.#handle(name);
  }

  #handle(name) {
    return { kind: 'file', name, createSyncAccessHandle: async () => new MemoryHandle(this.files.get(name)) };
  }

  async removeEntry(name) { this.files.delete(name); }
}
