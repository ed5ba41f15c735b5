// What every test here needs: a browser, a page of the package, and a store of its own.

import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serve } from './serve.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
/** Where `cargo xtask setup` put playwright-core. */
const tools = process.env.PORTCASK_WEB_TOOLS;
const { chromium } = createRequire(tools ? join(tools, 'package.json') : import.meta.url)('playwright-core');
const executablePath = process.env.PORTCASK_CHROMIUM ?? '/usr/bin/chromium';
const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** Debian's Chromium, without a window, on a profile folder. */
export const launch = (profile, more = {}) => chromium.launchPersistentContext(profile, { executablePath, headless: true, args: ARGUMENTS, ...more });

const PACKAGE = {
  '/package/': fileURLToPath(new URL('../package/', import.meta.url)),
  '/built/': process.env.PORTCASK_WEB_BUILT ?? fileURLToPath(new URL('../../target/web-built/', import.meta.url)),
  '/': join(here, 'pages/'),
};

/** A browser with an empty profile on disk, and the package (or other folders) served to it. */
export async function browse(t, mounts = PACKAGE) {
  const profile = await mkdtemp(join(tmpdir(), 'portcask-browser-'));
  const server = await serve(mounts);
  const world = { server, profile, context: await launch(profile), relaunch: async () => { world.context = await launch(profile); } };
  t.after(async () => {
    await world.context.close().catch(() => {});
    await server.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  });
  return world;
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
