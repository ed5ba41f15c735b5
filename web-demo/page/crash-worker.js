// Writes until it is killed, or looks at what others left. Its store is its own.

import { openSync } from '../package/sync.js';

const STORE = 'crash-lab';
const KEYS = ['a', 'b', 'c', 'd'];
const FILLER = '·'.repeat(120);

/** A killed worker's lock and handles are free a moment later. */
async function opened() {
  for (let tries = 0; ; tries += 1) {
    try { return await openSync(STORE, { values: 'json', segmentBytes: 1 << 20 }); } catch (error) {
      if (error.code !== 'LockedByOtherTab' || tries === 100) throw error;
      await new Promise((done) => { setTimeout(done, 20); });
    }
  }
}

async function write() {
  const store = await opened();
  let number = store.get('a')?.number ?? 0;
  for (;;) {
    for (let more = 0; more < 20; more += 1) {
      number += 1;
      const at = number;
      await store.whenReady(() => store.setMany(KEYS.map((key) => [key, { number: at, FILLER }])));
      postMessage({ took: at });
    }
    // Other work of the worker, such as opening the next files, has its turn.
    await new Promise((done) => { setTimeout(done); });
  }
}

async function look() {
  const store = await opened();
  const values = KEYS.map((key) => store.get(key)?.number ?? 0);
  postMessage({ seen: { values, report: store.report } });
  await store.close();
}

addEventListener('message', ({ data }) => {
  (data.write ? write() : look()).catch((error) => postMessage({ failed: `${error.code ?? error.name}: ${error.message}` }));
});
