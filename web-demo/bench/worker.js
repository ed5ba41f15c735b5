// Measures a contender in this worker, or serves one to a page that has none of its own there.

import { measure } from './workloads.js';

let store;

addEventListener('message', async ({ data: { id, module, given, amounts, call, args } }) => {
  try {
    const contender = module && await import(module);
    if (amounts) postMessage({ id, answer: await measure(contender, given, amounts) });
    else if (call === 'open') { store = await contender.open(...args); postMessage({ id }); }
    else if (call === 'forget') { await contender.forget(...args); postMessage({ id }); }
    else postMessage({ id, answer: await store[call](...args) });
  } catch (error) {
    postMessage({ id, failed: `${error.code ?? error.name}: ${error.message}` });
  }
});
