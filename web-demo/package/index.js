// A store on the page: any number of tabs, one log.

import { ABSENT, AT_SEQ, DELETE, FORMATS, Ops, PRESENT, among, isLonger, keyBytes, keyOf, lifeOf, valueOf, valuePlain } from './codec.js';
import { Client } from './client.js';
import { BadOption, ConditionFailed, KeyTooLong, LockedByOtherTab, Unsupported, ValueTooLarge } from './errors.js';
import { folderOf, storeLock } from './names.js';

export * from './errors.js';

/** Writes of one tick are taken together up to this many bytes. */
const GROUP_BYTES = 4 << 20;
/** Bytes of a page of a scan, about. */
const PAGE_BYTES = 256 << 10;
const LEVELS = ['flushed', 'written', 'queued'];

/** A key as it is sent: a text is sent faster than bytes, and with a part of a buffer all of the buffer would be. */
const keySent = (key) => (typeof key === 'string' ? key : keyBytes(key).slice());

/** What names reports and errors, and what has to do with files: loaded behind the first opening, so that it is there without a network. */
const words = () => import('./words.js');
const whole = () => import('./whole.js');
const named = async (report) => (await words()).named(await report);

/** Opens a store of this site. */
export async function open(name, options = {}) {
  folderOf(name);
  among('values', options.values, FORMATS);
  among('durability', options.durability, LEVELS);
  among('memory', options.memory, [true, false, 'fallback']);
  for (const time of ['ttl', 'leaderTimeout']) {
    if (!(options[time] === undefined || options[time] > 0)) throw new BadOption(`${time} is a number of milliseconds above 0`);
  }
  const client = new Client(name, options);
  const { backend } = await client.connect();
  Promise.all([words(), whole()]).catch(() => {});
  return new Portcask(client, backend, options);
}

/** Deletes a store and its files. */
export async function destroy(name) {
  const folder = folderOf(name);
  if (!globalThis.navigator?.locks) throw new Unsupported('there are no Web Locks here');
  const { deleted } = await whole();
  if (!await deleted(folder, storeLock(name))) throw new LockedByOtherTab(`the store "${name}" is open: close it in every tab first`);
}

class Portcask {
  #client; #backend; #options; #group; #updates = new Map(); #watchers = new Map();

  constructor(client, backend, options) {
    this.#client = client;
    this.#backend = backend;
    this.#options = { values: 'json', keys: 'text', durability: 'flushed', keyBytesMax: 65535, valueBytesMax: 512 << 20, ...options };
    client.onChanges = (changes) => this.#tell(changes);
  }

  get leads() { return this.#client.leads; }

  // Reading.

  #ask(verb, ...given) {
    // What was written before is written before this is read.
    this.#group = undefined;
    return this.#client.call(verb, ...given);
  }

  async get(key, { as = this.#options.values } = {}) { return valueOf(await this.#ask('get', keySent(key), as), as); }
  async has(key) { return this.#ask('has', keySent(key)); }
  async entry(key, { as = this.#options.values } = {}) {
    const entry = await this.#ask('entry', keySent(key));
    return entry && { ...entry, value: valueOf(entry.value, as) };
  }
  async getMany(keys, { as = this.#options.values } = {}) {
    const values = await this.#ask('getMany', [...keys].map(keySent), as);
    return values.map((value) => valueOf(value, as));
  }

  async* scan({ prefix = '', as = this.#options.values } = {}) {
    for await (const [key, value] of this.#pages(prefix, true)) yield [keyOf(key, this.#options.keys), valueOf(value, as)];
  }
  async* #pages(prefix, values) {
    const start = keyBytes(prefix);
    let [cursor, limit] = [0n, 32];
    do {
      const { entries, next } = await this.#ask('scan', cursor, limit, start, values);
      yield* entries;
      cursor = next;
      const bytes = entries.reduce((sum, [key, value]) => sum + key.length + (value?.length ?? 0), 0);
      limit = Math.min(1024, Math.max(8, Math.floor(PAGE_BYTES / ((bytes + 64) / (entries.length || 1)))));
    } while (cursor);
  }
  async keys({ prefix = '' } = {}) {
    const keys = [];
    for await (const [key] of this.#pages(prefix, false)) keys.push(keyOf(key, this.#options.keys));
    return keys;
  }
  async entries(options) {
    const entries = [];
    for await (const entry of this.scan(options)) entries.push(entry);
    return entries;
  }
  async values(options) { return (await this.entries(options)).map(([, value]) => value); }

  // Writing.

  #key(key) {
    const plain = keySent(key);
    const limit = this.#options.keyBytesMax;
    if (isLonger(plain, limit)) throw new KeyTooLong(`the key has more than ${limit} bytes, which is the limit`);
    return plain;
  }

  /** An operation that puts, checked before it joins others. */
  #put([key, value], how) {
    const [kind, life] = lifeOf(how);
    const plain = valuePlain(value, how?.as ?? this.#options.values);
    const limit = this.#options.valueBytesMax;
    if (isLonger(plain, limit)) throw new ValueTooLarge(`the value has more than ${limit} bytes, which is the limit`);
    return [kind, this.#key(key), plain, life];
  }

  /** Joins the writes of this tick. All of them are one record of the log. */
  async #write(operations, durability = this.#options.durability) {
    among('durability', durability, LEVELS);
    if (!operations.length) return;
    const level = durability === 'flushed' ? 'flushed' : 'written';
    let group = this.#group;
    if (!group || group.ops.sealed || group.level !== level || group.ops.length > GROUP_BYTES) group = this.#newGroup(level);
    for (const operation of operations) group.ops.add(...operation);
    if (durability === 'queued') group.done.catch(() => {});
    else await group.done;
  }

  #newGroup(level) {
    const ops = new Ops();
    const group = { ops, level };
    // The bytes are asked for when the tick is over.
    group.done = this.#client.call('commit', ops, level);
    this.#group = group;
    return group;
  }

  async set(key, value, how) { return this.#write([this.#put([key, value], how)], how?.durability); }
  async del(key, how) { return this.#write([[DELETE, this.#key(key)]], how?.durability); }
  async setMany(entries, how) { return this.#write([...entries].map((entry) => this.#put(entry, how)), how?.durability); }
  async delMany(keys, how) { return this.#write([...keys].map((key) => [DELETE, this.#key(key)]), how?.durability); }

  batch() {
    const operations = [];
    const conditions = { absent: ABSENT, present: PRESENT };
    const batch = {
      set: (key, value, how) => { operations.push(this.#put([key, value], how)); return batch; },
      del: (key) => { operations.push([DELETE, this.#key(key)]); return batch; },
      require: (key, what) => {
        const kind = conditions[what] ?? AT_SEQ;
        if (kind === AT_SEQ && !(what?.seq >= 0)) throw new BadOption('a key is required to be "absent", "present" or at { seq }');
        operations.push([kind, this.#key(key), undefined, what.seq ?? 0]);
        return batch;
      },
      // A group of its own: what it requires must not refuse anybody else's writes.
      commit: async ({ durability } = {}) => {
        this.#group = undefined;
        const written = this.#write(operations, durability);
        this.#group = undefined;
        return written;
      },
    };
    return batch;
  }

  async update(key, change, how) {
    const name = keyBytes(key).join();
    const before = this.#updates.get(name);
    const mine = (async () => {
      await before?.catch(() => {});
      for (;;) {
        const old = await this.entry(key, how);
        const batch = this.batch().set(key, change(old?.value), how).require(key, old ? { seq: old.seq } : 'absent');
        try {
          return await batch.commit(how);
        } catch (error) {
          if (!(error instanceof ConditionFailed)) throw error;
        }
      }
    })();
    this.#updates.set(name, mine);
    try { await mine; } finally { if (this.#updates.get(name) === mine) this.#updates.delete(name); }
  }

  clear() { return this.#ask('clear'); }

  /** Everything of this tab that was written so far is flushed then. */
  flush() { return this.#ask('flush'); }

  // Watching.

  watch(prefix, listener) {
    if (typeof listener !== 'function') throw new BadOption('a listener is a function');
    const watcher = { prefix: keyBytes(prefix), listener };
    if (!this.#watchers.size) this.#client.watch(true).catch(() => {});
    this.#watchers.set(watcher, watcher);
    return () => {
      if (this.#watchers.delete(watcher) && !this.#watchers.size) this.#client.watch(false).catch(() => {});
    };
  }

  #tell(changes) {
    for (const { prefix, listener } of this.#watchers.values()) {
      const mine = changes
        .filter(([, key]) => !key || prefix.every((byte, at) => key[at] === byte))
        .map(([type, key]) => (key ? { type, key: keyOf(key, this.#options.keys) } : { type }));
      if (mine.length) listener(mine);
    }
  }

  // The store as a whole.

  stats() { return this.#ask('stats'); }
  report() { return named(this.#ask('report')); }
  verify() { return named(this.#ask('verify')); }
  merge() { return this.#ask('merge'); }
  confirmClock() { return this.#ask('confirmClock'); }
  async backend() { return this.#backend; }

  async exportTo(target) { return (await whole()).exported(await this.#ask('export'), target); }
  async importFrom(source) {
    const files = await (await whole()).storeOf(source);
    if (typeof files === 'string') throw new BadOption(files);
    return named(this.#ask('import', files));
  }

  async estimate() {
    const { usage = 0, quota = 0 } = await navigator.storage.estimate();
    return { usage, quota, persisted: await navigator.storage.persisted() };
  }
  requestPersist() { return navigator.storage.persist(); }

  close() {
    this.#group = undefined;
    return this.#client.close();
  }
}

