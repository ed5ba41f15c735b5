// The packed package in a fresh application of Vite, built and under development.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { serve } from '../serve.mjs';
import { browse } from './browser.mjs';

const tools = process.env.PORTCASK_WEB_TOOLS;

/** A fresh application with the tarball of `npm pack` installed. */
async function application(t) {
  const root = await mkdtemp(join(tmpdir(), 'portcask-vite-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const source = fileURLToPath(new URL('../package/', import.meta.url));
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const [packed] = JSON.parse(execFileSync(npm, ['pack', '--json', '--pack-destination', root], { cwd: source, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  const installed = join(root, 'node_modules/portcask');
  await mkdir(installed, { recursive: true });
  execFileSync('tar', ['-xzf', join(root, packed.filename), '-C', installed, '--strip-components=1']);
  await writeFile(join(root, 'package.json'), '{"name":"fresh","private":true,"type":"module"}');
  await writeFile(join(root, 'index.html'), '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>waiting</title><script type="module" src="/main.js"></script>');
  await writeFile(join(root, 'main.js'), `import { open } from 'portcask';
    open('fresh').then(async (store) => {
      await store.set('cat', 'meow');
      document.title = [await store.get('cat'), await store.backend()].join(' ');
    }).catch((error) => { document.title = String(error); });`);
  return root;
}

async function title(world, url) {
  const page = await world.context.newPage();
  await page.goto(url);
  await page.waitForFunction(() => document.title !== 'waiting');
  return page.title();
}

test('the packed package works in a fresh Vite application, built and under development', async (t) => {
  const { build, createServer } = await import(pathToFileURL(join(tools, 'node_modules/vite/dist/node/index.js')));
  const root = await application(t);
  const world = await browse(t);
  await build({ root, logLevel: 'error', configFile: false });
  const built = await serve({ '/': join(root, 'dist') });
  t.after(() => built.close());
  assert.equal(await title(world, built.url), 'meow opfs');

  const server = await createServer({ root, logLevel: 'error', configFile: false, optimizeDeps: { exclude: ['portcask'] }, server: { host: 'localhost', port: 0 } });
  t.after(() => server.close());
  await server.listen();
  assert.equal(await title(world, server.resolvedUrls.local[0]), 'meow opfs');
});
