// Runs a WASI preview 1 module under Node, with the arguments of `wasmtime run`:
//
//   node run.mjs run [--dir HOST[::GUEST]]... [--env NAME=VALUE]... MODULE [ARGUMENT]...
//
// Node's WASI is not a sandbox: run only modules you trust.

import { readFile } from "node:fs/promises";

const USAGE =
  "usage: run.mjs run [--dir HOST[::GUEST]]... [--env NAME=VALUE]... MODULE [ARGUMENT]...";

function fail(words) {
  console.error(`run.mjs: ${words}`);
  process.exit(2);
}

function parse(words) {
  const preopens = {};
  const env = {};
  if (words.shift() !== "run") fail(USAGE);
  while (words.length > 0 && words[0].startsWith("--")) {
    let [option, value] = splitOnce(words.shift(), "=");
    if (option === "--") break;
    value ??= words.shift();
    if (value === undefined) fail(`${option} needs a value`);
    if (option === "--dir") {
      const [host, guest] = splitOnce(value, "::");
      preopens[guest ?? host] = host;
    } else if (option === "--env") {
      const [name, text] = splitOnce(value, "=");
      env[name] = text ?? process.env[name] ?? "";
    } else {
      fail(`${option} is unknown; ${USAGE}`);
    }
  }
  if (words.length === 0) fail(USAGE);
  return { preopens, env, module: words[0], args: words };
}

function splitOnce(text, separator) {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}

// Loading node:wasi warns that it is experimental, which is no news to whoever runs this.
process.emitWarning = () => {};
const { WASI } = await import("node:wasi");

const { preopens, env, module, args } = parse(process.argv.slice(2));
let status;
try {
  const wasi = new WASI({ version: "preview1", args, env, preopens, returnOnExit: true });
  const compiled = await WebAssembly.compile(await readFile(module));
  const instance = await WebAssembly.instantiate(compiled, wasi.getImportObject());
  status = wasi.start(instance);
} catch (error) {
  if (!(error instanceof WebAssembly.RuntimeError)) fail(error.message);
  // The same status as an abort has in a shell, which is also what wasmtime answers.
  console.error(`run.mjs: the guest trapped: ${error.stack}`);
  status = 134;
}
process.exit(status);
