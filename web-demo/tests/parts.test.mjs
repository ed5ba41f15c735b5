// The engine comes in parts: what every store needs; what begins one; what opens one that was closed; what recovers any other; and
// what is loaded behind that.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Engine } from '../package/engine.js';
import { MemoryDirectory } from '../package/memory.js';
import { OpfsFiles } from '../package/opfs.js';
import { PACKAGE, browse, tab } from './browser.mjs';

const part = (name) => fileURLToPath(new URL(`../package/${name}.wasm`, import.meta.url));
const skip = existsSync(part('portcask-rest')) ? false : 'the module was built without wasm-opt, and so in one piece';

const LATER = ['portcask-begin', 'portcask-open', 'portcask-recover', 'portcask-rest'];

/** A browser, and a folder served to it that has some parts of the engine alone. */
async function lonely(t, ...names) {
  const folder = await mkdtemp(join(tmpdir(), 'portcask-parts-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const add = (name) => copyFile(part(name), join(folder, `${name}.wasm`));
  for (const name of names) await add(name);
  const world = await browse(t, { ...PACKAGE, '/lonely/': folder });
  const page = async () => {
    const page = await world.context.newPage();
    await page.goto(`${world.server.url}/blank.html`);
    await page.evaluate(async () => {
      globalThis.portcask = await import('/package/index.js');
      globalThis.code = (promise) => promise.then(() => 'none', (error) => error.code ?? `${error}`);
      globalThis.open = (options) => portcask.open('lonely', { wasmUrl: '/lonely/portcask.wasm', ...options });
      /** Every file of the store, with its length and what tells its bytes from others. */
      globalThis.lying = async () => {
        const root = await navigator.storage.getDirectory();
        const folder = await (await root.getDirectoryHandle('portcask')).getDirectoryHandle('lonely');
        const files = {};
        for await (const [name, file] of folder.entries()) {
          const bytes = await (await file.getFile()).arrayBuffer();
          files[name] = [bytes.byteLength, new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)).join()];
        }
        return Object.entries(files).sort();
      };
    });
    return page;
  };
  return { add, page, world };
}

test('no part can reach what is in one that it does not build on', { skip }, async () => {
  const module = async (name) => new WebAssembly.Module(await readFile(part(name)));
  const imports = async (name) => [...new Set(WebAssembly.Module.imports(await module(name)).map((needed) => needed.module))];
  const built = { portcask: [], 'portcask-begin': ['first'], 'portcask-open': ['first'], 'portcask-recover': ['first', 'open'], 'portcask-rest': ['first', 'open', 'recover'] };
  for (const [name, on] of Object.entries(built)) {
    const needed = await imports(name);
    assert.deepEqual(needed.filter((other) => other !== 'opfs' && !on.includes(other)), [], name);
    assert.ok(name === 'portcask' || needed.includes('first'), name);
  }
});

test('no part is so small that a bundler would write it into a script', { skip }, async () => {
  for (const name of LATER) assert.ok((await readFile(part(name))).length > 4096, name);
});

test('a part that several calls ask for at once is loaded once, and again after it could not be', { skip }, async (t) => {
  const calls = { fetch: globalThis.fetch, instantiate: WebAssembly.instantiate };
  t.after(() => {
    globalThis.fetch = calls.fetch;
    WebAssembly.instantiate = calls.instantiate;
  });
  const [asked, made] = [[], []];
  let absent = 'portcask-recover';
  globalThis.fetch = async (name) => {
    asked.push(name);
    if (name === absent) throw new TypeError('no network');
    return new Response(await readFile(part(name)));
  };
  WebAssembly.instantiate = (module, imports) => {
    // Node has modules of its own.
    if (imports.opfs) made.push(module);
    return calls.instantiate(module, imports);
  };
  const later = Object.fromEntries(LATER.map((name) => [name.slice(9), name]));
  const engine = await Engine.load('portcask', new OpfsFiles(new MemoryDirectory()), later);
  const refused = await Promise.allSettled([engine.complete(), engine.recovering(), engine.complete(), engine.opening()]);
  assert.deepEqual(refused.map(({ status, reason }) => reason?.code ?? status), ['Failed', 'Failed', 'Failed', 'fulfilled']);
  absent = undefined;
  await Promise.all([engine.complete(), engine.recovering(), engine.complete(), engine.opening()]);
  await engine.complete();
  assert.equal(made.length, 5);
  assert.deepEqual(asked.sort(), ['portcask', ...LATER, 'portcask-recover'].sort());
});

test('while the later parts cannot be loaded, a new store is begun, read, written and closed all the same', { skip }, async (t) => {
  const { add, page: newPage } = await lonely(t, 'portcask', 'portcask-begin');
  const page = await newPage();
  const told = await page.evaluate(async () => {
    globalThis.store = await open();
    await store.set('a', 1);
    const codes = [await code(store.stats()), await code(store.clear()), await code(store.merge()), await code(store.exportTo())];
    await store.setMany([['b', 2], ['c', 3]]);
    return [codes, await store.get('a'), (await store.keys()).sort()];
  });
  assert.deepEqual(told, [['Failed', 'Failed', 'Failed', 'Failed'], 1, ['a', 'b', 'c']]);
  // Once they can be had, the same store has all verbs.
  for (const name of LATER) await add(name);
  const later = await page.evaluate(async () => {
    const { keys } = await store.stats();
    const bytes = (await store.exportTo()).size;
    await store.clear();
    return [keys, bytes > 0, await store.keys()];
  });
  assert.deepEqual(later, [3, true, []]);
});

for (const [how, lacking] of [['was closed', ['portcask-open']], ['was not closed', ['portcask-open', 'portcask-recover']]]) {
  test(`a store that ${how} is left as it is while what opens it cannot be loaded, and opens with all it holds later`, { skip }, async (t) => {
    const { add, page: newPage } = await lonely(t, 'portcask', 'portcask-begin');
    const writer = await newPage();
    await writer.evaluate(async (closes) => {
      // Several segments, so that some are sealed and have whole hints.
      const workers = [];
      const worker = () => workers[workers.push(new Worker('/package/worker.js', { type: 'module' })) - 1];
      const store = await open({ segmentBytes: 1 << 20, worker });
      for (let from = 0; from < 4000; from += 400) {
        await store.setMany(Array.from({ length: 400 }, (_, n) => [`key${from + n}`, 'v'.repeat(800) + (from + n)]));
      }
      await store.delMany(['key7', 'key8']);
      // A page that is closed would close the store.
      if (closes) await store.close(); else workers[0].terminate();
    }, how === 'was closed');
    await writer.close();
    const page = await newPage();
    const before = await page.evaluate(() => lying());
    assert.ok(before.some(([name]) => name.startsWith('hint-')), before.map(([name]) => name).join());
    // The same page tries again.
    for (const name of lacking) {
      const [codes, after] = await page.evaluate(async () => [[await code(open()), await code(open())], await lying()]);
      assert.deepEqual(codes, ['Failed', 'Failed'], name);
      // What is made ready is empty.
      assert.deepEqual(after.filter(([, [bytes]]) => bytes), before.filter(([, [bytes]]) => bytes), name);
      await add(name);
    }
    const told = await page.evaluate(async () => {
      const store = await open();
      await store.set('new', 1);
      const values = await store.getMany(['key0', 'key7', 'key3999', 'new']);
      return [values.map((value) => value?.slice?.(-3) ?? value), (await store.keys()).length, await store.report(), await code(store.stats())];
    });
    const [values, keys, report, stats] = told;
    assert.deepEqual([values, keys, stats], [['vv0', undefined, '999', 1], 3999, 'Failed']);
    assert.ok(report.hintedBytes > 1_000_000 && report.clean === (how === 'was closed'), JSON.stringify(report));
    assert.equal(report.damages.length, 0);
  });
}

test('a store asks for what it needs first: what begins it, reopens it or recovers it', { skip }, async (t) => {
  const { page: newPage, world } = await lonely(t, 'portcask', ...LATER);
  let asked = [];
  const values = [];
  world.context.on('request', (request) => { if (request.url().includes('/lonely/')) asked.push(new URL(request.url()).pathname.slice(8, -5)); });
  for (const [closes, first] of [[true, ['portcask-begin']], [false, ['portcask-open']], [true, ['portcask-open', 'portcask-recover']]]) {
    const page = await newPage();
    asked = [];
    const value = await page.evaluate(async (closes) => {
      const workers = [];
      const worker = () => workers[workers.push(new Worker('/package/worker.js', { type: 'module' })) - 1];
      const store = await open({ worker });
      await store.update('a', (before = 0) => before + 1);
      await store.stats();
      const value = await store.get('a');
      if (closes) await store.close(); else workers[0].terminate();
      return value;
    }, closes);
    await page.close();
    assert.deepEqual(asked.slice(0, 1 + first.length).sort(), ['portcask', ...first], asked.join());
    assert.deepEqual([...new Set(asked)].sort(), ['portcask', ...LATER]);
    values.push(value);
  }
  assert.deepEqual(values, [1, 2, 3]);
});

test('where a folder stands in the way of a name, a new store is begun all the same', { skip }, async (t) => {
  const { page: newPage } = await lonely(t, 'portcask', ...LATER, 'portcask-full');
  const page = await newPage();
  const told = await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const folder = await (await root.getDirectoryHandle('portcask', { create: true })).getDirectoryHandle('lonely', { create: true });
    for (const name of ['manifest-0000000001', 'segment-0000000001']) await folder.getDirectoryHandle(name, { create: true });
    const store = await open();
    await store.set('a', 1);
    await store.close();
    const again = await open();
    return [await again.get('a'), (await again.verify()).sound];
  });
  assert.deepEqual(told, [1, true]);
});

test('the synchronous API begins a store beside such a folder too', async (t) => {
  const world = await browse(t);
  const page = await tab(world);
  const told = await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const folder = await (await root.getDirectoryHandle('portcask', { create: true })).getDirectoryHandle('barred', { create: true });
    for (const name of ['manifest-0000000001', 'segment-0000000001']) await folder.getDirectoryHandle(name, { create: true });
    const source = `import { openSync } from '${location.origin}/package/sync.js';
      openSync('barred', { values: 'text' }).then(async (store) => {
        store.set('a', '1');
        const read = store.get('a');
        await store.close();
        postMessage(read);
      }).catch((error) => postMessage(String(error)));`;
    const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })), { type: 'module' });
    return new Promise((answer) => { worker.onmessage = ({ data }) => answer(data); });
  });
  assert.equal(told, '1');
});

test('what was loaded with the first opening needs no network any more, errors in words included', { skip }, async (t) => {
  const world = await browse(t);
  const page = await tab(world);
  const before = await page.evaluate(async () => {
    globalThis.store = await portcask.open('offline');
    await store.set('a', 1);
    // The last to be loaded: whoever asks for it waits. An export brings `tar.js`.
    await store.stats();
    await store.exportTo();
    return (await portcask.open('offline', { create: false })).report();
  });
  assert.ok(before.summary, JSON.stringify(before));
  await world.server.close();
  const told = await page.evaluate(async () => {
    await store.set('b', 2);
    const refused = await store.batch().require('a', 'absent').set('a', 2).commit().catch(({ code, message }) => [code, message]);
    await store.merge();
    // The engine opens the store again for it.
    const exported = (await store.exportTo()).size > 0;
    await store.clear();
    return [refused, exported, await store.keys()];
  });
  assert.deepEqual(told, [['ConditionFailed', 'what the batch requires of a key is not so; nothing was taken'], true, []]);
});
