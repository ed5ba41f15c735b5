// The demo as a visitor meets it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { mounts } from '../serve.mjs';
import { browse } from './browser.mjs';

const run = promisify(execFile);
const cli = process.env.PORTCASK_CLI;

/** The demo in a new browser; whatever it complains of, or asks of somebody else, fails the test at its end. */
async function demo(t) {
  const world = await browse(t, mounts());
  const complaints = [];
  const open = async (address = world.server.url) => {
    const page = await world.context.newPage();
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) complaints.push(message.text()); });
    page.on('request', (request) => { if (!request.url().startsWith(world.server.url) && !request.url().startsWith('blob:')) complaints.push(`asks for ${request.url()}`); });
    page.on('response', (response) => { if (response.status() >= 400) complaints.push(`${response.status()} for ${response.url()}`); });
    await page.goto(address);
    await page.waitForSelector('html[data-ready]');
    return page;
  };
  return { world, open, isQuiet: () => assert.deepEqual(complaints, []) };
}

const textOf = (page, selector) => page.evaluate((selector) => document.querySelector(selector).textContent, selector);
/** `key = value` of each row. */
const rows = (page) => page.evaluate(() => [...document.querySelectorAll('#rows tr')].map((row) => `${row.cells[0].textContent} = ${row.querySelector('input').value}`));
const hasRows = (page, expected) => page.waitForFunction((expected) => {
  const found = [...document.querySelectorAll('#rows tr')].map((row) => `${row.cells[0].textContent} = ${row.querySelector('input').value}`);
  return JSON.stringify(found) === JSON.stringify(expected);
}, expected);

test('the demo loads without a complaint and asks nobody else for anything', async (t) => {
  const { open, isQuiet } = await demo(t);
  const page = await open();
  await page.click('#try-some');
  await page.waitForSelector('.record.live');
  assert.equal(await textOf(page, '#fact-role'), 'leads');
  // Six keys of one tick, and what the system notes of this tab.
  await page.hover('.record:text("cat")');
  await page.waitForFunction(() => /It begins a batch of 8:.*batch records7 follow/s.test(document.querySelector('#inspector').textContent));
  isQuiet();
});

test('keys are put, changed and deleted by keyboard alone', async (t) => {
  const { open, isQuiet } = await demo(t);
  const page = await open();
  await page.focus('#put-key');
  await page.keyboard.type('cat');
  await page.keyboard.press('Tab');
  await page.keyboard.type('meow');
  await page.keyboard.press('Enter');
  await hasRows(page, ['cat = meow']);
  // The key's field has the focus again: five steps on is the value's own.
  await page.keyboard.type('dog');
  await page.keyboard.press('Enter');
  await hasRows(page, ['cat = meow', 'dog = ']);
  for (let steps = 0; await page.evaluate(() => document.activeElement.getAttribute('aria-label')) !== 'value of cat'; steps += 1) {
    assert.ok(steps < 12, 'the value cannot be reached by Tab');
    await page.keyboard.press('Tab');
  }
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type('purr');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'delete cat');
  await hasRows(page, ['cat = purr', 'dog = ']);
  await page.keyboard.press('Enter');
  await hasRows(page, ['dog = ']);
  await page.reload();
  await hasRows(page, ['dog = ']);
  isQuiet();
});

test('a key with a life is shown ticking and goes by itself', async (t) => {
  const { open, isQuiet } = await demo(t);
  const page = await open();
  await page.evaluate(() => { document.querySelector('#put-ttl').add(new Option('2 s', '2')); });
  await page.fill('#put-key', 'soon');
  await page.selectOption('#put-ttl', '2');
  await page.click('#put button');
  await page.waitForSelector('.life.ticking');
  await page.waitForFunction(() => !document.querySelector('#rows tr'));
  await page.waitForSelector('.record.dead');
  isQuiet();
});

test('the data set is searchable once it is loaded, and after a reload', async (t) => {
  const { open, isQuiet } = await demo(t);
  const page = await open();
  await page.click('#load-names');
  await page.waitForSelector('#query:not([disabled])');
  const find = async () => {
    await page.fill('#query', 'weary cat');
    await page.waitForSelector('#found li');
    return textOf(page, '#found');
  };
  assert.match(await find(), /weary cat face.*U\+1F640/s);
  await page.click('#found button');
  await page.waitForFunction(() => document.querySelector('#inspector').textContent.includes('U+1F640'));
  await page.reload();
  await page.waitForSelector('#query:not([disabled])');
  assert.match(await find(), /U\+1F640/);
  assert.equal(await textOf(page, '#fact-keys'), '34,924');
  isQuiet();
});

test('overwritten records are dead until merge gives their bytes back', async (t) => {
  const { open, isQuiet } = await demo(t);
  const page = await open();
  await page.click('#load-names');
  await page.waitForSelector('#query:not([disabled])');
  await page.click('#churn');
  await page.waitForFunction(() => Number.parseInt(document.querySelector('#fact-live').textContent, 10) < 90);
  await page.click('#merge');
  await page.waitForFunction(() => /Merged \d files/.test(document.querySelector('#merge-said').textContent));
  await page.waitForFunction(() => Number.parseInt(document.querySelector('#fact-live').textContent, 10) > 95);
  await page.fill('#prefix', 'U+1F640');
  await hasRows(page, ['U+1F640 = WEARY CAT FACE\tSo']);
  isQuiet();
});

test('the crash lab keeps a prefix wherever the log is cut, and shows no wrong value whatever bit is turned', async (t) => {
  const { open, isQuiet } = await demo(t);
  const page = await open();
  await page.waitForFunction(() => document.querySelector('#crash-verdict').textContent.includes('survive'));
  const [from, end] = await page.evaluate(() => { const { min, max } = document.querySelector('#crash-at'); return [Number(min), Number(max)]; });
  const at = async (byte) => {
    await page.evaluate((byte) => {
      const slider = document.querySelector('#crash-at');
      slider.value = byte;
      slider.removeAttribute('aria-valuetext');
      slider.dispatchEvent(new Event('input'));
    }, byte);
    await page.waitForFunction(() => document.querySelector('#crash-at').hasAttribute('aria-valuetext'));
    return page.evaluate(() => [document.querySelector('#crash-verdict').textContent, [...document.querySelectorAll('#crash-keys li')].map((item) => `${item.className} ${item.textContent}`)]);
  };
  let before = -1;
  const kept = new Set();
  for (let byte = from; byte <= end; byte += 7) {
    const [verdict] = await at(byte);
    const [, survive] = /^(\d+) of 11 writes survive/.exec(verdict) ?? assert.fail(verdict);
    assert.ok(Number(survive) >= before, `cut at ${byte}: ${verdict}`);
    before = Number(survive);
    kept.add(before);
  }
  const [verdict, all] = await at(end);
  assert.match(verdict, /^11 of 11/);
  assert.deepEqual(all, [' cat = purr', 'missing dog', ' cart = 4 apples', ' total = 3.20', ' paid = yes', ' owl = hoot']);
  // A batch of two and one of three: no cut keeps a part of them.
  for (const half of [3, 7, 8]) assert.ok(!kept.has(half), `${half} writes are a part of a batch`);
  await page.click('#crash-flip');
  await page.waitForFunction(() => document.querySelector('#crash-at').getAttribute('aria-label').includes('bit'));
  const right = new Set(['cat = purr', 'cat = meow', 'dog = woof', 'dog', 'cart = 4 apples', 'cart = 3 apples', 'total = 3.20', 'total = 2.40', 'paid = yes', 'paid = no', 'owl = hoot']);
  for (let byte = from; byte < end; byte += 5) {
    const [told, keys] = await at(byte);
    assert.match(told, /Every key is right|no wrong value/, `bit of byte ${byte}`);
    for (const key of keys) assert.ok(key.startsWith('wrong ') ? /Corrupt/.test(key) : right.has(key.replace(/^\w* /, '')), `bit of byte ${byte}: ${key}`);
  }
  isQuiet();
});

test('what a killed worker had been told is found by the next one', async (t) => {
  const { open, isQuiet } = await demo(t);
  const page = await open();
  await page.click('#kill-ten');
  await page.waitForFunction(() => document.querySelector('#kill-said dd')?.textContent === '10');
  const counts = await page.evaluate(() => Object.fromEntries([...document.querySelectorAll('#kill-said div')].map((item) => [item.children[0].textContent, item.children[1].textContent])));
  assert.equal(counts['told and lost'], '0');
  assert.equal(counts['half batches'], '0');
  assert.ok(Number(counts['batches told'].replace(',', '')) >= 10);
  isQuiet();
});

test('a directory of the native command is dropped on the page, and what the page exports opens natively', { skip: !cli && 'PORTCASK_CLI names no command' }, async (t) => {
  const { open, world, isQuiet } = await demo(t);
  const folder = await mkdtemp(join(tmpdir(), 'portcask-demo-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const store = join(folder, 'native-cats');
  const native = async (...words) => (await run(cli, words)).stdout;
  await native('--dir', store, 'put', 'cat', 'meow');
  await native('--dir', store, 'put', 'lion', 'roar');
  const page = await open();
  // A drop as the system makes it, of a folder.
  const devtools = await world.context.newCDPSession(page);
  const data = { items: [], files: [store], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop']) await devtools.send('Input.dispatchDragEvent', { type, x: 200, y: 200, data });
  await page.waitForFunction(() => /^Imported as/.test(document.querySelector('#files-said').textContent));
  assert.equal(await textOf(page, '#fact-store'), 'native-cats');
  await hasRows(page, ['cat = meow', 'lion = roar']);
  await page.fill('#put-key', 'lynx');
  await page.fill('#put-value', 'yowl');
  await page.press('#put-value', 'Enter');
  await hasRows(page, ['cat = meow', 'lion = roar', 'lynx = yowl']);
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#export')]);
  const tar = join(folder, 'out.tar');
  await download.saveAs(tar);
  const back = join(folder, 'back');
  await mkdir(back);
  await run('tar', ['xf', tar, '-C', back]);
  assert.equal(await native('--dir', back, 'get', 'lynx'), 'yowl');
  assert.equal(await native('--dir', back, 'get', 'cat'), 'meow');
  await native('--dir', back, 'verify');
  isQuiet();
});

test('files that are no store are refused, and the store that was shown is still there', async (t) => {
  const { open, isQuiet } = await demo(t);
  const page = await open();
  await page.click('#try-some');
  await page.setInputFiles('#pick-tar', { name: 'holiday.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('not a tar at all'.repeat(100)) });
  await page.waitForFunction(() => /could not be imported/.test(document.querySelector('#files-said').textContent));
  assert.equal(await textOf(page, '#fact-store'), 'demo');
  assert.equal((await rows(page)).length, 6);
  isQuiet();
});

test('a second tab follows, shows what the first one writes, and leads when that is closed', async (t) => {
  const { open, isQuiet, world } = await demo(t);
  const first = await open();
  const [second] = await Promise.all([world.context.waitForEvent('page'), first.click('#second-tab')]);
  await second.waitForSelector('html[data-ready]');
  assert.equal(await textOf(second, '#fact-role'), 'follows');
  await first.fill('#put-key', 'from');
  await first.fill('#put-value', 'the first tab');
  await first.press('#put-value', 'Enter');
  await hasRows(second, ['from = the first tab']);
  await second.waitForSelector('.record.live');
  await first.close();
  await second.waitForFunction(() => document.querySelector('#fact-role').textContent === 'leads');
  await second.fill('#put-key', 'from');
  await second.fill('#put-value', 'the second tab');
  await second.press('#put-value', 'Enter');
  await hasRows(second, ['from = the second tab']);
  isQuiet();
});

test('the page fits a narrow screen, and its text can be read in light and in dark', async (t) => {
  const { open, isQuiet } = await demo(t);
  const page = await open();
  await page.click('#try-some');
  await page.waitForSelector('.record.live');
  for (const width of [1360, 820, 390, 320]) {
    await page.setViewportSize({ width, height: 800 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= width, `${wide} pixels on a screen of ${width}`);
  }
  const papers = [];
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    const { paper, weak } = await page.evaluate(contrasts);
    papers.push(paper);
    assert.deepEqual(weak, [], colorScheme);
  }
  assert.ok(papers[0] > 0.8 && papers[1] < 0.05, `the papers are ${papers}`);
  // The switch overrules the system.
  await page.click('#theme');
  assert.ok((await page.evaluate(contrasts)).paper > 0.8);
  isQuiet();
});

/** In the page: how light the paper is, and which texts stand out from what is behind them by less than 4.5 to 1. */
function contrasts() {
  const light = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const drawn = (colours) => {
    pen.clearRect(0, 0, 1, 1);
    for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255);
  };
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(getComputedStyle(at).backgroundColor);
    return layers;
  };
  const weak = [];
  for (const element of document.querySelectorAll('h1, h2, h3, p, dt, dd, th, td, button:not(:disabled), label, li, code, .about b, .about span, .record, .hex span, .crash-map .block:not(.lost)')) {
    if (!element.textContent.trim() || !element.checkVisibility() || element.closest('.toast, .veil')) continue;
    const layers = behind(element);
    const [one, other] = [light(drawn([...layers, getComputedStyle(element).color])), light(drawn(layers))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) weak.push(`${element.tagName} ${element.className} "${element.textContent.trim().slice(0, 24)}": ${ratio.toFixed(2)}`);
  }
  return { paper: light(drawn(behind(document.body))), weak };
}
