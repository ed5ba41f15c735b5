// What the log of a store looks like: its files are read as they grow, by any tab, beside whoever writes them.

import { reader } from '../package/records.js';

const HEADER_BYTES = 80;
const latin = new TextDecoder('latin1');

/** The folder of a store in the browser's private file system. */
async function folderOf(store) {
  let folder = await navigator.storage.getDirectory();
  for (const part of ['portcask', ...store.split('/')]) folder = await folder.getDirectoryHandle(part);
  return folder;
}

/** Names of the stores of this site, those in folders of folders left out. */
export async function storeNames() {
  const names = [];
  try {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('portcask');
    for await (const [name, entry] of folder.entries()) if (entry.kind === 'directory') names.push(name);
  } catch { /* none yet */ }
  return names.sort();
}

/** Every file of a store with its bytes, as they are now. */
export async function filesOf(store) {
  const files = [];
  for await (const [name, file] of (await folderOf(store)).entries()) {
    if (file.kind !== 'file') continue;
    const bytes = new Uint8Array(await (await file.getFile()).arrayBuffer());
    if (bytes.length) files.push([name, bytes]);
  }
  return files;
}

/** One segment, as far as it was read. */
class Segment {
  records = [];
  readTo = HEADER_BYTES;

  constructor(name) {
    this.name = name;
    this.id = Number(name.slice('segment-'.length));
  }

  /** Reads what came since; answers the new records. Whatever is not whole yet is left for the next time. */
  async grow(file, records) {
    this.size = file.size;
    this.head ??= new Uint8Array(await file.slice(0, HEADER_BYTES).arrayBuffer());
    const log = new Uint8Array(await file.slice(this.readTo).arrayBuffer());
    const found = records(this.head, log, this.readTo);
    while (found.length && (found.at(-1).kind === 'gap' || found.at(-1).state === 'cut')) found.pop();
    for (const record of found) {
      record.segment = this;
      this.readTo = record.offset + record.bytes;
      this.records.push(record);
    }
    return found;
  }
}

export class LogModel {
  /** Oldest first. @type {Segment[]} */
  segments = [];
  #files = new Map();
  /** The newest record of each key. */
  #newest = new Map();
  #handles = new Map();

  constructor(store) { this.store = store; }

  /** Reads what changed; answers the records that are new, and whether files went. @param store tells the files' order */
  async refresh(store) {
    const [{ records }, stats] = await Promise.all([this.#reading(), store.stats()]);
    const order = new Map(stats.segments.map(({ id, active }, at) => [id, { at, active }]));
    const seen = new Map();
    for await (const [name, handle] of (await folderOf(this.store)).entries()) {
      if (!/^segment-\d{10,}$/.test(name)) continue;
      const file = await handle.getFile();
      if (file.size > 0) seen.set(name, [handle, file]);
    }
    const shrunk = [...this.#files].some(([name, segment]) => !seen.has(name) || seen.get(name)[1].size < segment.readTo);
    if (shrunk) {
      // What merge took away, or another store: the places of all keys are told anew.
      for (const [name, segment] of this.#files) {
        if (!seen.has(name) || seen.get(name)[1].size < segment.readTo) this.#files.delete(name);
      }
      this.#newest.clear();
    }
    const news = [];
    for (const [name, [handle, file]] of seen) {
      const segment = this.#files.get(name) ?? new Segment(name);
      this.#files.set(name, segment);
      this.#handles.set(name, handle);
      if (file.size > segment.readTo || !segment.head) news.push(...await segment.grow(file, records));
    }
    for (const segment of this.#files.values()) {
      const known = order.get(segment.id);
      segment.at = known?.at ?? Infinity;
      segment.state = !known ? 'merging' : known.active ? 'grows' : 'sealed';
    }
    this.segments = [...this.#files.values()].sort((a, b) => a.at - b.at || a.id - b.id);
    for (const record of shrunk ? this.segments.flatMap((segment) => segment.records) : news) this.#place(record);
    return { news, shrunk };
  }

  async #reading() {
    const module = await reader();
    return { records: (...given) => module.records(...given) };
  }

  /** A later record of a key takes the life of the one before. A copy that merge made has the same number. */
  #place(record) {
    const user = record.kind === 'put' || record.kind === 'delete';
    const system = record.kind === 'meta' || record.kind === 'meta delete';
    record.live = false;
    if (!user && !system) return;
    const key = `${system ? 'm' : 'u'}${latin.decode(record.key)}`;
    const before = this.#newest.get(key);
    if (before && (before.seq > record.seq || (before.seq === record.seq && before.segment.id > record.segment.id))) return;
    if (before) before.live = false;
    this.#newest.set(key, record);
    record.live = record.kind === 'put' || record.kind === 'meta';
  }

  /** The newest record of a key that a person gave. */
  find(key) { return this.#newest.get(`u${latin.decode(new TextEncoder().encode(key))}`); }

  /** All bytes of a record, or its first so many. */
  async bytesOf(record, most = 512) {
    const file = await this.#handles.get(record.segment.name).getFile();
    return new Uint8Array(await file.slice(record.offset, record.offset + Math.min(record.bytes, most)).arrayBuffer());
  }
}

/** Whether a record is what a reader would find now. */
export const isLive = (record, now = Date.now()) => record.live && !(record.expires <= now);
