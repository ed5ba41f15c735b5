// What is measured, in whichever thread this is loaded.

import { Engine } from '../package/engine.js';

/** 100 bytes that differ by key. */
const valueOf = (at) => `${at}:${'the quick brown fox jumps over the lazy dog '.repeat(3)}`.slice(0, 100);
const keyOf = (at) => `key-${String(at).padStart(9, '0')}`;
export const entries = (number, from = 0) => Array.from({ length: number }, (_, at) => [keyOf(from + at), valueOf(from + at)]);

/** The same keys in an order that looks like none, the same in every run. */
function shuffled(keys) {
  let state = 88172645;
  for (let at = keys.length - 1; at > 0; at -= 1) {
    state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
    const other = (state >>> 0) % (at + 1);
    [keys[at], keys[other]] = [keys[other], keys[at]];
  }
  return keys;
}

/** The engine's own part of opening: what remains is the browser's, handles and compiling. */
let engineMs;
for (const call of ['reopen', 'open']) {
  const { [call]: opens } = Engine.prototype;
  Engine.prototype[call] = function timed(options) {
    const started = performance.now();
    try { return opens.call(this, options); } finally { engineMs = (engineMs ?? 0) + performance.now() - started; }
  };
}

async function timed(act) {
  const started = performance.now();
  const answer = await act();
  return [performance.now() - started, answer];
}

/**
 * Runs one contender on a new store; answers milliseconds by workload.
 * @param {object} contender a module of this folder @param {object} given passed to it
 * @param {{batch?: number, each?: number, gets?: number, opens?: number[]}} amounts
 */
export async function measure(contender, given, { batch = 0, each = 0, gets = 0, opens = [] }) {
  const name = 'race';
  await contender.forget(name, given);
  const took = {};
  if (batch || each || gets) {
    const store = await contender.open(name, given);
    const all = entries(Math.max(batch, gets));
    const singles = entries(each, all.length);
    [took.batch] = await timed(() => store.putBatch(all));
    if (each) [took.each] = await timed(() => store.putEach(singles));
    if (gets) {
      const keys = shuffled(all.map(([key]) => key)).slice(0, gets);
      const [ms, length] = await timed(() => store.getAll(keys));
      if (length !== 100 * gets) throw new Error(`${contender.title} read ${length} bytes instead of ${100 * gets}`);
      took.get = ms;
    }
    await store.close();
    await contender.forget(name, given);
  }
  for (const number of opens) {
    const filled = await contender.open(name, given);
    await filled.putBatch(entries(number));
    await filled.close();
    engineMs = undefined;
    const [ms, store] = await timed(() => contender.open(name, given));
    took[`open${number}`] = ms;
    if (engineMs !== undefined) took[`open${number}engine`] = engineMs;
    if (await store.getAll([keyOf(number - 1)]) !== 100) throw new Error(`${contender.title} lost a key`);
    await store.close();
    await contender.forget(name, given);
  }
  return took;
}
