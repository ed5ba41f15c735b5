// The kept blocks of files, without a browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Blocks } from '../package/blocks.js';
import { MemoryDirectory } from '../package/memory.js';

/** Numbers that look random, the same in every run. */
function numbers(seed) {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

test('reads through the blocks are those of the files, whatever is written and cut in between', async () => {
  const random = numbers(1);
  const directory = new MemoryDirectory();
  const blocks = new Blocks();
  const seats = [];
  for (const name of ['a', 'b', 'c']) seats.push({ access: await (await directory.getFileHandle(name)).createSyncAccessHandle() });
  for (let step = 0; step < 60_000; step += 1) {
    const number = random(seats.length);
    const seat = seats[number];
    const size = seat.access.getSize();
    const what = random(100);
    if (what < 20) {
      // Also behind the end, which leaves a hole.
      const at = random(4) ? size + random(2) * random(9000) : random(size + 1);
      const bytes = new Uint8Array(random(6000)).fill(random(256));
      blocks.forget(number, seat, at, bytes.length);
      seat.access.write(bytes, { at });
    } else if (what === 20 && size > 1_500_000) {
      const to = size - random(100_000);
      blocks.forget(number, seat, to, Infinity);
      seat.access.truncate(to);
    } else {
      const at = random(size + 50);
      const kept = new Uint8Array(random(4097));
      const direct = kept.slice();
      const found = blocks.read(number, seat, kept, at);
      assert.equal(found, seat.access.read(direct, { at }), `step ${step}`);
      assert.deepEqual(kept.subarray(0, found), direct.subarray(0, found), `step ${step}`);
    }
  }
  assert.ok(seats.every(({ access }) => access.getSize() > 1_000_000));
});

test('the end of a file is read once until it is written to', async () => {
  const access = await (await new MemoryDirectory([['a', new Uint8Array(100).fill(7)]]).getFileHandle('a')).createSyncAccessHandle();
  let asked = 0;
  const seat = { access: { read: (...given) => { asked += 1; return access.read(...given); }, getSize: () => access.getSize() } };
  const blocks = new Blocks();
  const into = new Uint8Array(40);
  assert.deepEqual([blocks.read(0, seat, into, 10), blocks.read(0, seat, into, 80), blocks.read(0, seat, into, 100), asked], [40, 20, 0, 1]);
  blocks.forget(0, seat, 100, 40);
  access.write(new Uint8Array(40), { at: 100 });
  assert.deepEqual([blocks.read(0, seat, into, 100), asked], [40, 2]);
});

test('a block is read once, and again after it was written to', async () => {
  const directory = new MemoryDirectory([['a', new Uint8Array(8192).fill(7)]]);
  const access = await (await directory.getFileHandle('a')).createSyncAccessHandle();
  let asked = 0;
  const seat = { access: { read: (...given) => { asked += 1; return access.read(...given); } } };
  const blocks = new Blocks();
  const into = new Uint8Array(10);
  for (let time = 0; time < 5; time += 1) blocks.read(0, seat, into, 4090);
  assert.equal(asked, 2);
  blocks.forget(0, seat, 4096, 1);
  access.write(Uint8Array.of(9), { at: 4096 });
  blocks.read(0, seat, into, 4090);
  assert.equal(asked, 3);
  assert.deepEqual([...into], [7, 7, 7, 7, 7, 7, 9, 7, 7, 7]);
});
