// What a visitor loads: the module, the page's JavaScript and the worker's, bundled and minified as an application
// ships them, each gzipped. What is loaded when it is first asked for is not in it. Prints one line of JSON.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const { buildSync } = createRequire(join(process.env.PORTCASK_WEB_TOOLS, 'package.json'))('esbuild');
const file = (name) => fileURLToPath(new URL(`package/${name}`, import.meta.url));
const gzipped = (bytes) => gzipSync(bytes, { level: 9 }).length;

/** The script with whatever it cannot begin without. */
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
  return [...needed].reduce((sum, path) => sum + bytes(path), 0);
}

console.log(JSON.stringify({ wasm: gzipped(readFileSync(file('portcask.wasm'))), page: script('index.js'), worker: script('worker.js') }));
