// Measures Portcask beside others in one page of one browser whose profile lies in memory, prints the medians with
// ratios, and may write them down: node web-demo/bench/run.mjs --vendor DIR [--rounds N] [--quick] [--only A,B]
// [--json FILE] [--page FILE]

import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { mounts, serve } from '../serve.mjs';
import { launch } from '../tests/browser.mjs';
import { goals, pageOf, table } from './report.mjs';

const { values: given } = parseArgs({ options: {
  vendor: { type: 'string' }, rounds: { type: 'string', default: '5' }, quick: { type: 'boolean', default: false },
  only: { type: 'string', default: '' }, json: { type: 'string' }, page: { type: 'string' },
} });
const AMOUNTS = given.quick
  ? { batch: 2_000, each: 200, gets: 2_000, opens: [2_000] }
  : { batch: 10_000, each: 1_000, gets: 10_000, opens: [10_000, 100_000] };

/** Rounds that are not counted. */
const WARM_UPS = 2;

const inMemory = await stat('/dev/shm').then((folder) => folder.isDirectory(), () => false);
const profile = await mkdtemp(join(inMemory ? '/dev/shm' : tmpdir(), 'portcask-bench-'));
const server = await serve(mounts(given.vendor));
const { browser, end, ended } = await launch(profile);
try {
  const page = await browser.contexts()[0].newPage();
  page.on('pageerror', (error) => console.error(error));
  await page.goto(`${server.url}/bench/`);
  await page.waitForFunction(() => globalThis.round);
  const round = (amounts) => page.evaluate((what) => globalThis.round(what), {
    amounts, vendor: `${server.url}/vendor`, only: given.only.split(',').filter(Boolean),
  });
  // Browsers compile in several steps while code runs: nobody is judged by the first ones.
  for (let number = 1; number <= WARM_UPS; number += 1) {
    console.error(`warming up, ${number} of ${WARM_UPS}`);
    await round({ ...AMOUNTS, each: Math.min(200, AMOUNTS.each), opens: [] });
  }
  const rounds = [];
  for (let number = 1; number <= Number(given.rounds); number += 1) {
    console.error(`round ${number} of ${given.rounds}`);
    rounds.push(await round(AMOUNTS));
  }
  const result = {
    browser: `Chromium ${browser.version()}`,
    processors: `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    profile: inMemory ? 'in memory' : 'on disk',
    versions: await versions(given.vendor),
    amounts: AMOUNTS,
    medians: medians(rounds),
    rounds,
  };
  console.log(table(result));
  console.log(goals(result));
  if (given.json) await writeFile(given.json, `${JSON.stringify(result, null, 1)}\n`);
  if (given.page) await writeFile(given.page, pageOf(result));
} finally {
  await browser.close().catch(() => {});
  end();
  await ended;
  await server.close();
  await rm(profile, { recursive: true, force: true, maxRetries: 5 });
}

async function versions(vendor) {
  const found = {};
  for (const name of ['@sqlite.org/sqlite-wasm', 'idb-keyval']) {
    found[name] = JSON.parse(await readFile(join(vendor, name, 'package.json'), 'utf8')).version;
  }
  return found;
}

/** The middle of what the rounds took, place by place. */
function medians(rounds) {
  const middle = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
  const all = {};
  for (const [place, contenders] of Object.entries(rounds[0])) {
    all[place] = {};
    for (const [name, took] of Object.entries(contenders)) {
      all[place][name] = Object.fromEntries(Object.keys(took).map((what) => [what, middle(rounds.map((round) => round[place][name][what]))]));
    }
  }
  return all;
}
