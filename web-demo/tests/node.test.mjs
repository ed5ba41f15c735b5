// The package outside a browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';

test('importing the package in plain Node does not throw, and opening says what is missing', async () => {
  for (const module of ['index', 'sync', 'opfs', 'lab']) await import(`../package/${module}.js`);
  const { open } = await import('../package/index.js');
  await assert.rejects(open('x'), { code: 'Unsupported' });
  const { openSync } = await import('../package/sync.js');
  await assert.rejects(openSync('x'), { code: 'Unsupported' });
});
