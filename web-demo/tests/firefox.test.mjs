// The package in Firefox: what other tests try one by one in Chromium, once through.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { browse } from './firefox.mjs';

const program = [process.env.PORTCASK_FIREFOX, '/usr/bin/firefox-esr', '/usr/bin/firefox'].find((path) => path && existsSync(path));
const skip = program ? false : 'there is no Firefox: apt-get install firefox-esr, or name one in PORTCASK_FIREFOX';

test('every verb answers in Firefox as in Chromium', { skip }, async (t) => {
  const page = await (await browse(t, program)).tab();
  const told = await page.evaluate(async () => {
    const store = await portcask.open('verbs');
    await store.set('a', { b: 1 });
    await store.set('gone', 1, { ttl: 20 });
    await store.setMany(Array.from({ length: 2000 }, (_, n) => [`k${n}`, n]));
    await store.update('count', (old = 0) => old + 1);
    const refused = await store.batch().require('a', 'absent').set('a', 2).commit().catch(({ code }) => code);
    await new Promise((later) => { setTimeout(later, 50); });
    const found = [await store.get('a'), await store.has('gone'), (await store.keys({ prefix: 'k1' })).length, await store.get('count')];
    const tar = await store.exportTo();
    const other = await portcask.open('copy');
    await other.importFrom(tar);
    const copied = (await other.keys()).length;
    await other.close();
    await store.merge();
    const { sound } = await store.verify();
    await store.clear();
    const left = await store.keys();
    await store.close();
    return [await store.get('a').catch(({ code }) => code), refused, found, copied, sound, left];
  });
  assert.deepEqual(told, ['Closed', 'ConditionFailed', [{ b: 1 }, false, 1111, 1], 2002, true, []]);
});

test("two tabs of Firefox share a store, and when the leader's is closed under load nothing acknowledged is lost", { skip }, async (t) => {
  const browser = await browse(t, program);
  const [one, two] = [await browser.tab(), await browser.tab()];
  for (const page of [one, two]) {
    await page.evaluate(async () => {
      globalThis.store = await portcask.open('shared');
      return store.stats();
    });
  }
  await two.evaluate(async () => {
    globalThis.acknowledged = [];
    globalThis.failures = [];
    globalThis.going = true;
    globalThis.ended = (async () => {
      for (let n = 0; going; n += 1) {
        // A put that is taken twice refuses the second time.
        await store.batch().require(`l${n}`, 'absent').set(`l${n}`, n).commit()
          .then(() => acknowledged.push(`l${n}`), (error) => failures.push(`${error.code}: ${error.message}`));
      }
    })();
    while (acknowledged.length < 100) await store.stats();
  });
  await one.close();
  const told = await two.evaluate(async () => {
    const before = acknowledged.length;
    while (acknowledged.length < before + 100) await store.stats();
    going = false;
    await ended;
    const keys = new Set(await store.keys());
    return { leads: store.leads, failures, lost: acknowledged.filter((key) => !keys.has(key)), sound: (await store.verify()).sound };
  });
  assert.deepEqual(told, { leads: true, failures: [], lost: [], sound: true });
});

test('the synchronous API and the storage contract hold in Firefox', { skip }, async (t) => {
  const page = await (await browse(t, program)).tab();
  const told = await page.evaluate(async () => {
    const { openSync } = await import('/package/sync.js');
    const refused = await openSync('sync').catch(({ code }) => code);
    const source = `import { openSync } from '${location.origin}/package/sync.js';
      onmessage = async () => {
        try {
          const store = await openSync('sync', { values: 'text' });
          store.setMany(Array.from({ length: 1000 }, (_, n) => ['k' + n, 'v' + n]));
          store.del('k7');
          postMessage([store.get('k999'), store.has('k7'), [...store.keys()].length]);
        } catch (error) { postMessage(String(error)); }
      };`;
    const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })), { type: 'module' });
    const synchronous = await new Promise((answer) => {
      worker.onmessage = ({ data }) => answer(data);
      worker.postMessage('start');
    });
    const contract = new Worker('/contract.js', { type: 'module' });
    const lines = await new Promise((done, failed) => {
      contract.onmessage = ({ data }) => done(data);
      contract.onerror = (event) => failed(new Error(event.message));
      contract.postMessage('start');
    });
    return { refused, synchronous, lines };
  });
  assert.deepEqual([told.refused, told.synchronous], ['NeedsWorker', ['v999', false, 999]]);
  assert.ok(told.lines.length >= 34, `only ${told.lines.length} promises were tried`);
  assert.deepEqual(told.lines.filter((line) => line.startsWith('BROKEN')), []);
});
