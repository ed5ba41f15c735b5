// How large the files of a store are made, and how they are copied a piece at a time.

import { Failed } from './errors.js';

const MIB = 1 << 20;
/** Segments are as large as keeps their number small: about so many. */
const SEGMENTS_AIM = 16;
/** Bytes copied at once by export and import. */
export const COPY_BYTES = 4 * MIB;

/** The size of segments that keeps their number small, never below `least`. */
export function segmentBytesFor(bytes, least = 8 * MIB) {
  return Math.min(1024 * MIB, Math.max(least, 2 ** Math.ceil(Math.log2(bytes / SEGMENTS_AIM || 1))));
}

/** Lets everything else that waits go first. */
export const nextTurn = () => new Promise((turn) => { setTimeout(turn); });

/** A piece of a file as a blob, which the browser may keep on disk. */
export function copied([access, at, bytes]) {
  const piece = new Uint8Array(Math.min(COPY_BYTES, bytes - at));
  for (let done = 0; done < piece.length;) {
    const read = access.read(piece.subarray(done), { at: at + done });
    if (!read) throw new Failed('a file ended before its end');
    done += read;
  }
  return new Blob([piece]);
}
