// Plain tar (ustar), as every system unpacks it: a folder of files, none of them with a long name.

/** What to say of something else. */
export const NO_TAR = 'this is no tar: pack the folder of a store with "tar -cf store.tar -C folder ."';

const BLOCK = 512;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function header(name, size) {
  const block = new Uint8Array(BLOCK);
  const put = (at, text) => block.set(encoder.encode(text), at);
  const octal = (number, digits) => number.toString(8).padStart(digits, '0');
  put(0, name);
  put(100, '0000644\0');
  put(108, '0000000\0');
  put(116, '0000000\0');
  // Eleven digits of eight hold 8 GiB; a file of this store is smaller.
  put(124, `${octal(size, 11)}\0`);
  put(136, `${octal(Math.floor(Date.now() / 1000), 11)}\0`);
  put(148, '        ');
  put(156, '0');
  put(257, 'ustar\x0000');
  put(148, `${octal(block.reduce((sum, byte) => sum + byte, 0), 6)}\0 `);
  return block;
}

/** A tar of files. @param {[string, Blob][]} files */
export function pack(files) {
  const parts = [];
  for (const [name, blob] of files) {
    parts.push(header(name, blob.size), blob, new Uint8Array((BLOCK - (blob.size % BLOCK)) % BLOCK));
  }
  return new Blob([...parts, new Uint8Array(2 * BLOCK)], { type: 'application/x-tar' });
}

/** The files of a tar, without their folders; `undefined` if it is none. @param {Blob} tar @returns {Promise<[string, Blob][] | undefined>} */
export async function unpack(tar) {
  const files = [];
  for (let at = 0; at + BLOCK <= tar.size;) {
    const block = new Uint8Array(await tar.slice(at, at + BLOCK).arrayBuffer());
    at += BLOCK;
    if (block.every((byte) => byte === 0)) break;
    const text = (from, to) => decoder.decode(block.subarray(from, to)).replace(/\0.*$/s, '').trim();
    const sum = Number.parseInt(text(148, 156), 8);
    block.fill(32, 148, 156);
    if (block.reduce((all, byte) => all + byte, 0) !== sum) return undefined;
    const size = Number.parseInt(text(124, 136), 8);
    const type = text(156, 157);
    if (type === '' || type === '0') files.push([text(0, 100).split('/').pop(), tar.slice(at, at + size)]);
    at += Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}
