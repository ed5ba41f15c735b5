// The host of the example plugin, and its check: a store used through the plugin's functions alone.
//
//   node plugin.mjs MODULE DIRECTORY
//
// Writes, reads and merges in steps, drops the plugin without closing it, loads it again and finds everything.
// Prints what the store holds at the end, one "key<TAB>value" per line. Exits with 1 at the first wrong answer.

import { readFile } from "node:fs/promises";

const ABSENT = -(2 ** 31);
const [IDLE, WORKING, DONE] = [0, 1, 2];
/// Words for the codes that this host expects; Error::code in core/src/error.rs has them all.
const FAILURES = { 1: "the platform refused", 4: "a newer writer took over", 10: "closed" };
/// Likewise, of ErrorKind::code in core/src/storage.rs.
const KINDS = { 1: "not found" };
const KEYS = 300;
const ROUNDS = 20;

// Loading node:wasi warns that it is experimental, which is no news to whoever runs this.
process.emitWarning = () => {};
const { WASI } = await import("node:wasi");

const [path, directory] = process.argv.slice(2);
const compiled = await WebAssembly.compile(await readFile(path));

/// A loaded plugin: its functions with strings for buffers, and its failures as exceptions.
class Plugin {
  static async load() {
    const wasi = new WASI({ version: "preview1", preopens: { store: directory } });
    const instance = await WebAssembly.instantiate(compiled, wasi.getImportObject());
    wasi.initialize(instance);
    return new Plugin(instance.exports);
  }

  constructor(functions) {
    this.functions = functions;
  }

  open(path) {
    return this.call("store_open", path);
  }

  put(key, value) {
    return this.call("store_put", key, value);
  }

  get(key) {
    const bytes = this.call("store_get", key);
    return bytes === ABSENT ? undefined : this.text(bytes);
  }

  mergeStep(budget) {
    return this.checked(this.functions.store_merge_step(budget));
  }

  close() {
    return this.checked(this.functions.store_close());
  }

  call(name, ...texts) {
    const parts = texts.map((text) => Buffer.from(text));
    const all = Buffer.concat(parts);
    const room = this.functions.store_room(all.length);
    all.copy(Buffer.from(this.functions.memory.buffer, room, all.length));
    return this.checked(this.functions[name](...parts.map((part) => part.length)));
  }

  checked(answer) {
    if (answer >= 0 || answer === ABSENT) return answer;
    const [code, kind] = [-answer % 256, Math.floor(-answer / 256)];
    const why = code === 1 ? `: ${KINDS[kind] ?? `refusal ${kind}`}` : "";
    throw new Error(`${FAILURES[code] ?? `failure ${code}`}${why}`);
  }

  text(bytes) {
    const room = this.functions.store_room(0);
    return Buffer.from(this.functions.memory.buffer, room, bytes).toString();
  }
}

function expect(found, expected, what) {
  if (found === expected) return;
  console.error(`plugin.mjs: ${what}: ${found}, expected ${expected}`);
  process.exit(1);
}

function refusal(deed) {
  try {
    return `answered ${deed()}`;
  } catch (error) {
    return error.message;
  }
}

const key = (number) => `key-${String(number).padStart(4, "0")}`;
const value = (number, round) => `${key(number)} in round ${round} ${"-".repeat(1000)}`;

const first = await Plugin.load();
expect(refusal(() => first.put("a", "b")), "closed", "a put before open");
expect(refusal(() => first.open("elsewhere")), "the platform refused: not found", "a closed directory");
expect(first.open("store"), 0, "keys of a new store");
expect(first.get("absent"), undefined, "a key that was never put");
let merges = 0;
let steps = 0;
for (let round = 0; round < ROUNDS; round++) {
  for (let number = 0; number < KEYS; number++) {
    first.put(key(number), value(number, round));
    if (number % 10 > 0) continue;
    const progress = first.mergeStep(64 * 1024);
    if (progress === WORKING) steps++;
    if (progress === DONE) merges++;
    expect(first.get(key(number)), value(number, round), "a value amid merging");
  }
}
expect(steps > 0 && merges > 0, true, "merges in steps");
first.put("", "an empty key");
first.put("empty", "");

// Dropped as by a trap: what it answered must be there.
const second = await Plugin.load();
expect(second.open("store"), KEYS + 2, "keys after reopening");
while (second.mergeStep(1 << 20) !== IDLE);
for (let number = 0; number < KEYS; number++) {
  expect(second.get(key(number)), value(number, ROUNDS - 1), "a value after reopening");
}
expect(second.get(""), "an empty key", "the empty key");
expect(second.get("empty"), "", "the empty value");
expect(second.get("absent"), undefined, "an absent key after reopening");
expect(refusal(() => first.put("late", "")), "a newer writer took over", "a put of a plugin that was replaced");
second.put("", "");
second.close();
expect(refusal(() => second.get("a")), "closed", "a get after close");

console.log("key\tvalue\n\t");
console.log("empty\t");
for (let number = 0; number < KEYS; number++) {
  console.log(`${key(number)}\t${value(number, ROUNDS - 1)}`);
}
