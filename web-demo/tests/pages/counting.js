// Counts what a store asks of its files.

import { openSync } from '/package/sync.js';

const calls = { write: 0, flush: 0 };
for (const name of Object.keys(calls)) {
  const { [name]: call } = FileSystemSyncAccessHandle.prototype;
  FileSystemSyncAccessHandle.prototype[name] = function counted(...given) {
    calls[name] += 1;
    return call.apply(this, given);
  };
}

const store = await openSync('counted', { merge: false });

/** Of the files alone: nothing idle comes between calls that answer at once. */
function counted(act) {
  Object.assign(calls, { write: 0, flush: 0 });
  act();
  return { ...calls };
}

postMessage([
  counted(() => { for (let n = 0; n < 20; n += 1) store.set(`key${n}`, n); }),
  counted(() => store.setMany(Array.from({ length: 20 }, (_, n) => [`key${n}`, -n]))),
  counted(() => store.set('key', 1, { durability: 'written' })),
  counted(() => store.getMany(['key', 'key7'])),
]);
await store.close();
