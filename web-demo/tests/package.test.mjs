import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browse, tab } from './browser.mjs';

test('what was set is there after a reload', async (t) => {
  const world = await browse(t);
  const page = await tab(world);
  const before = await page.evaluate(async () => {
    const store = await portcask.open('one');
    await Promise.all([store.set('cat', 'meow'), store.set('dog', { says: ['wuff', 1] }), store.set('bird', null)]);
    await store.del('bird');
    return [await store.get('cat'), await store.get('dog'), await store.get('bird'), (await store.stats()).keys];
  });
  assert.deepEqual(before, ['meow', { says: ['wuff', 1] }, undefined, 2]);
  await page.reload();
  const after = await page.evaluate(async () => {
    const { open } = await import('/package/index.js');
    const store = await open('one');
    const found = [await store.get('cat'), await store.get('dog'), await store.get('bird'), (await store.verify()).sound];
    await store.close();
    const root = await navigator.storage.getDirectory();
    const folder = await (await root.getDirectoryHandle('portcask')).getDirectoryHandle('one');
    const names = [];
    for await (const name of folder.keys()) names.push(name);
    return [...found, names.sort()];
  });
  assert.deepEqual(after.slice(0, 4), ['meow', { says: ['wuff', 1] }, undefined, true]);
});
