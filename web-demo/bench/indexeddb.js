// IndexedDB by itself, in the way of the small wrappers: one object store, one transaction a call.

export const title = 'IndexedDB';

const asked = (request) => new Promise((done, failed) => {
  request.onsuccess = () => done(request.result);
  request.onerror = () => failed(request.error);
});
const finished = (transaction) => new Promise((done, failed) => {
  transaction.oncomplete = () => done();
  transaction.onabort = transaction.onerror = () => failed(transaction.error);
});

export async function open(name) {
  const request = indexedDB.open(name);
  request.onupgradeneeded = () => request.result.createObjectStore('kv');
  const database = await asked(request);
  const put = (entries) => {
    const transaction = database.transaction('kv', 'readwrite', { durability: 'strict' });
    const kv = transaction.objectStore('kv');
    for (const [key, value] of entries) kv.put(value, key);
    return finished(transaction);
  };
  return {
    putBatch: put,
    async putEach(entries) { for (const entry of entries) await put([entry]); },
    async getAll(keys) {
      let length = 0;
      for (const key of keys) length += (await asked(database.transaction('kv').objectStore('kv').get(key))).length;
      return length;
    },
    async close() { database.close(); },
  };
}

export const forget = (name) => asked(indexedDB.deleteDatabase(name));
