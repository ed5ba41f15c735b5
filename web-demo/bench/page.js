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

/** Each contender keeps its worker through all rounds, as an app does: all but the first find their code warm. */
const workers = new Map();
const loaded = new Map();
const kept = (map, name, make) => {
  if (!map.has(name)) map.set(name, make());
  return map.get(name);
};

/** Milliseconds by place, contender and workload. `only`: the contenders wanted, or all. */
export async function round({ amounts, vendor, only }) {
  const isWanted = ([name]) => !only.length || only.some((part) => name.startsWith(part));
  const took = { worker: {}, page: {} };
  for (const [name, module] of Object.entries(IN_WORKER).filter(isWanted)) {
    const worker = kept(workers, name, () => new Asked());
    took.worker[name] = await worker.ask({ module, given: { vendor, tuned: name.endsWith('tuned') }, amounts });
  }
  for (const [name, load] of Object.entries(ON_PAGE).filter(isWanted)) {
    took.page[name] = await measure(await kept(loaded, name, load), { vendor, tuned: false }, amounts);
  }
  return took;
}
