// The engine comes in two parts: what opens, reads and writes, and what is loaded behind it.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PACKAGE, browse, tab } from './browser.mjs';

const part = (name) => fileURLToPath(new URL(`../package/${name}.wasm`, import.meta.url));
const skip = existsSync(part('portcask-rest')) ? false : 'the module was built without wasm-opt, and so in one piece';

test('nothing that the first part can reach is in the second one', { skip }, async () => {
  const module = async (name) => new WebAssembly.Module(await readFile(part(name)));
  const imports = async (name) => new Set(WebAssembly.Module.imports(await module(name)).map((needed) => needed.module));
  assert.deepEqual(await imports('portcask'), new Set(['opfs']));
  assert.ok((await imports('portcask-rest')).has('first'));
});

test('while the second part cannot be loaded, a store is opened, read, written and closed all the same', { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'portcask-parts-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await copyFile(part('portcask'), join(folder, 'portcask.wasm'));
  const world = await browse(t, { ...PACKAGE, '/lonely/': folder });
  const page = await world.context.newPage();
  await page.goto(`${world.server.url}/blank.html`);
  const told = await page.evaluate(async () => {
    globalThis.portcask = await import('/package/index.js');
    const code = (promise) => promise.then(() => 'none', (error) => error.code ?? `${error}`);
    globalThis.open = () => portcask.open('lonely', { wasmUrl: '/lonely/portcask.wasm' });
    const first = await open();
    await first.set('a', 1);
    const codes = [await code(first.stats()), await code(first.clear()), await code(first.merge())];
    await first.setMany([['b', 2], ['c', 3]]);
    await first.close();
    globalThis.store = await open();
    return [codes, await store.get('a'), (await store.keys()).sort(), await code(store.stats())];
  });
  assert.deepEqual(told, [['Failed', 'Failed', 'Failed'], 1, ['a', 'b', 'c'], 'Failed']);
  // Once it can be had, the same store has all verbs.
  await copyFile(part('portcask-rest'), join(folder, 'portcask-rest.wasm'));
  const later = await page.evaluate(async () => {
    const { keys } = await store.stats();
    await store.clear();
    return [keys, await store.keys()];
  });
  assert.deepEqual(later, [3, []]);
});

test('what was loaded with the first opening needs no network any more, errors in words included', { skip }, async (t) => {
  const world = await browse(t);
  const page = await tab(world);
  const before = await page.evaluate(async () => {
    globalThis.store = await portcask.open('offline');
    await store.set('a', 1);
    // The last to be loaded: whoever asks for it waits.
    await store.stats();
    return (await portcask.open('offline', { create: false })).report();
  });
  assert.ok(before.summary, JSON.stringify(before));
  await world.server.close();
  const told = await page.evaluate(async () => {
    await store.set('b', 2);
    const refused = await store.batch().require('a', 'absent').set('a', 2).commit().catch(({ code, message }) => [code, message]);
    await store.merge();
    await store.clear();
    return [refused, await store.keys()];
  });
  assert.deepEqual(told, [['ConditionFailed', 'what the batch requires of a key is not so; nothing was taken'], []]);
});
