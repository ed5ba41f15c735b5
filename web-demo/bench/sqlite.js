// SQLite over its own pool of synchronous files, statements prepared once. `tuned`: with the settings that make it
// fastest there, a write-ahead log for one connection.

export const title = 'SQLite sahpool';

let starting;

async function pool(vendor) {
  starting ??= (async () => {
    const { default: init } = await import(`${vendor}/@sqlite.org/sqlite-wasm/dist/index.mjs`);
    const sqlite = await init({ print() {}, printErr() {} });
    // A pool belongs to one worker.
    return sqlite.installOpfsSAHPoolVfs({ directory: `/sahpool-${crypto.randomUUID()}`, initialCapacity: 12 });
  })();
  return starting;
}

export async function open(name, { vendor, tuned }) {
  const { OpfsSAHPoolDb } = await pool(vendor);
  const database = new OpfsSAHPoolDb(`/${name}.db`);
  if (tuned) database.exec('PRAGMA locking_mode = exclusive; PRAGMA journal_mode = wal; PRAGMA synchronous = full;');
  database.exec('CREATE TABLE IF NOT EXISTS kv (k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID');
  // A look at the table, so that opening is over when this returns.
  database.selectValue('SELECT count(*) FROM (SELECT k FROM kv LIMIT 1)');
  const insert = database.prepare('INSERT INTO kv VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v');
  const select = database.prepare('SELECT v FROM kv WHERE k = ?');
  const put = (key, value) => insert.bind(1, key).bind(2, value).stepReset();
  return {
    async putBatch(entries) {
      database.transaction(() => { for (const [key, value] of entries) put(key, value); });
    },
    async putEach(entries) { for (const [key, value] of entries) put(key, value); },
    async getAll(keys) {
      let length = 0;
      for (const key of keys) {
        select.bind(1, key).step();
        length += select.getString(0).length;
        select.reset();
      }
      return length;
    },
    async close() {
      insert.finalize();
      select.finalize();
      database.close();
    },
  };
}

export async function forget(name, { vendor }) {
  (await pool(vendor)).unlink(`/${name}.db`);
}
