// The records of a log file as data, fast enough to follow a log that grows. It loads the fuller module, and works in
// any thread: a file that is being written can be read beside its writer.

import { MemoryDirectory } from './memory.js';
import { OpfsFiles } from './opfs.js';

const WASM = new URL('./portcask-full.wasm', import.meta.url);
const HEADER_BYTES = 80;
const ROW_BYTES = 56;
const KINDS = { 0: 'gap', 1: 'put', 2: 'delete', 3: 'marker', 4: 'meta', 5: 'meta delete', 9: 'footer' };
const STATES = ['intact', 'damaged', 'cut'];
const BATCHES = [undefined, 'first', 'later'];

let reading;

/** What reads records, loaded once. */
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
}
