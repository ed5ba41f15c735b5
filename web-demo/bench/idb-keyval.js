// The package idb-keyval, as its README shows it.

export const title = 'idb-keyval';

const load = (vendor) => import(`${vendor}/idb-keyval/dist/index.js`);

export async function open(name, { vendor }) {
  const { createStore, get, set, setMany } = await load(vendor);
  const store = createStore(name, 'kv');
  await get('', store);
  return {
    putBatch: (entries) => setMany(entries, store),
    async putEach(entries) { for (const [key, value] of entries) await set(key, value, store); },
    async getAll(keys) {
      let length = 0;
      for (const key of keys) length += (await get(key, store)).length;
      return length;
    },
    // The package keeps its connection for ever.
    async close() {},
  };
}

export const forget = (name) => new Promise((done) => {
  const request = indexedDB.deleteDatabase(name);
  request.onsuccess = request.onerror = request.onblocked = done;
});
