// What a visitor loads: the module, the page's JavaScript and the worker's, bundled and minified as an application
// ships them, each gzipped. Prints one line of JSON.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const { buildSync } = createRequire(join(process.env.PORTCASK_WEB_TOOLS, 'package.json'))('esbuild');
const file = (name) => fileURLToPath(new URL(`package/${name}`, import.meta.url));
const gzipped = (bytes) => gzipSync(bytes, { level: 9 }).length;
const script = (name) => gzipped(buildSync({
  entryPoints: [file(name)], bundle: true, minify: true, format: 'esm', target: 'es2022', write: false,
}).outputFiles[0].contents);

console.log(JSON.stringify({ wasm: gzipped(readFileSync(file('portcask.wasm'))), page: script('index.js'), worker: script('worker.js') }));
