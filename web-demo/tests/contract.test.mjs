// The storage contract, on the browser's own files.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
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
  assert.deepEqual(lines.filter((line) => line.startsWith('BROKEN')), []);

  // The README tells the same: a column for this backend, with a row for each promise that it declines.
  const rows = (await readFile(new URL('../../README.md', import.meta.url), 'utf8')).split('\n').filter((line) => line.startsWith('| '));
  const head = rows.findIndex((row) => row.includes('OPFS in Chromium'));
  const cells = (row) => row.split('|').map((cell) => cell.trim());
  const column = cells(rows[head]).indexOf('OPFS in Chromium');
  const told = new Map(rows.slice(head + 2).filter((row) => cells(row).length === cells(rows[head]).length).map((row) => [cells(row)[1], cells(row)[column]]));
  for (const line of lines) {
    const [word, sentence] = line.split('\t');
    const expected = { kept: /^yes$/, claimed: /^yes, by the platform's word$/, declined: /^\*\*no\*\*/ }[word];
    if (told.has(sentence)) assert.match(told.get(sentence), expected, sentence);
    else assert.notEqual(word, 'declined', `the README does not tell that this is declined: ${sentence}`);
    told.delete(sentence);
  }
  assert.deepEqual([...told.keys()], [], 'the README tells of promises that there are not');
});
