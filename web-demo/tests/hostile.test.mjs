// What goes wrong, by its typed error, and that nothing is lost by it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browse, tab } from './browser.mjs';

const opened = async (t) => {
  const world = await browse(t);
  const page = await tab(world);
  await page.evaluate(() => {
    globalThis.code = (promise) => Promise.resolve(promise).then(() => 'none', (error) => error.code ?? `${error}`);
    globalThis.folder = async (name) => {
      let at = await navigator.storage.getDirectory();
      for (const part of ['portcask', ...name.split('/')]) at = await at.getDirectoryHandle(part, { create: true });
      return at;
    };
    globalThis.read = async (name, file) => new Uint8Array(await (await (await (await folder(name)).getFileHandle(file)).getFile()).arrayBuffer());
    globalThis.write = async (name, file, bytes) => {
      const out = await (await (await folder(name)).getFileHandle(file, { create: true })).createWritable();
      await out.write(bytes);
      await out.close();
    };
    globalThis.list = async (name) => {
      const names = [];
      for await (const file of (await folder(name)).keys()) names.push(file);
      return names.sort();
    };
  });
  return { world, page };
};

test('out of quota a write answers QuotaExceeded, reads go on, and deleting gives space back', async (t) => {
  const { world, page } = await opened(t);
  await page.evaluate(async () => {
    globalThis.store = await portcask.open('full', { values: 'bytes', segmentBytes: 1 << 20, merge: false });
    await store.set('kept', new Uint8Array(500_000).fill(7));
  });
  const session = await world.context.newCDPSession(page);
  const limit = (quotaSize) => session.send('Storage.overrideQuotaForOrigin', { origin: world.server.url, ...(quotaSize && { quotaSize }) });
  const used = await page.evaluate(async () => (await navigator.storage.estimate()).usage);
  await limit(used + 8_000_000);
  const told = await page.evaluate(async () => {
    let refused;
    let taken = 0;
    for (let n = 0; n < 60 && !refused; n += 1) {
      refused = await store.set(`n${n}`, new Uint8Array(500_000).fill(n)).then(() => { taken += 1; }, (error) => error.code);
    }
    const kept = (await store.get('kept'))?.length;
    const whole = (await Promise.all(Array.from({ length: taken }, (_, n) => store.get(`n${n}`)))).every((value, n) => value?.length === 500_000 && value[0] === n);
    for (let n = 0; n < taken; n += 1) await store.del(`n${n}`);
    const merged = await store.merge();
    const after = await code(store.set('after', new Uint8Array(500_000)));
    const { sound } = await store.verify();
    while (await code(store.set(`n${Math.random()}`, new Uint8Array(500_000))) === 'none');
    await store.clear();
    const cleared = await code(store.set('after', new Uint8Array(500_000)));
    return { refused, taken, kept, whole, freed: merged.bytesBefore - merged.bytesAfter, after, cleared, keys: await store.keys(), sound };
  });
  assert.equal(told.refused, 'QuotaExceeded');
  assert.ok(told.taken > 2 && told.whole && told.kept === 500_000 && told.sound, JSON.stringify(told));
  assert.ok(told.freed > 1_000_000, `${told.freed} bytes freed`);
  assert.deepEqual([told.after, told.cleared, told.keys], ['none', 'none', ['after']]);
});

test('a rotten value answers Corrupt, and every other key goes on', async (t) => {
  const { page } = await opened(t);
  const told = await page.evaluate(async () => {
    const store = await portcask.open('rotten', { values: 'text' });
    await store.set('good', 'fine');
    await store.set('bad', 'ROTTEN-VALUE'.repeat(100));
    await store.set('later', 'fine too');
    await store.close();
    const [name] = (await list('rotten')).filter((file) => file.startsWith('segment'));
    const bytes = await read('rotten', name);
    const text = new TextDecoder('latin1').decode(bytes);
    bytes[text.indexOf('ROTTEN-VALUE') + 600] ^= 0x55;
    await write('rotten', name, bytes);
    const again = await portcask.open('rotten', { values: 'text' });
    const error = await again.get('bad').catch((error) => error);
    const verified = await again.verify();
    await again.set('bad', 'repaired');
    return [error.code, /segment-\d+/.test(error.message), await again.getMany(['good', 'later', 'bad']), verified.sound, verified.damages.length];
  });
  assert.deepEqual(told, ['Corrupt', true, ['fine', 'fine too', 'repaired'], false, 1]);
});

test("strangers' files and folders are left alone, also under names like ours", async (t) => {
  const { page } = await opened(t);
  const told = await page.evaluate(async () => {
    const text = new TextEncoder();
    await write('strange', 'notes.txt', text.encode('mine'));
    await write('strange', 'UPPER Case', text.encode('mine'));
    await (await folder('strange')).getDirectoryHandle('segment-0000000002', { create: true });
    await write('strange', 'hint-0000000077', text.encode('no hint'));
    await write('strange', 'manifest-0000000004', text.encode('no manifest at all'));
    const store = await portcask.open('strange').catch((error) => error);
    if (store instanceof Error) return [store.code];
    await store.set('a', 1);
    await store.close();
    const again = await portcask.open('strange');
    const value = await again.get('a');
    await again.close();
    const texts = await Promise.all(['notes.txt', 'UPPER Case', 'hint-0000000077', 'manifest-0000000004'].map(async (file) => new TextDecoder().decode(await read('strange', file))));
    return [value, texts, (await list('strange')).includes('segment-0000000002')];
  });
  // A hint is a trace of a store whose manifest is gone: never a new empty store on top of it.
  assert.deepEqual(told, ['NoManifest']);
  const without = await page.evaluate(async () => {
    await (await folder('strange')).removeEntry('hint-0000000077');
    const store = await portcask.open('strange').catch((error) => error);
    if (store instanceof Error) return [store.code, store.message];
    await store.set('a', 1);
    await store.close();
    const again = await portcask.open('strange');
    const value = await again.get('a');
    await again.close();
    const texts = await Promise.all(['notes.txt', 'UPPER Case', 'manifest-0000000004'].map(async (file) => new TextDecoder().decode(await read('strange', file))));
    return [value, texts, (await list('strange')).includes('segment-0000000002')];
  });
  assert.deepEqual(without, [1, ['mine', 'mine', 'no manifest at all'], true]);
});

test('a store of a newer version is refused and not touched', async (t) => {
  const { page } = await opened(t);
  const told = await page.evaluate(async () => {
    const store = await portcask.open('newer');
    await store.set('a', 1);
    await store.close();
    const crc = (bytes) => {
      let sum = ~0;
      for (const byte of bytes) {
        sum ^= byte;
        for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
      }
      return ~sum >>> 0;
    };
    const name = (await list('newer')).filter((file) => file.startsWith('manifest')).at(-1);
    const bytes = await read('newer', name);
    new DataView(bytes.buffer).setUint16(8, 999, true);
    new DataView(bytes.buffer).setUint32(76, crc(bytes.subarray(0, 76)), true);
    await write('newer', name, bytes);
    const before = await Promise.all((await list('newer')).map(async (file) => [file, (await read('newer', file)).join()]));
    const refused = await code(portcask.open('newer'));
    const after = await Promise.all((await list('newer')).map(async (file) => [file, (await read('newer', file)).join()]));
    const kept = before.every(([file, bytes]) => after.some(([name, now]) => name === file && now === bytes));
    return [refused, kept];
  });
  assert.deepEqual(told, ['NewerFormat', true]);
});

test('a failed opening keeps no lock: another try finds the store as it is then', async (t) => {
  const { page } = await opened(t);
  const told = await page.evaluate(async () => {
    await write('later', 'segment-0000000001', new TextEncoder().encode('something else'));
    const first = await code(portcask.open('later'));
    const held = (await navigator.locks.query()).held.filter(({ name }) => name === 'portcask:later').length;
    await (await folder('later')).removeEntry('segment-0000000001');
    const store = await portcask.open('later');
    await store.set('a', 1);
    return [first, held, await store.get('a')];
  });
  assert.deepEqual(told, ['NoManifest', 0, 1]);
});

test('files that somebody else holds are waited for, and told of if they are not let go', async (t) => {
  const { page } = await opened(t);
  const told = await page.evaluate(async () => {
    const first = await portcask.open('held');
    await first.set('a', 1);
    await first.close();
    const source = `onmessage = async ({ data: [name, ms] }) => {
      let at = await navigator.storage.getDirectory();
      for (const part of ['portcask', name]) at = await at.getDirectoryHandle(part);
      for await (const [file, handle] of at.entries()) if (file.startsWith('segment')) {
        const access = await handle.createSyncAccessHandle();
        postMessage('held');
        setTimeout(() => { access.close(); postMessage('free'); }, ms);
        return;
      }
    };`;
    const hold = (ms) => new Promise((held) => {
      const worker = new Worker(URL.createObjectURL(new Blob([source])));
      worker.onmessage = () => held(worker);
      worker.postMessage(['held', ms]);
    });
    const short = await hold(300);
    const store = await portcask.open('held');
    const value = await store.get('a');
    await store.close();
    short.terminate();
    const long = await hold(60_000);
    const refused = await code(portcask.open('held'));
    long.terminate();
    const again = await portcask.open('held');
    return [value, refused, await again.get('a')];
  });
  assert.deepEqual(told, [1, 'LockedByOtherTab', 1]);
});

test('the synchronous API says where it lives, and refuses a store that is open', async (t) => {
  const { page } = await opened(t);
  const told = await page.evaluate(async () => {
    const { openSync } = await import('/package/sync.js');
    const onPage = await code(openSync('sync'));
    const source = `import { openSync } from '${location.origin}/package/sync.js';
      onmessage = async ({ data }) => {
        try {
          if (data === 'open') {
            self.store = await openSync('sync', { values: 'text' });
            store.set('a', '1');
            store.setMany([['b', '2'], ['c', '3']]);
            store.del('b');
            postMessage([store.get('a'), store.has('b'), [...store.keys()].sort(), store.getMany(['c', 'b']), store.entry('c').value]);
          } else { await store.close(); postMessage('closed'); }
        } catch (error) { postMessage(error.code ?? String(error)); }
      };`;
    const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })), { type: 'module' });
    const ask = (what) => new Promise((answer) => { worker.onmessage = ({ data }) => answer(data); worker.postMessage(what); });
    const inWorker = await ask('open');
    const shared = await code(portcask.open('sync'));
    await ask('close');
    const store = await portcask.open('sync', { values: 'text' });
    const alone = await ask('open');
    return [onPage, inWorker, shared, await store.get('c'), alone];
  });
  assert.deepEqual(told, ['NeedsWorker', ['1', false, ['a', 'c'], ['3', undefined], '3'], 'LockedByOtherTab', '3', 'LockedByOtherTab']);
});

test('names and options that make no sense are refused before anything is opened', async (t) => {
  const { page } = await opened(t);
  const told = await page.evaluate(async () => [
    await code(portcask.open('../up')), await code(portcask.open('')), await code(portcask.open('a//b')),
    await code(portcask.open('small', { segmentBytes: 7 })), await code(portcask.open('wasm', { wasmUrl: '/nowhere.wasm' })),
    await code(portcask.open('worker', { worker: () => new Worker('/nowhere.js', { type: 'module' }) })),
  ]);
  assert.deepEqual(told, ['BadOption', 'BadOption', 'BadOption', 'BadOption', 'Failed', 'Unsupported']);
});

test('what would be kept in silence as something else is refused', async (t) => {
  const { page } = await opened(t);
  const told = await page.evaluate(async () => {
    const store = await portcask.open('strict', { ttl: 3_600_000 });
    const of = (act) => (async () => act())().then(() => 'none', (error) => error.code ?? error.name);
    const refused = await Promise.all([
      () => store.set('a', 1, { ttl: 0 }), () => store.set('a', 1, { ttl: -1 }), () => store.set('a', 1, { ttl: NaN }),
      () => store.set('a', 1, { expires: 'tomorrow' }), () => store.set('a', 1, { as: 'xml' }), () => store.set('a', 1, { durability: 'soon' }),
      () => store.set('a', Promise.resolve(1)), () => store.set('a', 1n), () => store.update('a', async () => 1),
      () => store.setMany(5), () => store.setMany({ a: 1 }), () => store.watch('a'),
      () => portcask.open('x', { values: 'xml' }), () => portcask.open('x', { memory: 'yes' }), () => portcask.open('x', { durability: 'soon' }),
      () => portcask.open('x', { ttl: 'x' }), () => portcask.open('x', { leaderTimeout: 'x' }),
    ].map(of));
    const none = await store.keys();
    await store.set('moment', 1, { ttl: 0.5 });
    await store.set('hour', 1);
    await store.set('ever', 1, { ttl: Infinity });
    while (await store.has('moment'));
    return [refused, none, typeof (await store.entry('hour')).expires, (await store.entry('ever')).expires];
  });
  const option = 'BadOption';
  const value = 'BadValue';
  assert.deepEqual(told, [
    [option, option, option, option, option, option, value, value, value, 'TypeError', 'TypeError', option, option, option, option, option, option],
    [], 'number', undefined,
  ]);
});
