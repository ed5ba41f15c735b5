// Batches as the engine reads them, without a browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DELETE, Ops, PUT, PUT_UNTIL, operations } from '../package/codec.js';

const encoder = new TextEncoder();
const bytesOf = (what) => (typeof what === 'string' ? encoder.encode(what) : what);

/** A batch read as `module.rs` reads it: `[kind, key, value, number]` of each operation. */
function read(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found = [];
  for (let at = 0; at < bytes.length;) {
    const count = view.getUint32(at, true);
    let body = at + 4 + 17 * count;
    for (let head = at + 4; head < at + 4 + 17 * count; head += 17) {
      const [keys, values] = [view.getUint32(head + 1, true), view.getUint32(head + 5, true)];
      found.push([bytes[head], bytes.slice(body, body += keys), bytes.slice(body, body += values), view.getFloat64(head + 9, true)]);
    }
    at = body;
  }
  return found;
}

const check = (given) => {
  const ops = new Ops();
  for (const [kind, key, value, number] of given) ops.add(kind, key, value, number);
  const bytes = ops.bytes();
  assert.deepEqual(read(bytes), given.map(([kind, key, value = '', number = 0]) => [kind, bytesOf(key), bytesOf(value), number]));
  assert.deepEqual([...operations(bytes)], given.map(([kind, key]) => [kind, bytesOf(key)]));
};

test('texts are encoded together and come out as if each had been encoded by itself', () => {
  check([[PUT, 'cat', 'meow', 5], [DELETE, 'dog'], [PUT_UNTIL, '', '', 1e12]]);
  check([[PUT, 'straße', 'größer', 0], [PUT, '猫', 'にゃー'], [PUT, 'a', '\u{1f63a}']]);
  check([]);
});

test('halves of a character that meet between a key and its value stay halves', () => {
  check([[PUT, 'k\ud83d', '\ude3a'], [PUT, '\ud83d', ''], [PUT, '\ude3a', 'x']]);
});

test('bytes and texts may be mixed, and long texts and many operations are no matter', () => {
  const long = 'ü'.repeat(40_000);
  const many = Array.from({ length: 3000 }, (_, at) => [PUT, `key-${at}`, at % 7 ? `value ${at}` : `wért ${at}`, at]);
  check([[PUT, 'text', Uint8Array.of(1, 2, 255)], ...many, [PUT, Uint8Array.of(0, 200), 'text'], [PUT, 'long', long], [PUT, long, 'v'], ...many, [DELETE, new Uint8Array(70_000)]]);
});

test('a batch made where an earlier one was has nothing of it', () => {
  const first = new Ops();
  first.add(PUT, 'a'.repeat(500), 'b'.repeat(500));
  first.bytes();
  first.free();
  check([[PUT, 'c', 'd']]);
});
