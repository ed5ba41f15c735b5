// One store on one worker's handles, with everything but the verbs: those are the leader's, or `sync.js`'s.

import { Closed, NeedsWorker, NotEmpty, NotReady, PrivateMode, TooManyFiles, Unsupported } from './errors.js';
import { Engine, compile } from './engine.js';
import { MemoryDirectory } from './memory.js';
import { folderOf } from './names.js';
import { Note } from './note.js';
import { OpfsFiles, directoryAt } from './opfs.js';
import { COPY_BYTES, copied, nextTurn, segmentBytesFor } from './sizes.js';

const MIB = 1 << 20;
/** Handles that a store keeps open. Safari stops at 252 for all tabs of a site. */
const HANDLES_MAX = 100;
/** Bytes merged at once when idle: some milliseconds. */
const MERGE_BYTES = 1 * MIB;
/** The place in the engine's `ErrorKind` of what refuses a new store where something lies. */
const EXISTS = 1;
const DEFAULTS = {
  values: 'json', keys: 'text', ttl: 0, keyBytesMax: 65535, valueBytesMax: 512 * MIB, reserveBytes: MIB,
  create: true, acceptStale: false, trustClock: false, verifyOverwrite: false, merge: true,
};

export class Store {
  #files; #engine; #fuller; #words; #seen; #idle; #opening = false; #ending = false; #closed = false; #turn = Promise.resolve(); #whole = Promise.resolve();
  options;
  /** `opfs` or `memory`. */
  backend;
  /** What opening found. */
  report;
  /** The call that the store as a whole is subject to, or was last. @type {Note} */
  note;
  /** While the engine is closed for a moment: what to await before it is called. @type {Promise<void> | undefined} */
  reopening;

  /** Opens a store in this worker. The caller holds its lock. */
  static async open(name, options = {}, words = undefined) {
    const store = new this();
    store.options = { ...DEFAULTS, ...options };
    const directory = await store.#directory(name);
    const files = store.#files = new OpfsFiles(directory);
    store.note = new Note(directory);
    try {
      const { wasmUrl } = options;
      const beside = wasmUrl && new URL(wasmUrl, location);
      // Bundlers look for just these words.
      const later = wasmUrl
        ? Object.fromEntries(['begin', 'open', 'recover', 'rest'].map((part) => [part, new URL(`portcask-${part}.wasm`, beside)]))
        : {
          begin: new URL('./portcask-begin.wasm', import.meta.url),
          open: new URL('./portcask-open.wasm', import.meta.url),
          recover: new URL('./portcask-recover.wasm', import.meta.url),
          rest: new URL('./portcask-rest.wasm', import.meta.url),
        };
      // What will be needed is fetched meanwhile; whoever needs it then tries again.
      files.isEmpty().then((empty) => compile(empty ? later.begin : later.open)).catch(() => {});
      store.#fuller = wasmUrl ? new URL('portcask-full.wasm', beside) : new URL('./portcask-full.wasm', import.meta.url);
      store.#engine = await Engine.load(beside ?? new URL('./portcask.wasm', import.meta.url), files, later, words);
      store.#words = words;
      await store.note.read();
      await store.#undoImport();
      await store.#start();
      await store.#finishClear();
      // Nobody waits for it yet; who needs it later tries again.
      store.complete().catch(() => {});
      return store;
    } catch (error) {
      store.#letGo();
      throw error;
    }
  }

  /** An import that was cut short took the place of a store without keys, and may be no store yet. */
  async #undoImport() {
    if (this.note.call?.verb !== 'import' || this.note.done) return;
    await this.#files.openAll(Infinity);
    await this.#empty();
    await this.note.remove();
  }

  async #finishClear() {
    if (this.note.call?.verb !== 'clear' || this.note.done) return;
    await this.complete();
    await this.whenReady(() => this.clear());
    this.note.finish();
  }

  #letGo() {
    this.#files.closeAll();
    this.note.close();
  }

  async #directory(name) {
    const folder = folderOf(name);
    const { memory, create } = this.options;
    try {
      if (memory !== true) {
        if (!('FileSystemSyncAccessHandle' in globalThis) && 'document' in globalThis) {
          throw new NeedsWorker('synchronous files exist in dedicated workers only: call this there, or use open() of "portcask" on the page');
        }
        const directory = await directoryAt(folder, create);
        this.backend = 'opfs';
        return directory;
      }
    } catch (error) {
      if (memory !== 'fallback' || !(error instanceof Unsupported || error instanceof PrivateMode)) throw error;
    }
    this.backend = 'memory';
    return new MemoryDirectory();
  }

  async #start() {
    const engine = this.#engine;
    const opened = await this.#files.openAll(HANDLES_MAX * 2, (count) => new TooManyFiles(
      `${count} files are more than a browser lets us open: merge the store natively, with larger segments`));
    let bytes = 0;
    for (const [name, number] of opened) {
      bytes += this.#files.open[number].access.getSize();
      engine.seat(number, name);
    }
    this.options.segmentBytes = segmentBytesFor(bytes, this.options.segmentBytes);
    await this.#open(!bytes);
  }

  async #open(isNew = false) {
    this.report = (isNew ? await this.#create() : await this.#reopen()) || await this.#recover();
    await this.reserve();
    await this.#sweep();
    this.#later();
  }

  /** Begins a store where no file holds a byte; nothing where something else is in the way. */
  async #create() {
    await this.#engine.beginning();
    try {
      await this.reserve();
      return await this.#again(() => this.#engine.create(this.options));
    } catch (error) {
      if (error.told?.kind !== EXISTS) throw this.#words?.worded(error) ?? error;
      return undefined;
    }
  }

  /** Opens what was closed in an orderly way. Nothing for anything else, and where anything is refused: `#recover` can tell why. */
  async #reopen() {
    await this.#engine.opening();
    const epochs = this.#files.open.map((seat) => Number(/^manifest-(\d+)$/.exec(seat?.name)?.[1] ?? 0));
    try {
      await this.#seat([`manifest-${String(Math.max(...epochs) + 1).padStart(10, '0')}`]);
      return this.#engine.reopen(this.options);
    } catch {
      return undefined;
    }
  }

  /** Opens whatever lies there, with the part of the engine that only this needs: without it nothing is written. */
  async #recover() {
    await this.#engine.recovering();
    this.#opening = true;
    try {
      await this.reserve();
      // A stranger's file may stand in the way of a name: then another one is wanted.
      return await this.#again(() => this.#engine.open(this.options));
    } finally {
      this.#opening = false;
    }
  }

  /** Loads what `stats`, `clear` and merging need. */
  complete() { return this.#engine.complete(); }

  /** Calls again after opening what the call needs. */
  whenReady(call) { return this.#again(call, () => this.reopening); }

  async #again(call, before = () => {}) {
    for (let tries = 0; ; tries += 1) {
      const wait = before();
      if (wait) await wait;
      try { return call(); } catch (error) {
        if (!(error instanceof NotReady) || tries === 8) throw error;
        await this.reserve();
      }
    }
  }

  /** Opens what the next calls need: the files of so many new segments. */
  reserve(segments = 0) {
    return this.#inTurn(async () => {
      await this.#seat(this.#opening ? this.#engine.wantedToOpen() : this.#engine.wanted(segments));
      this.#seen = this.#engine.changes();
    });
  }

  async #seat(names) {
    for (const name of names) {
      const number = await this.#files.openOne(name);
      if (this.#closed) return;
      this.#engine.seat(number, name);
    }
  }

  /** Deletes the empty files that removed ones left. */
  #sweep(all = false) {
    return this.#inTurn(async () => {
      for (;;) {
        const number = this.#engine.giveBack(all);
        if (number === undefined) return;
        await this.#files.discard(number);
      }
    });
  }

  /** Closes and deletes whatever is empty: only then does a browser count its space as free. */
  async relieve() {
    await this.#sweep(true);
    await this.reserve();
  }

  /** One after another: no file is opened while it is deleted. */
  #inTurn(work) {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Likewise for what takes the store as a whole: nothing else that waits is under way meanwhile. */
  #alone(work) {
    const done = this.#whole.then(work);
    this.#whole = done.catch(() => {});
    return done;
  }

  /** Something was written: prepares files, tells the log what is durable, merges, when there is time. */
  #later() {
    if (this.#idle || this.#closed) return;
    this.#idle = setTimeout(() => {
      this.#idle = undefined;
      this.#alone(() => this.#work()).catch(() => { /* it is tried again with the next write, or told by it */ });
    }, 50);
  }

  async #work() {
    await this.complete();
    if (this.#closed) return;
    if (this.#engine.changes() !== this.#seen) {
      this.#grow();
      await this.reserve();
      await this.#sweep();
    }
    if (this.#closed) return;
    this.#engine.tick();
    if (this.options.merge && this.#engine.mergeStep(MERGE_BYTES) !== undefined) this.#later();
    if (this.#engine.changes() !== this.#seen) this.#later();
  }

  /** A store that has grown gets larger segments, so that its handles stay few; merge joins the older ones. */
  #grow() {
    const segmentBytes = segmentBytesFor(this.#engine.stats().totalBytes, this.options.segmentBytes);
    if (segmentBytes === this.options.segmentBytes) return;
    this.#engine.retune(segmentBytes);
    this.options.segmentBytes = segmentBytes;
  }

  #wrote(answer) {
    this.#later();
    return answer;
  }

  get engine() {
    if (this.#closed) throw new Closed('this store was closed: open it again');
    return this.#engine;
  }

  /** A batch as `Ops` makes it, and another one with it. */
  commit(ops, synced, more) { this.#wrote(this.engine.commit(ops, synced, more)); }

  flush() { this.engine.sync(); }
  clear() { this.#wrote(this.engine.clear()); }
  stats() { return this.engine.stats(); }
  /** Begins to merge everything; whether there is something to merge. */
  mergeAll() { return this.#wrote(this.engine.mergeAll()); }
  mergeInNeed() { return this.#wrote(this.engine.mergeInNeed()); }
  mergeStep(bytes = MERGE_BYTES) { return this.#wrote(this.engine.mergeStep(bytes)); }

  /**
   * Checks every byte, as somebody who opens the files to read them beside this store does. A file at a time: `pause` is
   * awaited in between.
   */
  verify(pause = nextTurn) { return this.#alone(() => this.#steadily(pause, (pause) => this.#verify(pause))); }

  /** Every file with its bytes as they lie, as after a clean close: `[name, Blob]`, manifests last. Some MiB at a time. */
  exportFiles(pause = nextTurn) { return this.#alone(() => this.#steadily(pause, (pause) => this.#export(pause))); }

  /** Reads files in parts. If that goes wrong where one was cut short or deleted meanwhile, it begins again, and in the end does not pause. */
  async #steadily(pause, read) {
    const pauseOpen = async () => {
      await pause();
      if (this.#ending) throw new Closed('the store was closed meanwhile');
    };
    for (let tries = 0; ; tries += 1) {
      const { cuts } = this.#files;
      const isTheLast = () => tries === 3 || this.#ending || this.#files.cuts === cuts;
      try {
        const done = await read(tries < 3 ? pauseOpen : undefined);
        if (done.sound !== false || isTheLast()) return done;
      } catch (error) {
        if (isTheLast()) throw error;
      }
    }
  }

  async #verify(pause) {
    const reader = await Engine.load(this.#fuller, this.#files, undefined, this.#words);
    this.engine.sync();
    for (const [number, seat] of this.#files.open.entries()) if (seat?.access.getSize()) reader.seat(number, seat.name);
    reader.open({ ...this.options, readOnly: true });
    for (let part = 0; ; part += 1) {
      const report = reader.verify(part);
      if (report) return report;
      await pause?.();
    }
  }

  async #export(pause) {
    // It is opened again for this, and must not be closed before that can be done.
    await this.#engine.recovering();
    this.engine.close();
    const files = [];
    try {
      for (const { name, access } of this.#files.open.filter(Boolean)) {
        const bytes = access.getSize();
        if (!bytes || name === 'reserve') continue;
        const pieces = Array.from({ length: Math.ceil(bytes / COPY_BYTES) }, (_, at) => [access, at * COPY_BYTES, bytes]);
        // Other files than manifests only grow from here on: what they hold now can be copied later.
        files.push([name, pause && !name.startsWith('manifest') ? pieces : new Blob(pieces.map(copied))]);
      }
    } finally {
      this.reopening = this.#open().finally(() => { this.reopening = undefined; });
      await this.reopening;
    }
    for (const file of files) {
      const [, pieces] = file;
      if (pieces instanceof Blob) continue;
      for (const [at, piece] of pieces.entries()) {
        pieces[at] = copied(piece);
        await pause();
      }
      file[1] = new Blob(pieces);
    }
    return files.sort(([a], [b]) => a.startsWith('manifest') - b.startsWith('manifest') || (a < b ? -1 : 1));
  }

  /** Takes files over as this store's, which must have no keys. What was there is gone if that fails. */
  importFiles(files, pause) { return this.#alone(() => this.#import(files, pause)); }

  async #import(files, pause) {
    if (this.stats().keys) throw new NotEmpty('only a store without keys can take others over: clear() it, or open another one');
    this.engine.close();
    try {
      await this.#empty();
      for (const [name, blob] of files) {
        const { access } = this.#files.open[await this.#files.openOne(name)];
        access.truncate(0);
        let at = 0;
        for (let from = 0; from < blob.size; from += COPY_BYTES) {
          const piece = new Uint8Array(await blob.slice(from, from + COPY_BYTES).arrayBuffer());
          for (let done = 0; done < piece.length; done += access.write(piece.subarray(done), { at: at + done }));
          at += piece.length;
          await pause?.();
        }
        access.flush();
      }
      await this.#restart();
    } catch (error) {
      await this.#empty();
      await this.#restart();
      throw error;
    }
    return this.report;
  }

  /** Deletes every file. */
  async #empty() {
    for (const [number, seat] of this.#files.open.entries()) if (seat) await this.#files.discard(number);
  }

  /** Opens the files as they are now, in a new engine. */
  async #restart() {
    this.#files.closeAll();
    this.#engine = await this.#engine.again();
    await this.#start();
  }

  /** Closes the store cleanly and gives its files free. */
  close() {
    this.#ending = true;
    return this.#alone(() => this.#close());
  }

  async #close() {
    if (this.#closed) return;
    clearTimeout(this.#idle);
    // Files that are being opened ahead are seated first.
    await this.#turn;
    this.#closed = true;
    try {
      this.#engine.close();
      await this.#sweep(true);
    } finally {
      this.#letGo();
    }
  }

  /** Lets go of the files at once, as a crash would: nothing that was acknowledged is lost. */
  abandon() {
    this.#ending = this.#closed = true;
    clearTimeout(this.#idle);
    this.#letGo();
  }
}
