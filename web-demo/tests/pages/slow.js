// The worker, with a store so large that looking at every byte of it takes a while.

import { Store } from '/package/store.js';
import '/package/worker.js';

const { verify } = Store.prototype;
Store.prototype.verify = function slowly() {
  const until = Date.now() + 2500;
  while (Date.now() < until);
  return verify.call(this);
};
