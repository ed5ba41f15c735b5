// The worker, with a store each step of whose check takes longer than a leader may be silent.

import { Store } from '/package/store.js';
import '/package/worker.js';

const { verify } = Store.prototype;
Store.prototype.verify = async function slowly(breathe) {
  for (let step = 0; step < 3; step += 1) {
    await breathe();
    const until = Date.now() + 1200;
    while (Date.now() < until);
  }
  return verify.call(this);
};
