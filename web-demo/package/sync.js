// For those who live in a worker: a store whose every call answers at once.

import { SyncStore, withLock } from './store.js';

export * from './errors.js';

/** Opens a store in this dedicated worker, alone. @param {string} name @param {object} [options] */
export async function openSync(name, options = {}) {
  return new Promise((opened, refused) => {
    const held = withLock(name, { wait: false }, async () => {
      const store = await SyncStore.open(name, options);
      await new Promise((released) => {
        const close = store.close.bind(store);
        store.close = () => close().finally(released);
        opened(store);
      });
    });
    held.catch(refused);
  });
}
