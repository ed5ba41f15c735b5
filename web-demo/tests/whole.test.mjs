// What is done to a store as a whole is done once, wherever its leader is ended.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browse, tab } from './browser.mjs';

/** How long the tab whose leader was ended sleeps: the other one has to lead by then, on a busy machine too. */
const ASLEEP_MS = 2500;
/** A loop that waits for the other tab to lead would wait for good if the first one led again. */
const BOUNDED = { timeout: 180_000 };

/**
 * A tab that leads, whose first worker is ended at that point; the tab sleeps a while then, so that another one writes
 * before it asks again.
 */
async function dying(world, name, at, sleepMs) {
  const page = await tab(world);
  await page.evaluate(async ([name, at, sleepMs]) => {
    globalThis.deaths = 0;
    let first = true;
    const worker = () => {
      const started = new Worker(first ? `/dying.js?at=${at}` : '/package/worker.js', { type: 'module' });
      first = false;
      started.addEventListener('message', ({ data }) => {
        if (data !== 'end me') return;
        started.terminate();
        deaths += 1;
        const until = Date.now() + sleepMs;
        while (Date.now() < until);
      });
      return started;
    };
    globalThis.store = await portcask.open(name, { worker });
  }, [name, at, sleepMs]);
  return page;
}

for (const at of ['begun', 'deed', 'done']) {
  test(`a clear whose leader is ended (${at}) is finished before anybody is served, and never done again`, BOUNDED, async (t) => {
    const world = await browse(t);
    const one = await dying(world, 'cleared', at, ASLEEP_MS);
    const two = await tab(world);
    await two.evaluate(async () => { globalThis.store = await portcask.open('cleared'); });
    await one.evaluate(() => store.setMany(Array.from({ length: 50 }, (_, n) => [`old${n}`, n])));
    const cleared = one.evaluate(() => store.clear());
    while (!await two.evaluate(() => store.leads)) await two.evaluate(() => store.stats());
    await two.evaluate(() => store.set('new', 1));
    await cleared;
    assert.deepEqual(await two.evaluate(() => store.keys()), ['new']);
    await one.evaluate(() => store.set('later', 2));
    assert.deepEqual(await one.evaluate(() => store.getMany(['new', 'later', 'old1'])), [1, 2, undefined]);
    assert.equal(await one.evaluate(() => deaths), 1);
    await Promise.all([one, two].map((page) => page.evaluate(() => store.close())));
    const again = await tab(world);
    assert.deepEqual(await again.evaluate(async () => {
      const store = await portcask.open('cleared');
      return [(await store.keys()).sort(), (await store.verify()).sound];
    }), [['later', 'new'], true]);
  });

  test(`an import whose leader is ended (${at}) is there whole, and what is written behind it stays`, BOUNDED, async (t) => {
    const world = await browse(t);
    const one = await dying(world, 'imported', at, at === 'done' ? ASLEEP_MS : 0);
    const two = await tab(world);
    await two.evaluate(async () => { globalThis.store = await portcask.open('imported'); });
    const imported = one.evaluate(async () => {
      const source = await portcask.open('source');
      await source.setMany(Array.from({ length: 300 }, (_, n) => [`k${n}`, n]));
      const tar = await source.exportTo();
      await store.importFrom(tar);
    });
    if (at === 'done') {
      while (!await two.evaluate(() => store.leads)) await two.evaluate(() => store.stats());
      await two.evaluate(() => store.set('behind', 1));
    }
    await imported;
    await two.evaluate(() => store.set('later', 2));
    assert.deepEqual(await two.evaluate(async () => [
      (await store.keys()).length, await store.getMany(['k0', 'k299', 'behind', 'later']), (await store.verify()).sound,
    ]), [at === 'done' ? 302 : 301, [0, 299, at === 'done' ? 1 : undefined, 2], true]);
    assert.equal(await one.evaluate(() => deaths), 1);
    // Nothing is told of it any more, and whoever opens the store next does nothing again.
    await Promise.all([one, two].map((page) => page.evaluate(() => store.close())));
    const names = await (await tab(world)).evaluate(async () => {
      let at = await navigator.storage.getDirectory();
      for (const part of ['portcask', 'imported']) at = await at.getDirectoryHandle(part);
      const names = [];
      for await (const name of at.keys()) names.push(name);
      return names;
    });
    assert.ok(!names.includes('CALL'), names.join());
  });
}
