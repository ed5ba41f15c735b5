// Firefox as Debian ships it, through WebDriver BiDi: enough of it to open tabs and to run code in them.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serve } from '../serve.mjs';
import { PACKAGE, ender, tools } from './browser.mjs';

/** Node has sockets of its own from 22 on; the browsers' driver brings some along. */
const WebSocket = globalThis.WebSocket
  ?? createRequire(tools ? join(tools, 'package.json') : import.meta.url)('playwright-core/lib/utilsBundle').ws;
/** A browser that says nothing for so long will not say anything. */
const START_MS = 60_000;
/** So long a test may take, the contract on a busy disk above all: then its browser is ended. */
const TEST_MS = 600_000;

/** A Firefox with an empty profile, and the package served to it: `tab()` opens a tab, ended with the test. */
export async function browse(t, program) {
  const profile = await mkdtemp(join(tmpdir(), 'portcask-firefox-'));
  const server = await serve(PACKAGE);
  const firefox = spawn(program, ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0', 'about:blank'], {
    detached: true, stdio: ['ignore', 'ignore', 'pipe'],
  });
  const end = ender(firefox);
  const ended = new Promise((exit) => { firefox.once('exit', exit); });
  // What waits for an answer then hears that there will be none.
  const alarm = setTimeout(end, TEST_MS);
  t.after(async () => {
    clearTimeout(alarm);
    end();
    await ended;
    await server.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });
  const send = await connected(`${await address(firefox)}/session`);
  await send('session.new', { capabilities: {} });
  return { tab: () => tab(send, `${server.url}/blank.html`) };
}

async function address(firefox) {
  let said = '';
  firefox.stderr.setEncoding('utf8');
  return new Promise((listening, failed) => {
    const alarm = setTimeout(() => failed(new Error(`Firefox does not listen: ${said}`)), START_MS);
    firefox.stderr.on('data', (text) => {
      said += text;
      const found = /WebDriver BiDi listening on (ws:\S+)/.exec(said);
      if (!found) return;
      clearTimeout(alarm);
      listening(found[1]);
    });
    firefox.once('error', failed);
    firefox.once('exit', () => failed(new Error(`Firefox ended: ${said}`)));
  });
}

/** A connection: `send(method, params)` answers the command's result. */
async function connected(url) {
  const socket = new WebSocket(url);
  await new Promise((open, failed) => { socket.onopen = open; socket.onerror = failed; });
  const waiting = new Map();
  socket.onclose = () => {
    for (const { failed } of waiting.values()) failed(new Error('Firefox ended'));
  };
  socket.onmessage = ({ data }) => {
    const { id, type, result, error, message } = JSON.parse(data);
    const { done, failed } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (type === 'error') failed?.(new Error(`${error}: ${message}`)); else done?.(result);
  };
  let next = 1;
  return (method, params) => new Promise((done, failed) => {
    waiting.set(next, { done, failed });
    socket.send(JSON.stringify({ id: next, method, params }));
    next += 1;
  });
}

async function tab(send, url) {
  const { context } = await send('browsingContext.create', { type: 'tab' });
  await send('browsingContext.navigate', { context, url, wait: 'complete' });
  return {
    close: () => send('browsingContext.close', { context }),
    /** Runs a function there, which has the package as `portcask`; answers what is JSON of its answer. */
    async evaluate(act, given) {
      const told = await send('script.evaluate', {
        expression: `(async () => {
          globalThis.portcask = await import('/package/index.js');
          return JSON.stringify([await (${act})(${JSON.stringify(given)})]);
        })()`,
        target: { context },
        awaitPromise: true,
      });
      if (told.exceptionDetails) throw new Error(told.exceptionDetails.text);
      return JSON.parse(told.result.value)[0];
    },
  };
}
