// Divides the engine's module in two: what a visitor waits for, and what an open store calls when it has time.
//
//   node split.mjs BINARYEN WHOLE FIRST REST
//
// The second part has the functions that the exports in `LATER` alone need. It works in the first one's memory and calls its functions,
// which this exports for it under short names. The first never calls the second: the module has no function in a table, so that whatever
// one may reach can be read from its text, and what is not loaded yet cannot be missed by a call of the first.

import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** What is called when there is time, or by those who ask about a store as a whole: `Engine.complete` waits for it. */
const LATER = ['merge_step', 'merge_all', 'merge_in_need', 'clear', 'stats', 'retune', 'confirm_clock', 'tick'];

const [binaryenAt, wholeAt, firstAt, restAt] = process.argv.slice(2);
const { default: binaryen } = await import(pathToFileURL(binaryenAt));

const NAME = String.raw`\$(?:"[^"]*"|[^\s()]+)`;
const whole = binaryen.readBinary(readFileSync(wholeAt));
// What every browser with these file handles has: as for wasm-opt, in xtask/src/size.rs.
const { BulkMemory, BulkMemoryOpt, Multivalue, MutableGlobals, NontrappingFPToInt, ReferenceTypes, SignExt } = binaryen.Features;
const features = BulkMemory | BulkMemoryOpt | Multivalue | MutableGlobals | NontrappingFPToInt | ReferenceTypes | SignExt;
const text = whole.emitText();
whole.dispose();
if (/\((?:elem|ref\.func|export "[^"]*" \(table|import [^\n]*\(table)/.test(text)) {
  throw new Error('the module has functions in a table: nobody can tell who calls them');
}

/** The fields of the module: `(func ...)`, `(export ...)`, each of one line or of several that end with " )". */
const fields = text.match(/^ \(.*(?:\)$|(?:\n {2}.*)*\n \)$)/gm);
const kind = (field) => /^ \((\w+)/.exec(field)[1];
const all = (wanted) => fields.filter((field) => kind(field) === wanted);
const namesAfter = (field, word) => new Set(Array.from(field.matchAll(new RegExp(`\\(${word} (${NAME})`, 'g')), ([, name]) => name));

const functions = new Map(all('func').map((field) => [new RegExp(`\\(func (${NAME})`).exec(field)[1], field]));
const exported = all('export').map((field) => ({ field, ...new RegExp(`\\(export "(?<as>[^"]*)" \\(func (?<name>${NAME})`).exec(field)?.groups }));

/** All functions that are reached from these. */
function reach(names) {
  const reached = new Set(names);
  for (const name of reached) {
    for (const called of namesAfter(functions.get(name) ?? '', '(?:return_)?call')) reached.add(called);
  }
  return reached;
}

const isLater = ({ as }) => LATER.includes(as);
for (const as of LATER) if (!exported.some((one) => one.as === as)) throw new Error(`there is no export "${as}"`);
const now = reach(exported.filter((one) => one.name && !isLater(one)).map(({ name }) => name));
const moved = new Set([...reach(exported.filter(isLater).map(({ name }) => name))].filter((name) => functions.has(name) && !now.has(name)));
const movedText = [...moved].map((name) => functions.get(name)).join('\n');
const called = [...namesAfter(movedText, '(?:return_)?call')].filter((name) => functions.has(name) && !moved.has(name));
const globals = new Set([...namesAfter(movedText, 'global.get'), ...namesAfter(movedText, 'global.set')]);

// The exports' names have letters that no other export has.
const short = (at) => `.${at.toString(36)}`;
const shared = [
  ...called.map((name, at) => ({ as: short(at), it: `func ${name}`, type: `func ${name} ${/\((?:type|param|result).*$/m.exec(functions.get(name).split('\n')[0])?.[0] ?? ''}` })),
  ...[...globals].map((name, at) => {
    const [, type] = new RegExp(`\\(global ${name.replace(/\W/g, '\\$&')} (\\(mut \\w+\\)|\\w+)`).exec(text);
    return { as: short(called.length + at), it: `global ${name}`, type: `global ${name} ${type}` };
  }),
];
const memory = /\(memory (\$\S+) (\d+)/.exec(text);

const gone = new Set([...[...moved].map((name) => functions.get(name)), ...exported.filter(isLater).map(({ field }) => field)]);
const first = fields.filter((field) => !gone.has(field));
const rest = [
  ...all('type'),
  ...all('import').filter((field) => /\(func/.test(field)),
  ` (import "first" "memory" (memory ${memory[1]} ${memory[2]}))`,
  ...shared.map(({ as, type }) => ` (import "first" "${as}" (${type}))`),
  ...all('table'),
  ...exported.filter(isLater).map(({ field }) => field),
  movedText,
];

/** Writes the fields as a module, without what nobody uses any more. */
function write(path, parts) {
  const module = binaryen.parseText(`(module\n${parts.join('\n')}\n)`);
  module.setFeatures(features);
  if (!module.validate()) throw new Error(`${path} would be no module`);
  module.runPasses(['remove-unused-module-elements', 'reorder-functions', 'reorder-globals']);
  writeFileSync(path, module.emitBinary());
  module.dispose();
}

write(firstAt, [...first, ...shared.map(({ as, it }) => ` (export "${as}" (${it}))`)]);
write(restAt, rest);
