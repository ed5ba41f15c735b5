// The whole browser is killed in the middle of commits.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browse, tab } from './browser.mjs';

test('the browser is killed under load and opened again: what was acknowledged is there, what is there is a prefix', async (t) => {
  const world = await browse(t);
  let last = -1;
  for (let round = 0; round < 3; round += 1) {
    const page = await tab(world);
    const found = await page.evaluate(async () => {
      globalThis.store = await portcask.open('killed', { segmentBytes: 1 << 20 });
      return { keys: await store.keys(), sound: (await store.verify()).sound, damages: (await store.report()).damages };
    });
    const numbers = found.keys.map((key) => Number(key)).sort((a, b) => a - b);
    assert.ok(found.sound);
    assert.deepEqual(found.damages, []);
    assert.deepEqual(numbers, numbers.map((_, at) => at), 'a key is missing in the middle');
    assert.ok(numbers.length > last, `${last + 1} were acknowledged, ${numbers.length} are there`);
    // The page reports each acknowledgement as it comes: what the test has heard is a lower bound.
    await page.exposeFunction('heard', (n) => { last = n; });
    await page.evaluate((from) => {
      (async () => {
        const value = 'x'.repeat(2000);
        for (let n = from; ; n += 1) {
          await store.set(String(n), value);
          heard(n);
        }
      })();
    }, numbers.length);
    const start = last;
    while (last < start + 300) await page.evaluate(() => store.stats());
    await world.kill();
    await world.relaunch();
  }
  t.diagnostic(`${last + 1} puts acknowledged over three kills`);
});
