// One round of everything, on a page.

import { Asked, asked } from './asked.js';
import { measure } from './workloads.js';

/** In a worker, every call of which answers at once where the contender can do that. */
const IN_WORKER = {
  portcask: './portcask.js',
  'sqlite sahpool': './sqlite.js',
  'sqlite sahpool, tuned': './sqlite.js',
  'idb-keyval': './idb-keyval.js',
  'naive log': './naive-log.js',
};
/** From the page: the package and idb-keyval as they are, the others by a worker that is sent messages. */
const ON_PAGE = {
  portcask: () => import('./portcask-main.js'),
  'sqlite sahpool': () => asked('./sqlite.js', 'SQLite sahpool'),
  'idb-keyval': () => import('./idb-keyval.js'),
  'naive log': () => asked('./naive-log.js', 'naive log'),
};

/** Milliseconds by place, contender and workload. `only`: the contenders wanted, or all. */
export async function round({ amounts, vendor, only }) {
  const wanted = (name) => !only.length || only.some((part) => name.startsWith(part));
  const took = { worker: {}, page: {} };
  for (const [name, module] of Object.entries(IN_WORKER).filter(([name]) => wanted(name))) {
    const worker = new Asked();
    const given = { vendor, tuned: name.endsWith('tuned') };
    try {
      console.info(`worker: ${name}`);
      took.worker[name] = await worker.ask({ module, given, amounts });
    } finally { worker.end(); }
  }
  for (const [name, load] of Object.entries(ON_PAGE).filter(([name]) => wanted(name))) {
    const contender = await load();
    try {
      console.info(`page: ${name}`);
      took.page[name] = await measure(contender, { vendor, tuned: false }, amounts);
    } finally { contender.end?.(); }
  }
  return took;
}
