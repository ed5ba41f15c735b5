// Many tabs, one store.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browse, tab } from './browser.mjs';

/** Opens a store in a tab and keeps it as `store`. */
const opened = async (page, name, options) => {
  await page.evaluate(async ([name, options]) => { globalThis.store = await portcask.open(name, options); }, [name, options]);
  return page;
};

test('a second tab reads and writes the same store, and hears of changes', async (t) => {
  const world = await browse(t);
  const one = await opened(await tab(world), 'shared');
  const two = await opened(await tab(world), 'shared');
  await one.evaluate(() => store.set('a', 1));
  assert.equal(await two.evaluate(() => store.get('a')), 1);
  await one.evaluate(() => { globalThis.seen = []; store.watch('b', (changes) => seen.push(...changes)); return store.get('a'); });
  await two.evaluate(() => Promise.all([store.set('b1', 2), store.set('c', 3), store.del('b1')]));
  await one.waitForFunction(() => seen.length === 2);
  assert.deepEqual(await one.evaluate(() => seen), [{ type: 'set', key: 'b1' }, { type: 'del', key: 'b1' }]);
  assert.deepEqual(await Promise.all([one, two].map((page) => page.evaluate(() => store.leads))), [true, false]);
});

/** Sets counters in every tab as fast as answers come, noting what was acknowledged. */
const load = (page, tag) => page.evaluate((tag) => {
  globalThis.acknowledged = [];
  globalThis.failures = [];
  globalThis.going = true;
  globalThis.ended = (async () => {
    for (let n = 0; going; n += 1) {
      const key = `${tag}-${n}`;
      try {
        // Not idempotent: a set that is taken twice refuses the second time.
        await store.batch().require(key, 'absent').set(key, n).commit();
        acknowledged.push(key);
      } catch (error) {
        failures.push(`${key}: ${error.code} ${error.message}`);
      }
    }
  })();
}, tag);

for (const count of [2, 5]) {
  test(`with ${count} tabs, the leader's is closed under load: every acknowledged put is there once`, async (t) => {
    const world = await browse(t);
    const tabs = [];
    for (let at = 0; at < count; at += 1) tabs.push(await opened(await tab(world), 'load'));
    for (const [at, page] of tabs.entries()) await load(page, `t${at}`);
    const survivors = tabs.slice(1);
    await survivors[0].waitForFunction(() => acknowledged.length > 50);
    const lost = await tabs[0].evaluate(() => acknowledged);
    await tabs[0].close();
    const start = Date.now();
    const before = await survivors[0].evaluate(() => acknowledged.length);
    await survivors[0].waitForFunction((before) => acknowledged.length > before + 2, before, { polling: 5 });
    const takenOver = Date.now() - start;
    await Promise.all(survivors.map((page) => page.waitForFunction(() => acknowledged.length > 100)));
    await Promise.all(survivors.map((page) => page.evaluate(() => { going = false; return ended; })));
    const failures = (await Promise.all(survivors.map((page) => page.evaluate(() => failures)))).flat();
    assert.deepEqual(failures, []);
    const keys = new Set(await survivors[0].evaluate(() => store.keys()));
    const acknowledged = (await Promise.all(survivors.map((page) => page.evaluate(() => acknowledged)))).flat();
    for (const key of [...lost, ...acknowledged]) assert.ok(keys.has(key), `${key} was acknowledged and is not there`);
    assert.equal((await survivors[0].evaluate(() => store.verify())).sound, true);
    assert.ok(takenOver < 1500, `the take-over took ${takenOver} ms`);
    t.diagnostic(`${acknowledged.length} puts acknowledged, the take-over took ${takenOver} ms`);
  });
}

test('a worker that is ended in the middle of batches loses nothing acknowledged and takes none twice', async (t) => {
  const world = await browse(t);
  const page = await tab(world);
  await page.evaluate(async () => {
    globalThis.workers = [];
    const worker = () => {
      const started = new Worker('/package/worker.js', { type: 'module' });
      workers.push(started);
      return started;
    };
    globalThis.store = await portcask.open('ended', { worker });
  });
  await load(page, 'k');
  let before = 0;
  for (let round = 1; round <= 5; round += 1) {
    await page.waitForFunction(([round, before]) => workers.length === round && acknowledged.length > before + 40, [round, before]);
    before = await page.evaluate(() => { workers.at(-1).terminate(); return acknowledged.length; });
  }
  await page.waitForFunction((before) => acknowledged.length > before + 40, before);
  const [acknowledged, failures, keys] = await page.evaluate(async () => {
    going = false;
    await ended;
    return [acknowledged, failures, await store.keys()];
  });
  assert.deepEqual(failures, []);
  const found = new Set(keys);
  assert.ok(acknowledged.every((key) => found.has(key)));
  assert.equal(await page.evaluate(() => workers.length), 6);
});

test('a leader that is frozen is told of within the stated time, and what was asked meanwhile is done when it wakes', async (t) => {
  const world = await browse(t);
  const one = await opened(await tab(world), 'frozen', { leaderTimeout: 600 });
  const two = await opened(await tab(world), 'frozen', { leaderTimeout: 600 });
  const [worker] = one.workers();
  await worker.evaluate(() => { setTimeout(() => { const until = Date.now() + 2500; while (Date.now() < until); }); });
  const told = await two.evaluate(async () => {
    const start = Date.now();
    const error = await store.set('late', 1).catch((error) => error);
    const took = Date.now() - start;
    await error.outcome;
    return { code: error.code, took, value: await store.get('late'), woke: Date.now() - start };
  });
  assert.equal(told.code, 'LeaderUnresponsive');
  assert.ok(told.took < 1200, `told after ${told.took} ms`);
  assert.equal(told.value, 1);
});

test('a leader that reads all of the store says so first, and nobody takes it for a frozen one', async (t) => {
  const world = await browse(t);
  const one = await tab(world);
  await one.evaluate(async () => {
    const worker = () => new Worker('/slow.js', { type: 'module' });
    globalThis.store = await portcask.open('large', { leaderTimeout: 600, worker });
  });
  const two = await opened(await tab(world), 'large', { leaderTimeout: 600 });
  const told = await two.evaluate(async () => {
    const verified = store.verify();
    await new Promise((later) => { setTimeout(later, 100); });
    const start = Date.now();
    await store.set('a', 1);
    return [Date.now() - start > 1000, (await verified).sound, await store.get('a')];
  });
  assert.deepEqual(told, [true, true, 1]);
});

test('what a leader answers in the middle of something long does not take back that it may be silent', async (t) => {
  const world = await browse(t);
  const one = await tab(world);
  await one.evaluate(async () => {
    const worker = () => new Worker('/steps.js', { type: 'module' });
    globalThis.store = await portcask.open('steps', { leaderTimeout: 600, worker });
  });
  const two = await opened(await tab(world), 'steps', { leaderTimeout: 600 });
  const told = await two.evaluate(async () => {
    await store.set('a', 1);
    let going = true;
    const verified = store.verify().finally(() => { going = false; });
    const waited = [];
    while (going) {
      const start = Date.now();
      await store.get('a');
      waited.push(Date.now() - start);
    }
    return [(await verified).sound, Math.max(...waited) > 1000, waited.length > 2];
  });
  assert.deepEqual(told, [true, true, true]);
});

test('a check and an export go on in steps: other tabs write meanwhile, and both are of a sound store', async (t) => {
  const world = await browse(t);
  const one = await opened(await tab(world), 'steps', { segmentBytes: 1 << 20, values: 'bytes' });
  const two = await opened(await tab(world), 'steps', { values: 'bytes' });
  await one.evaluate(async () => {
    for (let n = 0; n < 24; n += 1) await store.set(`large${n}`, new Uint8Array(512 << 10).fill(n), { durability: 'written' });
  });
  const told = await two.evaluate(async () => {
    const beside = async (long) => {
      let [going, taken] = [true, 0];
      long.finally(() => { going = false; });
      for (; going; taken += 1) await store.set('small', Uint8Array.of(taken));
      return taken;
    };
    const verified = store.verify();
    const during = [await beside(verified)];
    const tar = store.exportTo();
    during.push(await beside(tar));
    const copy = await portcask.open('copy', { values: 'bytes' });
    const { clean } = await copy.importFrom(await tar);
    const values = await copy.getMany(Array.from({ length: 24 }, (_, n) => `large${n}`));
    return {
      during, clean, sound: [(await verified).sound, (await copy.verify()).sound],
      right: values.every((value, n) => value.length === 512 << 10 && value.every((byte) => byte === n)),
    };
  });
  assert.deepEqual([told.clean, told.sound, told.right], [true, [true, true], true]);
  for (const taken of told.during) assert.ok(taken > 5, `only ${taken} writes were taken`);
});

test('a leader that closes hands the store over, and a client that is gone is forgotten', async (t) => {
  const world = await browse(t);
  const one = await opened(await tab(world), 'handed');
  const two = await opened(await tab(world), 'handed');
  await one.evaluate(() => store.set('a', 1));
  await two.evaluate(() => store.set('b', 2));
  const told = await Promise.all([one.evaluate(() => store.close()), two.evaluate(async () => {
    for (let n = 0; n < 200; n += 1) await store.set(`n${n}`, n);
    return [await store.getMany(['a', 'b', 'n199']), (await store.report()).clean];
  })]);
  assert.deepEqual(told[1], [[1, 2, 199], true]);
  await two.waitForFunction(() => store.leads);
  // The record of the first tab goes, and with it its place in the list: only the second one's are live.
  await two.waitForFunction(async () => (await store.stats()).segments.reduce((sum, segment) => sum + segment.liveKeys, 0) === 202 + 2);
});

test('a worker that is ended before it could start is started again', async (t) => {
  const world = await browse(t);
  const page = await tab(world);
  const told = await page.evaluate(async () => {
    const workers = [];
    const worker = () => {
      const started = new Worker('/package/worker.js', { type: 'module' });
      workers.push(started);
      if (workers.length === 1) started.terminate();
      return started;
    };
    const store = await portcask.open('late', { worker, leaderTimeout: 1000 });
    await store.set('a', 1);
    return [await store.get('a'), workers.length];
  });
  assert.deepEqual(told, [1, 2]);
});

test('a tab can close while the leader is frozen', async (t) => {
  const world = await browse(t);
  const one = await opened(await tab(world), 'frozen', { leaderTimeout: 400 });
  const two = await opened(await tab(world), 'frozen', { leaderTimeout: 400 });
  const [worker] = one.workers();
  await worker.evaluate(() => { setTimeout(() => { const until = Date.now() + 3000; while (Date.now() < until); }); });
  const told = await two.evaluate(async () => {
    const start = Date.now();
    const error = await store.set('late', 1).catch((error) => error);
    const outcome = error.outcome.catch(({ code }) => code);
    await store.close();
    return [error.code, await outcome, Date.now() - start < 2500];
  });
  assert.deepEqual(told, ['LeaderUnresponsive', 'Closed', true]);
});
