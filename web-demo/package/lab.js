// For looking into a store's files, and for trying on copies what a crash or rot would do to them. It works in any
// thread and touches no storage. It loads the fuller module, which an app has no use for.

import { Engine } from './engine.js';
import { NotReady } from './errors.js';
import { MemoryDirectory } from './memory.js';
import { OpfsFiles } from './opfs.js';

const WASM = new URL('./portcask-full.wasm', import.meta.url);
const HEADER_BYTES = 80;
const ROW_BYTES = 56;
const KINDS = { 0: 'gap', 1: 'put', 2: 'delete', 3: 'marker', 4: 'meta', 5: 'meta delete', 9: 'footer' };
const STATES = ['intact', 'damaged', 'cut'];
const BATCHES = [undefined, 'first', 'later'];
const OPTIONS = {
  segmentBytes: 1 << 20, keyBytesMax: 65535, valueBytesMax: 512 << 20, ttl: 0, reserveBytes: 0,
  create: true, acceptStale: true, trustClock: true, verifyOverwrite: false,
};
const decoder = new TextDecoder();

let reading;

/** The pure functions of the module: records and texts of files. */
export function reader() {
  reading ??= Reader.load().catch((error) => { reading = undefined; throw error; });
  return reading;
}

class Reader {
  #calls;

  static async load() {
    const none = new OpfsFiles(new MemoryDirectory());
    const reader = new Reader();
    const memory = () => new Uint8Array(reader.#calls.memory.buffer);
    const compiled = await WebAssembly.compile(await (await fetch(WASM)).arrayBuffer());
    reader.#calls = (await WebAssembly.instantiate(compiled, { opfs: none.imports(memory) })).exports;
    return reader;
  }

  #give(...pieces) {
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    let at = this.#calls.room(bytes) >>> 0;
    for (const piece of pieces) {
      new Uint8Array(this.#calls.memory.buffer).set(piece, at);
      at += piece.length;
    }
    return bytes;
  }

  #answer(bytes) {
    const at = this.#calls.answer() >>> 0;
    return new Uint8Array(this.#calls.memory.buffer).slice(at, at + bytes);
  }

  /**
   * The records of a segment, in the order of writing, with what lies between them where they are damaged.
   * @param {Uint8Array} head the file's first 80 bytes
   * @param {Uint8Array} log its bytes from `from` on, which begin at a record
   */
  records(head, log, from = HEADER_BYTES) {
    if (head.length < HEADER_BYTES) return [];
    const rows = this.#answer(this.#calls.records(this.#give(head.subarray(0, HEADER_BYTES), log), from));
    const view = new DataView(rows.buffer);
    const records = [];
    for (let at = 0; at < rows.length; at += ROW_BYTES) {
      const double = (place) => view.getFloat64(at + 8 + 8 * place, true);
      const [headBytes, keyBytes] = [view.getUint16(at + 4, true), view.getUint16(at + 6, true)];
      const [offset, bytes, seq, expires, durable, batchRecords] = [0, 1, 2, 3, 4, 5].map(double);
      const keyAt = offset - from + headBytes;
      records.push({
        kind: KINDS[rows[at]], state: STATES[rows[at + 1]], batch: BATCHES[rows[at + 2]], batchRecords,
        offset, bytes, seq, headBytes, keyBytes, valueBytes: Math.max(0, bytes - headBytes - keyBytes),
        expires: expires || undefined, durable: durable < 0 ? undefined : durable,
        key: log.slice(keyAt, keyAt + keyBytes),
      });
    }
    return records;
  }

  /** A file as annotated text: offsets, bytes, what each field is called and says. */
  dump(file) { return decoder.decode(this.#answer(this.#calls.dump_file(this.#give(file)))); }
}

/** A store's files in memory, to be cut, changed and opened. */
export class Lab {
  #directory; #engine;

  /** @param {Iterable<[string, Uint8Array]>} [files] names and bytes, which are copied */
  constructor(files) { this.#directory = new MemoryDirectory(files); }

  /** `[name, bytes]` of every file, by name; the bytes are valid until the next change. */
  files() { return [...this.#directory.files.keys()].sort().map((name) => [name, this.bytes(name)]); }
  bytes(name) {
    const file = this.#directory.files.get(name);
    return file?.bytes.subarray(0, file.size);
  }
  /** Another one with a copy of every byte, as the files are now. */
  copy() { return new Lab(this.files()); }

  /** Cuts a file at a byte, as a crash may. */
  cut(name, at) { this.#directory.files.set(name, { bytes: this.bytes(name).slice(0, at), size: at }); }
  /** Flips one bit of a file, as rot does. */
  flip(name, offset, bit = 0) { this.bytes(name)[offset] ^= 1 << bit; }

  async records(name) {
    const bytes = this.bytes(name);
    return (await reader()).records(bytes, bytes.subarray(HEADER_BYTES));
  }

  /** Opens the store, with the recovery that this takes; answers its report. */
  async open(options = {}) {
    const files = new OpfsFiles(this.#directory);
    const engine = await Engine.load(WASM, files);
    for (const [name, number] of await files.openAll(1000, () => new NotReady('too many files'))) engine.seat(number, name);
    const seat = async () => { for (const name of engine.wanted()) engine.seat(await files.openOne(name), name); };
    for (;;) {
      await seat();
      try {
        const report = engine.open({ ...OPTIONS, ...options });
        await seat();
        this.#engine = engine;
        return report;
      } catch (error) {
        if (!(error instanceof NotReady)) throw error;
      }
    }
  }

  /** The opened store: its calls are those of `engine.js`, with bytes for keys and values. */
  get engine() { return this.#engine; }

  /** `[key, value]` of all that the opened store holds, as bytes. */
  entries() {
    const all = [];
    let cursor = 0n;
    do {
      const page = this.#engine.scan(cursor, 512, new Uint8Array(), true);
      for (const entry of page.entries) all.push(entry);
      cursor = page.next;
    } while (cursor);
    return all;
  }
}
