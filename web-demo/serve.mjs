// A loopback server of folders, for tests and for people: no dependencies, no caching.

import { createServer } from 'node:http';
import { readFile, stat } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css',
  '.wasm': 'application/wasm', '.json': 'application/json', '.svg': 'image/svg+xml', '.tsv': 'text/tab-separated-values',
};

/**
 * Serves `mounts`, each a prefix and a folder, at a free port (or `port`); answers its address and how to end it.
 * @param {Record<string, string>} mounts
 */
export async function serve(mounts, port = 0) {
  const prefixes = Object.keys(mounts).sort((a, b) => b.length - a.length);
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    const prefix = prefixes.find((prefix) => path.startsWith(prefix));
    try {
      if (prefix === undefined) throw new Error('no folder for it');
      let file = join(mounts[prefix], normalize(path.slice(prefix.length)));
      if ((await stat(file)).isDirectory()) file = join(file, 'index.html');
      const body = await readFile(file);
      response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'cache-control': 'no-store' });
      response.end(body);
    } catch {
      response.writeHead(404, { 'content-type': 'text/plain' });
      response.end(`there is no ${path}`);
    }
  });
  await new Promise((listening) => { server.listen(port, '127.0.0.1', listening); });
  return {
    url: `http://localhost:${server.address().port}`,
    close: () => new Promise((closed) => { server.close(closed); server.closeAllConnections(); }),
  };
}

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** What the demo is made of. @param {string} [vendor] a folder of npm packages to compare with */
export const mounts = (vendor) => ({ '/data/': here('../data/'), ...(vendor ? { '/vendor/': vendor } : {}), '/': here('./') });

// As a program, `node serve.mjs [PORT] [VENDOR]`: serves the demo, and answers until it is interrupted.
if (process.argv[1] === here(import.meta.url)) {
  const [port = 0, vendor] = process.argv.slice(2);
  const { url } = await serve(mounts(vendor), Number(port));
  console.log(`  ${url}/${vendor ? '?sqlite' : ''}   (Ctrl-C ends it)`);
}
