// What a visitor loads: the module's first part, the page's JavaScript and the worker's, bundled and minified as an application
// ships them, each gzipped; beyond that `begin` where no store lies, `open` where one was closed, `recover` too where one was not.
// `later` is loaded behind the first opening or when first asked for, except the module for `verify` and the lab. Prints one line of
// JSON.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const { buildSync } = createRequire(join(process.env.PORTCASK_WEB_TOOLS, 'package.json'))('esbuild');
const file = (name) => fileURLToPath(new URL(`package/${name}`, import.meta.url));
const gzipped = (bytes) => gzipSync(bytes, { level: 9 }).length;

/** The script with whatever it cannot begin without, and what it loads later. */
function script(name) {
  const { outputFiles, metafile } = buildSync({
    entryPoints: [file(name)], bundle: true, splitting: true, minify: true, format: 'esm', target: 'es2022', write: false, metafile: true, outdir: '/',
  });
  const outputs = Object.entries(metafile.outputs);
  const bytes = (path) => gzipped(outputFiles[outputs.findIndex(([name]) => name === path)].contents);
  const [entry] = outputs.find(([, { entryPoint }]) => entryPoint?.endsWith(`/${name}`) || entryPoint === name);
  const needed = new Set([entry]);
  for (const path of needed) {
    for (const { path: other, kind } of metafile.outputs[path].imports) if (kind === 'import-statement') needed.add(other);
  }
  const sum = (paths) => paths.reduce((all, path) => all + bytes(path), 0);
  return { first: sum([...needed]), later: sum(outputs.map(([path]) => path).filter((path) => !needed.has(path))) };
}

const module = (name) => (existsSync(file(name)) ? gzipped(readFileSync(file(name))) : 0);
const [page, worker] = [script('index.js'), script('worker.js')];
console.log(JSON.stringify({
  wasm: module('portcask.wasm'), page: page.first, worker: worker.first,
  begin: module('portcask-begin.wasm'), open: module('portcask-open.wasm'), recover: module('portcask-recover.wasm'),
  later: module('portcask-rest.wasm') + page.later + worker.later,
}));
