// What every test here needs: a browser, a page of the package, and a store of its own.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serve } from '../serve.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
/** Where `cargo xtask setup` put playwright-core. */
export const tools = process.env.PORTCASK_WEB_TOOLS;
const { chromium } = createRequire(tools ? join(tools, 'package.json') : import.meta.url)('playwright-core');
const executablePath = process.env.PORTCASK_CHROMIUM ?? '/usr/bin/chromium';
const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const PACKAGE = {
  '/package/': fileURLToPath(new URL('../package/', import.meta.url)),
  '/built/': process.env.PORTCASK_WEB_BUILT ?? fileURLToPath(new URL('../../target/web-built/', import.meta.url)),
  '/': join(here, 'pages/'),
};

/**
 * How to end a browser: all of its processes, which are a group. It ends with this program too, whatever ends that.
 * @param {import('node:child_process').ChildProcess} browser
 */
export function ender(browser) {
  const end = () => {
    try { process.kill(-browser.pid, 'SIGKILL'); } catch { /* it has ended */ }
  };
  process.once('exit', end);
  browser.once('exit', () => process.off('exit', end));
  return end;
}
// A program that a signal ends leaves without a word otherwise.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.once(signal, () => process.exit(1));

/**
 * A browser with an empty profile on disk, and the package (or other folders) served to it. `kill` ends all of its processes at once, as
 * nothing but a power cut could be more sudden; `relaunch` starts it again on the same profile.
 */
export async function browse(t, mounts = PACKAGE) {
  const profile = await mkdtemp(join(tmpdir(), 'portcask-browser-'));
  const server = await serve(mounts);
  const world = { server };
  let running;
  world.relaunch = async () => {
    running = await launch(profile);
    world.context = running.browser.contexts()[0];
  };
  world.kill = async () => {
    running.end();
    await running.ended;
  };
  await world.relaunch();
  t.after(async () => {
    await running.browser.close().catch(() => {});
    running.end();
    await running.ended;
    await server.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });
  return world;
}

export async function launch(profile) {
  const browser = spawn(executablePath, [...ARGUMENTS, '--headless', '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank'], {
    detached: true, stdio: ['ignore', 'ignore', 'pipe'],
  });
  const end = ender(browser);
  const ended = new Promise((exit) => { browser.once('exit', exit); });
  const address = await new Promise((listening, failed) => {
    let said = '';
    browser.stderr.setEncoding('utf8');
    browser.stderr.on('data', (text) => {
      said += text;
      const found = /DevTools listening on (ws:\S+)/.exec(said);
      if (found) listening(found[1]);
    });
    browser.once('error', failed);
    browser.once('exit', () => failed(new Error(`the browser ended: ${said}`)));
  });
  return { end, ended, browser: await chromium.connectOverCDP(address) };
}

/** A page that has the package as `portcask`. What it logs and what it fails at is shown. */
export async function tab(world, path = '/blank.html') {
  const page = await world.context.newPage();
  page.on('pageerror', (error) => console.error('page:', error));
  page.on('console', (message) => { if (message.type() === 'error') console.error('page:', message.text()); });
  await page.goto(world.server.url + path);
  await page.evaluate(async () => { globalThis.portcask = await import('/package/index.js'); });
  return page;
}
