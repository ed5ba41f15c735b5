// The package idb-keyval, as its README shows it.

export const title = 'idb-keyval';

const load = (vendor) => import(`${vendor}/idb-keyval/dist/index.js`);

/** The package never closes a connection, which would hold a deletion up for ever: what is forgotten gets another name. */
let generation = crypto.randomUUID();

export async function open(name, { vendor }) {
  const { createStore, get, set, setMany } = await load(vendor);
  const store = createStore(`${name}-${generation}`, 'kv');
  await get('', store);
  return {
    putBatch: (entries) => setMany(entries, store),
    async putEach(entries) { for (const [key, value] of entries) await set(key, value, store); },
    async getAll(keys) {
      let length = 0;
      for (const key of keys) length += (await get(key, store)).length;
      return length;
    },
    async close() {},
  };
}

export async function forget() { generation = crypto.randomUUID(); }
