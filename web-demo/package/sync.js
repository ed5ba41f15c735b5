// For those who live in a worker: a store whose every call answers at once.

import { LockedByOtherTab, Unsupported } from './errors.js';
import { DELETE, Ops, keyBytes, keyOf, keyPlain, lifeOf, valueOf, valuePlain } from './codec.js';
import { channelOf, storeLock } from './names.js';
import { Store } from './store.js';
import * as words from './words.js';

export * from './errors.js';

/** Opens a store in this dedicated worker, for it alone. @param {string} name @param {object} [options] */
export function openSync(name, options = {}) {
  return new Promise((opened, refused) => {
    if (!globalThis.navigator?.locks) throw new Unsupported('there are no Web Locks here: this is for a dedicated worker of a browser');
    navigator.locks.request(storeLock(name), { ifAvailable: true }, async (lock) => {
      if (!lock) throw new LockedByOtherTab(`the store "${name}" is open in another tab or worker: open() of "portcask" shares it`);
      const store = await SyncStore.open(name, options, words);
      // Every call answers at once.
      await store.complete().catch(async (error) => {
        await store.close();
        throw error;
      });
      const bus = new BroadcastChannel(channelOf(name));
      const alone = `a worker holds the store "${name}" for itself, by openSync()`;
      bus.onmessage = ({ data }) => { if (data.who) bus.postMessage({ alone }); };
      await new Promise((released) => {
        const close = store.close.bind(store);
        store.close = () => close().finally(() => {
          bus.close();
          released();
        });
        opened(store);
      });
    }).catch(refused);
  });
}

class SyncStore extends Store {
  get(key, { as = this.options.values } = {}) {
    return valueOf(this.engine.get(keyPlain(key), as), as);
  }
  has(key) { return this.engine.entry(keyBytes(key)) !== undefined; }
  entry(key, { as = this.options.values } = {}) {
    const entry = this.engine.entry(keyBytes(key));
    return entry && { ...entry, value: valueOf(entry.value, as) };
  }
  getMany(keys, { as = this.options.values } = {}) {
    return keys.map((key) => this.get(key, { as }));
  }

  set(key, value, how) { this.setMany([[key, value]], how); }
  del(key, how) { this.delMany([key], how); }
  setMany(entries, { as = this.options.values, durability = 'flushed', ...life } = {}) {
    const [kind, number] = lifeOf({ as, ...life });
    const ops = new Ops();
    for (const [key, value] of entries) ops.add(kind, keyPlain(key), valuePlain(value, as), number);
    this.#commit(ops, durability);
  }
  delMany(keys, { durability = 'flushed' } = {}) {
    const ops = new Ops();
    for (const key of keys) ops.add(DELETE, keyPlain(key));
    this.#commit(ops, durability);
  }
  #commit(ops, durability) {
    if (ops.length) this.commit(ops.bytes(), durability === 'flushed');
    ops.free();
  }

  *entries({ prefix = '', as = this.options.values } = {}) {
    for (const [key, value] of this.#scan(keyBytes(prefix), true)) yield [keyOf(key, this.options.keys), valueOf(value, as)];
  }
  *keys({ prefix = '' } = {}) {
    for (const [key] of this.#scan(keyBytes(prefix), false)) yield keyOf(key, this.options.keys);
  }
  *#scan(prefix, values) {
    let cursor = 0n;
    do {
      const { entries, next } = this.engine.scan(cursor, 256, prefix, values);
      yield* entries;
      cursor = next;
    } while (cursor);
  }
}
