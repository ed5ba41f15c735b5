// The worker that a tab starts. Whichever tab's worker gets the lock serves all of them.

import { toData } from './errors.js';
import { SyncStore, withLock } from './store.js';

let store;

const verbs = {
  get: (key) => store.engine.get(key),
  getMany: (keys) => store.engine.getMany(keys),
  entry: (key) => store.engine.entry(key),
  commit: (ops, synced) => store.commit(ops, synced),
  scan: (cursor, limit, prefix, values) => store.engine.scan(cursor, limit, prefix, values),
  stats: () => store.stats(),
  verify: () => store.verify(),
  clear: () => store.clear(),
  report: () => store.report,
};

async function start({ name, options }) {
  try {
    await withLock(name, { wait: true }, async () => {
      store = await SyncStore.open(name, options);
      postMessage({ opened: store.report });
      await new Promise((closed) => { verbs.close = () => store.close().finally(closed); });
    });
  } catch (error) {
    postMessage({ failed: toData(error) });
  }
}

addEventListener('message', async ({ data }) => {
  if (data.start) return void start(data.start);
  const answers = [];
  for (const [id, verb, ...given] of data.calls) {
    try {
      answers.push([id, true, await store.whenReady(() => verbs[verb](...given))]);
    } catch (error) {
      answers.push([id, false, toData(error)]);
    }
  }
  postMessage({ answers });
});
