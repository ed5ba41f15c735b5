// Portcask as a page uses it: its worker is asked for everything.

import { destroy, open as openStore } from '../package/index.js';

export const title = 'Portcask';

export async function open(name) {
  const store = await openStore(name, { values: 'text', merge: false });
  return {
    putBatch: (entries) => store.setMany(entries),
    async putEach(entries) { for (const [key, value] of entries) await store.set(key, value); },
    async getAll(keys) {
      let length = 0;
      for (const key of keys) length += (await store.get(key)).length;
      return length;
    },
    close: () => store.close(),
  };
}

export const forget = (name) => destroy(name);
