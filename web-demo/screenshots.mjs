// Pictures of the demo as people would see it, for the eye: node web-demo/screenshots.mjs DIR

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mounts, serve } from './serve.mjs';
import { launch } from './tests/browser.mjs';

const [into = 'screenshots'] = process.argv.slice(2);
await mkdir(into, { recursive: true });
const profile = await mkdtemp(join(tmpdir(), 'portcask-screenshots-'));
const server = await serve(mounts());
const { browser, end, ended } = await launch(profile);
try {
  const page = await browser.contexts()[0].newPage();
  page.on('pageerror', (error) => console.error(error));
  const shot = async (name, fullPage = true) => {
    await page.evaluate(() => scrollTo(0, 0));
    // One picture later, nothing moves any more.
    await page.waitForFunction(() => document.getAnimations().every(({ playState }) => playState !== 'running'));
    await page.screenshot({ path: join(into, `${name}.png`), fullPage });
    console.log(join(into, `${name}.png`));
  };
  await page.emulateMedia({ reducedMotion: 'reduce', colorScheme: 'light' });
  await page.setViewportSize({ width: 1360, height: 900 });
  await page.goto(server.url);
  await page.waitForSelector('html[data-ready]');
  await shot('empty');
  await page.click('#try-some');
  await page.waitForFunction(() => [...document.querySelectorAll('#rows input')].some(({ value }) => value === 'moooo'));
  await shot('light');
  await page.click('#load-names');
  await page.waitForSelector('#query:not([disabled])');
  await page.fill('#query', 'cat face');
  await page.waitForSelector('#found li');
  await page.click('#churn');
  await page.waitForSelector('#toast.shown');
  await page.click('#kill-ten');
  await page.waitForFunction(() => document.querySelector('#kill-said dd')?.textContent === '10');
  await page.click('#race-run');
  await page.waitForFunction(() => document.querySelector('#race-about').textContent.includes('medians'), null, { timeout: 120_000 });
  await shot('full-light');
  await page.emulateMedia({ reducedMotion: 'reduce', colorScheme: 'dark' });
  await shot('full-dark');
  await page.setViewportSize({ width: 390, height: 844 });
  await shot('narrow-dark');
  await page.emulateMedia({ reducedMotion: 'reduce', colorScheme: 'light' });
  await shot('narrow-light');
} finally {
  await browser.close().catch(() => {});
  end();
  await ended;
  await server.close();
  await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}
