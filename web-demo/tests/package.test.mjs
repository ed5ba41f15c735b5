// The package's vocabulary, in one tab.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browse, tab } from './browser.mjs';

/** A tab with a store called `store`. */
async function opened(t, name, options) {
  const world = await browse(t);
  const page = await tab(world);
  await page.evaluate(async ([name, options]) => { globalThis.store = await portcask.open(name, options); }, [name, options]);
  return page;
}

test('what was set is there after a reload', async (t) => {
  const page = await opened(t, 'reload');
  const before = await page.evaluate(async () => {
    await Promise.all([store.set('cat', 'meow'), store.set('dog', { says: ['wuff', 1] }), store.set('bird', null)]);
    await store.del('bird');
    return [await store.get('cat'), await store.get('dog'), await store.get('bird'), (await store.stats()).keys];
  });
  assert.deepEqual(before, ['meow', { says: ['wuff', 1] }, undefined, 2]);
  await page.reload();
  const after = await page.evaluate(async () => {
    const { open } = await import('/package/index.js');
    const store = await open('reload');
    return [await store.get('cat'), await store.get('dog'), await store.has('bird'), await store.has('cat'), (await store.verify()).sound];
  });
  assert.deepEqual(after, ['meow', { says: ['wuff', 1] }, false, true, true]);
});

test('every verb of the vocabulary does what its name says', async (t) => {
  const page = await opened(t, 'verbs');
  const answers = await page.evaluate(async () => {
    const told = {};
    await store.setMany([['a', 1], ['b', 2], ['c/1', 3], ['c/2', 4]]);
    told.getMany = await store.getMany(['b', 'missing', 'a']);
    told.keys = (await store.keys()).sort();
    told.prefix = (await store.entries({ prefix: 'c/' })).sort();
    told.values = (await store.values({ prefix: 'c/' })).sort();
    await store.delMany(['a', 'missing']);
    told.afterDelMany = (await store.keys()).sort();
    await Promise.all(Array.from({ length: 20 }, () => store.update('count', (old = 0) => old + 1)));
    told.count = await store.get('count');
    told.entry = Object.keys(await store.entry('count')).sort();
    told.backend = await store.backend();
    told.clear = [await store.clear(), await store.keys()];
    return told;
  });
  assert.deepEqual(answers, {
    getMany: [2, null, 1].map((value) => value ?? undefined),
    keys: ['a', 'b', 'c/1', 'c/2'],
    prefix: [['c/1', 3], ['c/2', 4]],
    values: [3, 4],
    afterDelMany: ['b', 'c/1', 'c/2'],
    count: 20,
    entry: ['expires', 'seq', 'value'],
    backend: 'opfs',
    clear: [undefined, []],
  });
});

test('a put is one write and one flush, and so are many together', async (t) => {
  const page = await tab(await browse(t));
  const counts = await page.evaluate(() => new Promise((counted, failed) => {
    const worker = new Worker('/counting.js', { type: 'module' });
    worker.onmessage = ({ data }) => counted(data);
    worker.onerror = ({ message }) => failed(new Error(message));
  }));
  assert.deepEqual(counts, [{ write: 20, flush: 20 }, { write: 1, flush: 1 }, { write: 1, flush: 0 }, { write: 0, flush: 0 }]);
});

test('a key that is a part of a buffer takes only its part along, as it was when it was asked for', async (t) => {
  const page = await opened(t, 'parts', { values: 'text' });
  const told = await page.evaluate(async () => {
    const buffer = new TextEncoder().encode('--key--');
    const key = buffer.subarray(2, 5);
    await store.set(key, 'there');
    const asked = [store.get(key), store.has(key), store.entry(key), store.getMany([key, 'key', 'none'])];
    buffer.fill(0);
    const [value, has, entry, many] = await Promise.all(asked);
    return [value, has, entry.value, many.map((one) => one ?? 'absent'), await store.has('none'), await store.has('key')];
  });
  assert.deepEqual(told, ['there', true, 'there', ['there', 'there', 'absent'], false, true]);
});

test('keys and values are text, bytes or JSON as they are asked for', async (t) => {
  const page = await opened(t, 'formats', { values: 'bytes', keys: 'bytes' });
  const answers = await page.evaluate(async () => {
    const list = (bytes) => bytes && Array.from(bytes);
    await store.set(new Uint8Array([0, 255]), new Uint8Array([1, 2, 3]));
    await store.set('text', 'grüße', { as: 'text' });
    await store.set('json', { a: [1] }, { as: 'json' });
    await store.set('', new Uint8Array());
    const error = (promise) => promise.then(() => 'none', (error) => error.code);
    return [
      list(await store.get(new Uint8Array([0, 255]))), list(await store.get('text')), await store.get('text', { as: 'text' }),
      await store.get('json', { as: 'json' }), list(await store.get('')), (await store.keys()).map(list).sort(),
      await error(store.set('x', { a: 1 })), await error(store.get('text', { as: 'json' })), await error(store.set(3, 'x')),
      await error(store.set('x', new Uint8Array(1), { as: 'json' })),
    ];
  });
  assert.deepEqual(answers, [
    [1, 2, 3], [...new TextEncoder().encode('grüße')], 'grüße', { a: [1] }, [],
    [[], [0, 255], [...Buffer.from('json')], [...Buffer.from('text')]].sort(), 'BadValue', 'BadValue', 'BadValue', 'BadValue',
  ]);
});

test('a batch is taken whole or not at all, and conditions refuse it', async (t) => {
  const page = await opened(t, 'batches');
  const answers = await page.evaluate(async () => {
    await store.batch().set('a', 1).set('b', 2).del('c').commit();
    const { seq } = await store.entry('a');
    const refused = async (batch) => batch.commit().then(() => 'taken', (error) => error.code);
    return [
      await refused(store.batch().require('a', 'absent').set('b', 3)),
      await refused(store.batch().require('a', { seq: seq + 7 }).set('b', 4)),
      await store.get('b'),
      await refused(store.batch().require('a', { seq }).require('b', 'present').require('z', 'absent').set('a', 5).del('b')),
      await store.entries(),
    ];
  });
  assert.deepEqual(answers, ['ConditionFailed', 'ConditionFailed', 2, 'taken', [['a', 5]]]);
});

test('all writes of a tick are one batch, and a refused value refuses nobody else', async (t) => {
  const page = await opened(t, 'ticks', { keyBytesMax: 20, valueBytesMax: 50 });
  const [seqs, answers] = await page.evaluate(async () => {
    const before = (await store.stats()).lastSeq;
    const outcome = (promise) => promise.then(() => 'taken', (error) => error.code);
    const answers = await Promise.all([
      outcome(store.set('a', 1)), outcome(store.set('k'.repeat(21), 1)), outcome(store.set('b', 'v'.repeat(60))),
      outcome(store.set('b', 2)), outcome(store.del('a')),
    ]);
    return [(await store.stats()).lastSeq - before, answers];
  });
  assert.deepEqual(answers, ['taken', 'KeyTooLong', 'ValueTooLarge', 'taken', 'taken']);
  // Two sets, a delete of what the batch itself set, the client's own record and the list of clients.
  assert.equal(seqs, 5);
});

test('a key lives as long as it was given', async (t) => {
  const page = await opened(t, 'ttl', { ttl: 3_600_000 });
  const answers = await page.evaluate(async () => {
    const start = Date.now();
    await store.set('short', 1, { ttl: 150 });
    await store.set('until', 1, { expires: new Date(start + 150) });
    await store.set('default', 1);
    const [{ expires }, before] = [await store.entry('default'), await store.getMany(['short', 'until'])];
    while (Date.now() < start + 400) await store.get('default');
    return [Math.round((expires - start) / 60_000), before, await store.getMany(['short', 'until']), await store.keys()];
  });
  assert.deepEqual(answers, [60, [1, 1], [undefined, undefined], ['default']]);
});

test('durability levels answer when they say', async (t) => {
  const page = await opened(t, 'levels');
  const answers = await page.evaluate(async () => {
    const bad = await store.set('x', 1, { durability: 'eventually' }).catch((error) => error.code);
    await store.set('queued', 1, { durability: 'queued' });
    await store.set('written', 2, { durability: 'written' });
    await store.set('flushed', 3);
    await store.flush();
    return [bad, ...(await store.getMany(['queued', 'written', 'flushed']))];
  });
  assert.deepEqual(answers, ['BadOption', 1, 2, 3]);
});

test('a scan meets each of 20,000 keys once, while others are written', async (t) => {
  const page = await opened(t, 'scans', { values: 'text' });
  const [met, distinct] = await page.evaluate(async () => {
    await store.setMany(Array.from({ length: 20_000 }, (_, n) => [`key-${n}`, `value ${n}`]));
    const keys = [];
    for await (const [key, value] of store.scan({ prefix: 'key-' })) {
      if (keys.length % 5000 === 0) await store.set(`other-${keys.length}`, 'x');
      if (value !== `value ${key.slice(4)}`) throw new Error(`${key} has ${value}`);
      keys.push(key);
    }
    return [keys.length, new Set(keys).size];
  });
  assert.deepEqual([met, distinct], [20_000, 20_000]);
});

test('merge gives space back in steps, while calls are answered', async (t) => {
  const page = await opened(t, 'merging', { values: 'text', segmentBytes: 1 << 20, merge: false });
  const told = await page.evaluate(async () => {
    const value = 'x'.repeat(10_000);
    for (let round = 0; round < 8; round += 1) {
      await store.setMany(Array.from({ length: 100 }, (_, n) => [`key-${n}`, value + round]));
    }
    const before = await store.stats();
    let answered = 0;
    const merged = store.merge();
    let merging = true;
    merged.finally(() => { merging = false; });
    while (merging) { await store.get('key-1'); answered += 1; }
    const report = await merged;
    const after = await store.stats();
    const values = await store.getMany(['key-0', 'key-99']);
    return { before: before.totalBytes, after: after.totalBytes, report, answered, right: values.every((found) => found === `${value}7`), sound: (await store.verify()).sound };
  });
  assert.ok(told.before > 8_000_000 && told.after < 1_200_000, `${told.before} -> ${told.after}`);
  assert.ok(told.right && told.sound);
  assert.ok(told.answered > 5, `${told.answered} calls were answered during the merge`);
  assert.ok(told.report.recordsDropped >= 700);
});

test('a store grows over many segments without running out of handles', async (t) => {
  const page = await opened(t, 'growing', { values: 'text', segmentBytes: 1 << 20 });
  const [stats, keys] = await page.evaluate(async () => {
    const value = 'x'.repeat(50_000);
    for (let n = 0; n < 600; n += 20) {
      await store.setMany(Array.from({ length: 20 }, (_, at) => [`key-${n + at}`, value]));
    }
    return [await store.stats(), (await store.keys()).length];
  });
  assert.equal(keys, 600);
  assert.ok(stats.handles <= 100, `${stats.handles} handles`);
});

test('in memory nothing is kept, and only where it was asked for', async (t) => {
  const page = await opened(t, 'forgotten', { memory: true });
  const told = await page.evaluate(async () => {
    await store.set('a', 1);
    const told = [await store.backend(), await store.get('a')];
    await store.close();
    const again = await portcask.open('forgotten', { memory: true });
    return [...told, await again.get('a')];
  });
  assert.deepEqual(told, ['memory', 1, undefined]);
});

test('a closed store says so, and its files are free', async (t) => {
  const page = await opened(t, 'closing');
  const told = await page.evaluate(async () => {
    store.set('last', 1);
    await store.close();
    const code = await store.get('last').catch((error) => error.code);
    const again = await portcask.open('closing');
    const last = await again.get('last');
    const { clean } = await again.report();
    const locked = await portcask.destroy('closing').catch((error) => error.code);
    await again.close();
    await portcask.destroy('closing');
    return [code, last, clean, locked, await portcask.open('closing', { create: false }).catch((error) => error.code)];
  });
  assert.deepEqual(told, ['Closed', 1, true, 'LockedByOtherTab', 'NoStore']);
});

test('estimate and requestPersist tell what the browser says', async (t) => {
  const page = await opened(t, 'estimates');
  const told = await page.evaluate(async () => {
    const { quota, usage, persisted } = await store.estimate();
    return [quota > 0, usage >= 0, typeof persisted, typeof await store.requestPersist()];
  });
  assert.deepEqual(told, [true, true, 'boolean', 'boolean']);
});

test('a text comes back letter by letter, whatever it begins with and however long it is', async (t) => {
  const page = await opened(t, 'letters', { values: 'text' });
  const wrong = await page.evaluate(async () => {
    const texts = ['', '\uFEFFmark', 'é', 'ASCII', `${'a'.repeat(127)}é`, '猫'.repeat(50), '🐈'.repeat(200), 'x'.repeat(70_000), 'é'.repeat(70_000)];
    for (const text of texts) await store.set(`\uFEFF${text.slice(0, 1000)}`, text);
    const got = await store.getMany(texts.map((text) => `\uFEFF${text.slice(0, 1000)}`));
    const keys = new Set(await store.keys());
    return texts.filter((text, at) => got[at] !== text || !keys.has(`\uFEFF${text.slice(0, 1000)}`)).map((text) => text.slice(0, 20));
  });
  assert.deepEqual(wrong, []);
});
