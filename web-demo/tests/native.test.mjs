// The same directory, natively and in the browser.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { browse, tab } from './browser.mjs';

const cli = process.env.PORTCASK_CLI ?? fileURLToPath(new URL('../../target/debug/portcask', import.meta.url));

test('a native store comes into the browser and back byte by byte, and each goes on where the other stopped', async (t) => {
  const place = await mkdtemp(join(tmpdir(), 'portcask-native-'));
  t.after(() => rm(place, { recursive: true, force: true }));
  const native = (folder, ...words) => execFileSync(cli, ['--dir', join(place, folder), ...words], { encoding: 'utf8' });
  for (let n = 0; n < 40; n += 1) native('one', 'put', `key-${n}`, `value ${n}`.repeat(n));
  native('one', 'delete', 'key-7');
  const files = await readdir(join(place, 'one'));
  const given = await Promise.all(files.map(async (name) => [name, (await readFile(join(place, 'one', name))).toString('base64')]));

  const world = await browse(t);
  const page = await tab(world);
  const back = await page.evaluate(async (given) => {
    const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    globalThis.store = await portcask.open('native', { values: 'text' });
    await store.importFrom(given.map(([name, text]) => new File([bytes(text)], name)));
    const tar = await store.exportTo();
    globalThis.tarred = async (tar) => {
      const { unpack } = await import('/package/tar.js');
      return Promise.all((await unpack(tar)).map(async ([name, blob]) => [name, btoa(Array.from(new Uint8Array(await blob.arrayBuffer()), (byte) => String.fromCharCode(byte)).join(''))]));
    };
    return { values: await store.getMany(['key-3', 'key-7', 'key-39']), keys: (await store.stats()).keys, files: await tarred(tar) };
  }, given);
  assert.deepEqual(back.values, ['value 3'.repeat(3), undefined, 'value 39'.repeat(39)]);
  assert.equal(back.keys, 39);
  const returned = new Map(back.files);
  for (const [name, text] of given) {
    if (/^(segment|hint)/.test(name)) assert.equal(returned.get(name), text, `${name} changed on the way`);
  }

  // The browser goes on, and the native command after it.
  const later = await page.evaluate(async () => {
    await store.set('from-browser', 'hello');
    await store.del('key-3');
    return tarred(await store.exportTo());
  });
  execFileSync('mkdir', [join(place, 'two')]);
  for (const [name, text] of later) await writeFile(join(place, 'two', name), Buffer.from(text, 'base64'));
  assert.equal(native('two', 'get', 'from-browser').trimEnd(), 'hello');
  native('two', 'verify');
  const all = native('two', 'export', '--format', 'tsv');
  assert.equal(all.trimEnd().split('\n').filter((line) => /key-|from-browser/.test(line)).length, 39);
});

test("the tar is one that the system's tar unpacks", async (t) => {
  const place = await mkdtemp(join(tmpdir(), 'portcask-tar-'));
  t.after(() => rm(place, { recursive: true, force: true }));
  const world = await browse(t);
  const page = await tab(world);
  const tar = await page.evaluate(async () => {
    const store = await portcask.open('tar', { values: 'text' });
    await store.setMany(Array.from({ length: 500 }, (_, n) => [`k${n}`, 'v'.repeat(n)]));
    const blob = await store.exportTo();
    return btoa(Array.from(new Uint8Array(await blob.arrayBuffer()), (byte) => String.fromCharCode(byte)).join(''));
  });
  await writeFile(join(place, 'store.tar'), Buffer.from(tar, 'base64'));
  execFileSync('mkdir', [join(place, 'store')]);
  execFileSync('tar', ['-xf', join(place, 'store.tar'), '-C', join(place, 'store')]);
  assert.equal(execFileSync(cli, ['--dir', join(place, 'store'), 'get', 'k300'], { encoding: 'utf8' }).trimEnd().length, 300);
});

test('an import needs a store without keys and files that are one', async (t) => {
  const world = await browse(t);
  const page = await tab(world);
  const told = await page.evaluate(async () => {
    const code = (promise) => promise.then(() => 'none', (error) => error.code);
    const store = await portcask.open('import', { values: 'text' });
    await store.set('a', '1');
    const tar = await store.exportTo();
    const full = await code(store.importFrom(tar));
    const foreign = await code(store.importFrom([new File(['x'], 'notes.txt')]));
    const noTar = await code(store.importFrom(new Blob(['this is no tar at all'.repeat(100)])));
    await store.clear();
    const broken = await code(store.importFrom([new File(['nonsense'], 'segment-0000000001'), new File(['more of it'], 'manifest-0000000001')]));
    await store.set('still', 'works');
    const still = await store.get('still');
    await store.clear();
    await store.importFrom(tar.stream());
    return [full, foreign, noTar, broken, still, await store.entries()];
  });
  assert.deepEqual(told, ['NotEmpty', 'BadOption', 'BadOption', 'NoManifest', 'works', [['a', '1']]]);
});
