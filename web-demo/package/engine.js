// The engine's module: its functions with JavaScript's values.

import { textOf, writeText } from './codec.js';
import { Failed, OutOfMemory, refusal } from './errors.js';
import { Answer, counted, merged, recovered, refused, verified } from './report.js';

const ABSENT = -1;
const REFUSED = -2;
/** As `module.rs` reads them; the last two are the fuller module's. */
const FLAGS = ['create', 'acceptStale', 'trustClock', 'verifyOverwrite', 'readOnly', 'salvage'];
const SIZES = ['segmentBytes', 'keyBytesMax', 'valueBytesMax', 'ttl', 'reserveBytes'];
const ROOM_BYTES = 1 << 16;
const NOTHING = new Uint8Array();
const decoder = new TextDecoder();
const PLAIN = { worded: (error) => error, named: (report) => report };

/** Compiled once per module address, however many stores a worker opens. */
const compiled = new Map();

export function compile(url) {
  const key = String(url);
  if (!compiled.has(key)) compiled.set(key, fetched(url).catch((error) => { compiled.delete(key); throw error; }));
  return compiled.get(key);
}

async function fetched(url) {
  const answer = await fetch(url).catch((cause) => { throw new Failed(`the engine cannot be loaded from ${url}`, { cause }); });
  if (!answer.ok) throw new Failed(`the engine cannot be loaded: ${url} answers ${answer.status}`);
  // A server that names another type is no reason to fail.
  return answer.headers.get('content-type')?.startsWith('application/wasm')
    ? WebAssembly.compileStreaming(answer)
    : WebAssembly.compile(await answer.arrayBuffer());
}

export class Engine {
  #calls; #memory; #bytes; #room; #roomBytes = 0; #files; #url; #later; #imports; #words; #loading = {};

  /**
   * @param {string | URL} url of the module @param {import('./opfs.js').OpfsFiles} files
   * @param {Record<'begin' | 'open' | 'recover' | 'rest', string | URL>} [later] of what the module leaves out (`split.mjs`), unless it is whole
   * @param {{worded: Function, named: Function}} [words] `words.js`, unless errors and reports are sent to a page that has it
   */
  static async load(url, files, later, words = PLAIN) {
    const engine = new Engine();
    engine.#words = words;
    engine.#files = files;
    engine.#url = url;
    engine.#later = later;
    engine.#imports = { opfs: files.imports(() => engine.#all()) };
    const { exports } = await WebAssembly.instantiate(await compile(url), engine.#imports);
    engine.#calls = exports;
    engine.#memory = exports.memory;
    engine.#makeRoom(ROOM_BYTES);
    return engine;
  }

  /** Another one like this, with nothing in it. */
  async again() {
    const engine = await Engine.load(this.#url, this.#files, this.#later, this.#words);
    await engine.complete();
    return engine;
  }

  /** Loads a part behind those that it builds on, unless that was done or the module is whole: then it has this call. */
  async #load(part, call, before) {
    if (this.#calls[call]) return;
    this.#loading[part] ??= this.#loaded(part, before).finally(() => { this.#loading[part] = undefined; });
    await this.#loading[part];
  }

  async #loaded(part, before) {
    // Fetched side by side, and instantiated in order.
    const compiling = compile(this.#later[part]);
    compiling.catch(() => {});
    await before?.call(this);
    const calls = this.#calls;
    const { exports } = await WebAssembly.instantiate(await compiling, { ...this.#imports, first: calls, open: calls, recover: calls });
    this.#calls = { ...this.#calls, ...exports };
  }

  /** To be awaited before `create`. */
  beginning() { return this.#load('begin', 'create'); }

  /** To be awaited before `reopen`. */
  opening() { return this.#load('open', 'reopen'); }

  /** To be awaited before `open` and `wantedToOpen`. */
  recovering() { return this.#load('recover', 'open', this.opening); }

  /** To be awaited before `stats`, `clear`, `tick`, `retune`, `confirmClock` or a merge: everything is there then. */
  complete() { return Promise.all([this.beginning(), this.#load('rest', 'tick', this.recovering)]); }

  /** All of the memory, as it is now: growing takes older views away. */
  #all() {
    if (this.#bytes?.buffer !== this.#memory.buffer) this.#bytes = new Uint8Array(this.#memory.buffer);
    return this.#bytes;
  }

  #makeRoom(bytes) {
    if (bytes > this.#roomBytes) {
      this.#room = this.#calls.room(bytes) >>> 0;
      if (!this.#room) throw new OutOfMemory(`no memory for ${bytes} bytes`);
      this.#roomBytes = bytes;
    }
    return this.#room;
  }

  /** Puts bytes, or a string, where the next call looks for them; answers how many. */
  #give(what) {
    if (typeof what === 'string') {
      const room = this.#makeRoom(what.length * 3);
      return writeText(what, this.#all(), room);
    }
    // In this order: making room may move all of the memory.
    const room = this.#makeRoom(what.length);
    this.#all().set(what, room);
    return what.length;
  }

  /** What a call answered; throws a refusal. */
  #told(number, { worded } = this.#words) {
    if (number !== REFUSED) return number;
    const { refused: cause, looked } = this.#files;
    this.#files.refused = undefined;
    throw worded(refusal({ ...refused(this.#read(this.#calls.refused())), file: looked?.name ?? 'a file', cause: cause?.message }));
  }

  /** A copy of the answer's bytes. */
  #answer(length) {
    const at = this.#calls.answer() >>> 0;
    return this.#all().slice(at, at + length);
  }

  /** What the module's memory holds from an address on. */
  #read(at) { return new Answer(this.#all().subarray(at >>> 0)); }

  /** A report, read in place. */
  #report(read, length, words) { return this.#told(length, words) && this.#words.named(read(this.#read(this.#calls.answer()))); }

  /** Calls a function of a fuller module that answers bytes, with bytes or a number. */
  ask(name, given) { return this.#answer(this.#told(this.#calls[name](typeof given === 'number' ? given : this.#give(given)))); }

  /** Checks another part of what a fuller module has opened: a report once it was the last. @param {number} part from 0 on */
  verify(part) { return this.#report(verified, this.#calls.verify(part)) || undefined; }

  seat(number, name) { return this.#told(this.#calls.seat(number, this.#give(name))) === 1; }

  /** The names to seat before going on, for so many new segments of this store, or of a new one. */
  wanted(segments = 0) { return this.#names(this.#calls.wanted(segments)); }

  /** The names to seat before `open`. */
  wantedToOpen() { return this.#names(this.#calls.wanted_to_open()); }

  #names(answer) {
    const length = this.#told(answer);
    return length ? decoder.decode(this.#answer(length)).trimEnd().split('\n') : [];
  }

  /** A number whose handle may be closed and whose file deleted, or `undefined`. */
  giveBack(all) {
    const number = this.#told(this.#calls.give_back(all ? 1 : 0));
    return number === ABSENT ? undefined : number;
  }

  /** Another number whenever a file has come or gone. */
  changes() { return this.#calls.changes(); }

  /** Opens what lies in the directory. */
  open(options) { return this.#opened('open', options); }

  /** Opens what was closed in an orderly way; `undefined`, with nothing changed, where anything else lies. */
  reopen(options) { return this.#opened('reopen', options, PLAIN) || undefined; }

  /** Begins a store. Refuses, before anything is written, where a file has the name of a store's. */
  create(options) { return this.#opened('create', options, PLAIN); }

  #opened(call, options, words) {
    const given = new DataView(new ArrayBuffer(41));
    given.setUint8(0, FLAGS.reduce((flags, name, bit) => flags | (options[name] ? 1 << bit : 0), 0));
    SIZES.forEach((name, at) => given.setFloat64(1 + 8 * at, options[name], true));
    return this.#report(recovered, this.#calls[call](this.#give(new Uint8Array(given.buffer))), words);
  }

  /** A value's bytes, or its text where anything else is asked for: no buffer is made for that. */
  get(key, as = 'bytes') {
    const length = this.#calls.get(this.#give(key));
    if (this.#told(length) === ABSENT) return undefined;
    if (as === 'bytes') return this.#answer(length);
    const at = this.#calls.answer() >>> 0;
    return textOf(this.#all().subarray(at, at + length));
  }

  /** The value with its sequence number and expiry, or `undefined`. */
  entry(key) {
    const length = this.#told(this.#calls.entry(this.#give(key)));
    if (length === ABSENT) return undefined;
    const bytes = this.#answer(length);
    const view = new DataView(bytes.buffer);
    return { seq: view.getFloat64(0, true), expires: view.getFloat64(8, true) || undefined, value: bytes.subarray(16) };
  }

  getMeta(key) {
    const length = this.#told(this.#calls.get_meta(this.#give(key)));
    return length === ABSENT ? undefined : this.#answer(length);
  }

  /** Takes a batch as `Ops` makes it, and another one with it. */
  commit(ops, synced, more = NOTHING) {
    const room = this.#makeRoom(ops.length + more.length);
    this.#all().set(ops, room);
    this.#all().set(more, room + ops.length);
    this.#told(this.#calls.commit(ops.length + more.length, synced ? 1 : 0));
  }

  sync() { this.#told(this.#calls.sync()); }

  /** A page of entries `[key, value]` and the cursor of the next, `0n` at the end. */
  scan(cursor, limit, prefix, values) {
    const given = new Uint8Array(13 + prefix.length);
    const head = new DataView(given.buffer);
    head.setBigUint64(0, cursor, true);
    head.setUint32(8, limit, true);
    given[12] = values ? 1 : 0;
    given.set(prefix, 13);
    const bytes = this.#answer(this.#told(this.#calls.scan(this.#give(given))));
    const view = new DataView(bytes.buffer);
    const entries = [];
    for (let at = 8; at < bytes.length;) {
      const [keys, size] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
      at += 8;
      entries.push([bytes.slice(at, at + keys), values ? bytes.slice(at + keys, at + keys + size) : undefined]);
      at += keys + size;
    }
    return { entries, next: view.getBigUint64(0, true) };
  }

  stats() { return this.#report(counted, this.#calls.stats()); }

  /** `undefined` when nothing is due, `false` while there is more to do, a report when a merge is complete. */
  mergeStep(budget) {
    const step = this.#told(this.#calls.merge_step(budget));
    return step > 1 ? this.#report(merged, step) : step === 1 ? false : undefined;
  }

  /** Segments are sealed at another size from now on. */
  retune(segmentBytes) { this.#told(this.#calls.retune(segmentBytes)); }
  mergeAll() { return this.#told(this.#calls.merge_all()) === 1; }
  mergeInNeed() { return this.#report(merged, this.#calls.merge_in_need()); }
  tick() { this.#told(this.#calls.tick()); }
  clear() { this.#told(this.#calls.clear()); }
  confirmClock() { this.#told(this.#calls.confirm_clock()); }
  close() { this.#told(this.#calls.close()); }
}
