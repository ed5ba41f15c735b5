// Portcask in a worker: every call answers at once.

import { destroy } from '../package/index.js';
import { openSync } from '../package/sync.js';

export const title = 'Portcask';

export async function open(name) {
  const store = await openSync(name, { values: 'text', merge: false });
  return {
    async putBatch(entries) { await store.whenReady(() => store.setMany(entries)); },
    async putEach(entries) {
      for (const [key, value] of entries) {
        try { store.set(key, value); } catch (error) {
          if (error.code !== 'NotReady') throw error;
          await store.whenReady(() => store.set(key, value));
        }
      }
    },
    async getAll(keys) {
      let length = 0;
      for (const key of keys) length += store.get(key).length;
      return length;
    },
    close: () => store.close(),
  };
}

export const forget = (name) => destroy(name);
