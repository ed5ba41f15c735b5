// A store's files in memory, to be looked at, cut and damaged: nothing here touches what is kept. Works on any thread.

import { keyBytes, keyOf, valueOf } from './codec.js';
import { Engine } from './engine.js';
import { BadOption, NotReady } from './errors.js';
import { MemoryDirectory } from './memory.js';
import { OpfsFiles } from './opfs.js';
import { NO_TAR, unpack } from './tar.js';
import * as words from './words.js';

const OPTIONS = { segmentBytes: 8 << 20, keyBytesMax: 65535, valueBytesMax: 512 << 20, ttl: 0, reserveBytes: 0, create: false, trustClock: true };
const decoder = new TextDecoder();

export class Lab {
  #files; #url; #engine; #values;

  /** @param {Map<string, Uint8Array>} files */
  constructor(files, { wasmUrl = new URL('./portcask-full.wasm', import.meta.url), values = 'text' } = {}) {
    this.#files = files;
    this.#url = wasmUrl;
    this.#values = values;
  }

  /** From a tar (`exportTo()`), or files by name. @param {Blob | Map<string, Uint8Array> | Iterable<File>} source */
  static async load(source, options) {
    if (source instanceof Map) return new Lab(new Map(source), options);
    const found = source instanceof Blob ? await unpack(source) : Array.from(source, (file) => [file.name, file]);
    if (!found) throw new BadOption(NO_TAR);
    const files = await Promise.all(found.map(async ([name, blob]) => [name, new Uint8Array(await blob.arrayBuffer())]));
    return new Lab(new Map(files.sort(([a], [b]) => (a < b ? -1 : 1))), options);
  }

  files() { return Array.from(this.#files, ([name, bytes]) => ({ name, bytes: bytes.length })); }
  bytes(name) { return this.#files.get(name); }

  /** Another one, whose files may be changed without changing these. */
  copy() {
    return new Lab(new Map(Array.from(this.#files, ([name, bytes]) => [name, bytes.slice()])), { wasmUrl: this.#url, values: this.#values });
  }

  /** Ends a file at a byte, as a crash in the middle of a write may. */
  cut(name, at) { this.#files.set(name, this.#files.get(name).slice(0, at)); return this; }
  /** Turns one bit around, as rot does. */
  flip(name, bit) { this.#files.get(name)[bit >> 3] ^= 1 << (bit & 7); return this; }
  remove(name) { this.#files.delete(name); return this; }

  async #fresh() {
    const files = new OpfsFiles(new MemoryDirectory(this.#files));
    const engine = await Engine.load(this.#url, files, undefined, words);
    for (const [name, number] of await files.openAll(Infinity)) engine.seat(number, name);
    return { engine, files };
  }

  /** The annotated text of a file, as the native `portcask dump` prints it. */
  async dump(name) {
    const { engine } = await this.#fresh();
    return decoder.decode(engine.ask('dump', name));
  }

  /** The parts of a file: header, records, damage, footer, each with its fields. */
  async records(name) { return parts(await this.dump(name), this.#files.get(name).length); }

  /** Opens a copy of the files as a store would be opened after a crash; answers the report. */
  async open({ salvage = false, readOnly = false } = {}) {
    const { engine, files } = await this.#fresh();
    const options = { ...OPTIONS, readOnly, salvage };
    for (let tries = 0; ; tries += 1) {
      for (const wanted of engine.wantedToOpen()) engine.seat(await files.openOne(wanted), wanted);
      try {
        const report = engine.open(options);
        this.#engine = engine;
        return report;
      } catch (error) {
        if (!(error instanceof NotReady) || tries === 8) throw error;
      }
    }
  }

  // What was opened.

  get(key, { as = this.#values } = {}) { return valueOf(this.#engine.get(keyBytes(key)), as); }
  entries({ as = this.#values, prefix = '' } = {}) {
    const found = [];
    let cursor = 0n;
    do {
      const { entries, next } = this.#engine.scan(cursor, 256, keyBytes(prefix), true);
      for (const [key, value] of entries) found.push([keyOf(key), valueOf(value, as)]);
      cursor = next;
    } while (cursor);
    return found;
  }
  stats() { return this.#engine.stats(); }
  verify() {
    for (let part = 0; ; part += 1) {
      const report = this.#engine.verify(part);
      if (report) return report;
    }
  }

  /** Every version of a key that the log still holds, oldest first. */
  history(key, { as = this.#values } = {}) {
    const bytes = this.#engine.ask('history', keyBytes(key));
    const view = new DataView(bytes.buffer);
    const versions = [];
    for (let at = 0; at < bytes.length;) {
      const [seq, expires, offset] = [0, 8, 16].map((from) => view.getFloat64(at + from, true));
      const [live, put, name, value] = [24, 28, 32, 36].map((from) => view.getUint32(at + from, true));
      at += 40;
      const file = decoder.decode(bytes.subarray(at, at + name));
      at += name;
      versions.push({ seq, expires: expires || undefined, file, offset, live: !!live, deleted: !put, value: put ? valueOf(bytes.slice(at, at + value), as) : undefined });
      at += value;
    }
    return versions;
  }
}

/** The dump's lines as data: `{title, offset, bytes, fields: [{offset, hex, name, says}]}`. */
function parts(dump, size) {
  const found = [];
  for (const line of dump.split('\n')) {
    const field = /^ +(\d+) {2}((?:[0-9a-f]{2} ?)+|) *(.*)$/.exec(line);
    if (field && found.length) {
      const [name, ...says] = field[3].split(/ {2,}/);
      found.at(-1).fields.push({ offset: Number(field[1]), hex: field[2].trim(), name, says: says.join(' ') });
    } else if (line) {
      const at = / at (\d+)/.exec(line);
      found.push({ title: line, offset: at ? Number(at[1]) : 0, fields: [] });
    }
  }
  // What tells a number of bytes ends where the next part begins.
  const placed = found.filter((part, at) => at === 0 || / at \d+/.test(part.title));
  placed.forEach((part, at) => { part.bytes = (placed[at + 1]?.offset ?? size) - part.offset; });
  return placed;
}
