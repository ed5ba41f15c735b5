// Divides the engine's module: what every visitor waits for, what begins a store, what opens one that was closed in an orderly way,
// what recovers any other, and what an open store calls when it has time.
//
//   node split.mjs BINARYEN WHOLE FIRST BEGIN OPEN RECOVER REST
//
// A later part has the functions that its exports alone need. It works in the first one's memory and calls functions of those that it
// builds on, which these export for it under short names. No part calls another one: the module has no function in a table, so that
// whatever one may reach can be read from its text, and what is not loaded yet cannot be missed by a call of what is.

import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/**
 * The later parts in the order in which they are loaded, each with its exports and what it builds on beside the first. `engine.js` loads
 * them.
 */
const LATER = {
  begin: { exports: ['create'], on: [] },
  open: { exports: ['reopen'], on: [] },
  recover: { exports: ['open', 'wanted_to_open'], on: ['open'] },
  rest: {
    exports: ['merge_step', 'merge_all', 'merge_in_need', 'clear', 'stats', 'retune', 'confirm_clock', 'tick'], on: ['open', 'recover'],
  },
};

const [binaryenAt, wholeAt, ...partsAt] = process.argv.slice(2);
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

const later = Object.values(LATER).flatMap(({ exports }) => exports);
for (const as of later) if (!exported.some((one) => one.as === as)) throw new Error(`there is no export "${as}"`);

/** The parts, each with its exports and with the functions that none of those that it builds on has. */
const parts = ['first', ...Object.keys(LATER)].map((name) => {
  const exports = exported.filter(({ as }) => (name in LATER ? LATER[name].exports.includes(as) : !later.includes(as)));
  const reached = reach(exports.flatMap((one) => one.name ?? []));
  return { name, exports, on: LATER[name]?.on ?? [], reached: [...reached].filter((one) => functions.has(one)), own: new Set(), shared: [] };
});
const [first, ...others] = parts;
for (const name of functions.keys()) {
  const users = parts.filter(({ reached }) => reached.includes(name));
  const [owner = first] = users;
  // Where one does not build on another, the first one has what both need.
  const isBelow = users.every((user) => user === owner || user.on.includes(owner.name));
  if (users.length) (isBelow ? owner : first).own.add(name);
}
const textOf = ({ own }) => [...own].map((name) => functions.get(name)).join('\n');

// What a part lends to later ones goes by names that are shorter than those of other exports.
let lent = 0;
function lend(lender, it, type) {
  const known = lender.shared.find((one) => one.it === it);
  if (known) return known;
  const loan = { as: (lent++).toString(36), it, type };
  lender.shared.push(loan);
  return loan;
}

for (const part of others) {
  const body = textOf(part);
  part.imports = [];
  const take = (lender, it, type) => part.imports.push(` (import "${lender.name}" "${lend(lender, it, type).as}" (${type}))`);
  for (const name of namesAfter(body, '(?:return_)?call')) {
    if (!functions.has(name) || part.own.has(name)) continue;
    const signature = /\((?:type|param|result).*$/m.exec(functions.get(name).split('\n')[0])?.[0] ?? '';
    take(parts.find(({ own }) => own.has(name)), `func ${name}`, `func ${name} ${signature}`);
  }
  for (const name of new Set([...namesAfter(body, 'global.get'), ...namesAfter(body, 'global.set')])) {
    const [, type] = new RegExp(`\\(global ${name.replace(/\W/g, '\\$&')} (\\(mut \\w+\\)|\\w+)`).exec(text);
    take(first, `global ${name}`, `global ${name} ${type}`);
  }
}
const memory = /\(memory (\$\S+) (\d+)/.exec(text);

/** Bundlers write smaller files into a script as text, from where the rules of some pages let nobody fetch them. */
const FILE_BYTES_MIN = 4200;

// What wasm-opt was told of the whole module.
binaryen.setOptimizeLevel(2);
binaryen.setShrinkLevel(2);
binaryen.setLowMemoryUnused(true);

/** Writes the fields as a module, without what nobody uses any more. */
function write(path, fields) {
  const module = binaryen.parseText(`(module\n${fields.join('\n')}\n)`);
  module.setFeatures(features);
  if (!module.validate()) throw new Error(`${path} would be no module`);
  module.optimize();
  module.runPasses(['remove-unused-module-elements', 'reorder-functions', 'reorder-globals']);
  const lacking = FILE_BYTES_MIN - module.emitBinary().length;
  if (lacking > 0) module.addCustomSection('room', new Uint8Array(lacking));
  writeFileSync(path, module.emitBinary());
  module.dispose();
}

const lends = ({ shared }) => shared.map(({ as, it }) => ` (export "${as}" (${it}))`);
const gone = new Set(others.flatMap(({ own, exports }) => [...[...own].map((name) => functions.get(name)), ...exports.map(({ field }) => field)]));
write(partsAt[0], [...fields.filter((field) => !gone.has(field)), ...lends(first)]);
for (const [at, part] of others.entries()) {
  write(partsAt[at + 1], [
    ...all('type'),
    ...all('import').filter((field) => /\(func/.test(field)),
    ` (import "first" "memory" (memory ${memory[1]} ${memory[2]}))`,
    ...part.imports,
    ...all('table'),
    ...part.exports.map(({ field }) => field),
    textOf(part),
    ...lends(part),
  ]);
}
