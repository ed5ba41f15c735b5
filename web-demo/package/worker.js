// The worker that every tab starts. Whichever tab's worker gets the lock leads, and serves all of them.

import { toData } from './errors.js';
import { Leader } from './leader.js';
import { channelOf, storeLock, workerLock } from './names.js';
import { Store } from './store.js';

let leader;
/** Settles when the lock of the store is free again, as far as this worker goes. */
let led;
const ending = new AbortController();

/** Waits for the lead and serves; the lock is held exactly as long as the files may be. */
async function lead({ name, id, options }) {
  await navigator.locks.request(storeLock(name), { signal: ending.signal }, async () => {
    const bus = new BroadcastChannel(channelOf(name));
    bus.postMessage({ busy: true });
    postMessage({ busy: true });
    const store = await Store.open(name, options).finally(() => bus.close());
    if (ending.signal.aborted) return store.close();
    leader = new Leader(name, id, store);
    postMessage({ leads: id });
    const error = await leader.ended;
    leader = undefined;
    if (error) throw error;
    return undefined;
  });
}

function start(given) {
  // Whoever is given this lock later knows that this worker is gone.
  navigator.locks.request(workerLock(given.name, given.id), () => {
    postMessage({ ready: true });
    led = lead(given).catch((error) => {
      if (!ending.signal.aborted) postMessage({ failed: toData(error) });
    });
    return led;
  });
}

addEventListener('message', async ({ data }) => {
  if (data.start) start(data.start);
  else if (data.calls) leader?.hear(data, (answer) => postMessage(answer));
  else if (data.end) {
    ending.abort();
    await leader?.stop();
    await led;
    postMessage({ ended: true });
  }
});
