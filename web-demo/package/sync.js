// For those who live in a worker: a store whose every call answers at once.

import { LockedByOtherTab, Unsupported } from './errors.js';
import { channelOf, storeLock } from './names.js';
import { SyncStore } from './store.js';

export * from './errors.js';

/** Opens a store in this dedicated worker, for it alone. @param {string} name @param {object} [options] */
export function openSync(name, options = {}) {
  return new Promise((opened, refused) => {
    if (!globalThis.navigator?.locks) throw new Unsupported('there are no Web Locks here: this is for a dedicated worker of a browser');
    navigator.locks.request(storeLock(name), { ifAvailable: true }, async (lock) => {
      if (!lock) throw new LockedByOtherTab(`the store "${name}" is open in another tab or worker: open() of "portcask" shares it`);
      const store = await SyncStore.open(name, options);
      const bus = new BroadcastChannel(channelOf(name));
      const alone = `a worker holds the store "${name}" for itself, by openSync()`;
      bus.onmessage = ({ data }) => { if (data.who) bus.postMessage({ alone }); };
      await new Promise((released) => {
        const close = store.close.bind(store);
        store.close = () => close().finally(() => {
          bus.close();
          released();
        });
        opened(store);
      });
    }).catch(refused);
  });
}
