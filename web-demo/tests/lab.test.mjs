// The lab: a store's files in memory, cut and damaged.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browse, tab } from './browser.mjs';

test('a log that is cut at any byte keeps a prefix, and the lab says what it kept', async (t) => {
  const world = await browse(t);
  const page = await tab(world);
  const told = await page.evaluate(async () => {
    const { Lab } = await import('/package/lab.js');
    const store = await portcask.open('lab', { values: 'text' });
    for (let n = 0; n < 5; n += 1) await store.set(`key-${n}`, `value ${n}`, { durability: 'written' });
    await store.set('key-0', 'changed');
    await store.del('key-1');
    const lab = await Lab.load(await store.exportTo());
    const segment = lab.files().find(({ name }) => name.startsWith('segment'));
    const records = await lab.records(segment.name);
    const report = await lab.open();
    const whole = { entries: lab.entries().sort(), history: lab.history('key-0').map(({ value, live }) => [value, live]), deleted: lab.history('key-1').map(({ deleted }) => deleted) };
    const kept = [];
    for (let at = segment.bytes; at > segment.bytes - 200; at -= 13) {
      const cut = lab.copy().cut(segment.name, at);
      // The cut takes what the closing had vouched for: recovery reports it as damage.
      const report = await cut.open().catch((error) => error.code);
      kept.push(report.degraded === undefined ? report : report.degraded || report.damages.length > 0 || report.tornBytes >= 0);
    }
    return { clean: report.clean, whole, titles: records.map(({ title }) => title.split(',')[0]).slice(0, 3), fields: records[1].fields.length, kept, untouched: lab.bytes(segment.name).length === segment.bytes };
  });
  assert.ok(told.clean && told.untouched);
  assert.deepEqual(told.whole.entries, [['key-0', 'changed'], ['key-2', 'value 2'], ['key-3', 'value 3'], ['key-4', 'value 4']]);
  assert.deepEqual(told.whole.history, [['value 0', false], ['changed', true]]);
  assert.deepEqual(told.whole.deleted, [false, true]);
  assert.ok(told.fields > 3, JSON.stringify(told.titles));
  assert.ok(told.kept.every((what) => what === true), JSON.stringify(told.kept));
});
