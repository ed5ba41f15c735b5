// The storage contract, on the browser's own files.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browse, tab } from './browser.mjs';

test('the private file system keeps the storage contract', async (t) => {
  const world = await browse(t);
  const page = await tab(world);
  const lines = await page.evaluate(() => new Promise((done, failed) => {
    const worker = new Worker('/contract.js', { type: 'module' });
    worker.onmessage = ({ data }) => done(data);
    worker.onerror = (event) => failed(new Error(event.message));
    worker.postMessage('start');
  }));
  for (const line of lines) t.diagnostic(line.replaceAll('\t', ' | '));
  assert.ok(lines.length >= 34, `only ${lines.length} promises were tried`);
  assert.deepEqual(lines.filter((line) => line.includes('BROKEN')), []);
});
