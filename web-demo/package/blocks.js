// What small reads of files have brought, kept in blocks: asking the browser costs more than all of the rest of a get.

const BLOCK = 4096;
/** 2 MiB, what SQLite takes too. */
const SLOTS = 512;
/** More than a file has blocks: offsets end below 2^35. */
const FILE = 2 ** 24;

/**
 * One place for each block, its neighbours beside it. Only whole blocks are kept: the end of a file that grows is
 * always read anew. Whoever writes or cuts must say so; nobody else can, for the handles are exclusive.
 */
export class Blocks {
  #bytes; #tags = new Float64Array(SLOTS).fill(-1); #at = { at: 0 };

  /**
   * As `access.read`, for at most a block. `seat` is the file's own place to note where its whole blocks end.
   * @param {number} number of the file @param {{access: FileSystemSyncAccessHandle, short?: number}} seat @param {Uint8Array} into
   */
  read(number, seat, into, offset) {
    this.#bytes ??= new Uint8Array(BLOCK * SLOTS);
    for (let done = 0; done < into.length;) {
      const block = Math.floor((offset + done) / BLOCK);
      const from = offset + done - block * BLOCK;
      const slot = (block + number * 61) % SLOTS;
      if (this.#tags[slot] !== number * FILE + block && !this.#load(number, seat, block, slot)) {
        this.#at.at = offset + done;
        return done + seat.access.read(done ? into.subarray(done) : into, this.#at);
      }
      const start = slot * BLOCK + from;
      const piece = this.#bytes.subarray(start, Math.min(start + into.length - done, (slot + 1) * BLOCK));
      into.set(piece, done);
      done += piece.length;
    }
    return into.length;
  }

  #load(number, seat, block, slot) {
    if (block >= seat.short) return false;
    this.#tags[slot] = -1;
    this.#at.at = block * BLOCK;
    const found = seat.access.read(this.#bytes.subarray(slot * BLOCK, (slot + 1) * BLOCK), this.#at);
    if (found < BLOCK) {
      seat.short = block;
      return false;
    }
    this.#tags[slot] = number * FILE + block;
    return true;
  }

  /** These bytes of a file are about to be others, or none. */
  forget(number, seat, offset, length) {
    seat.short = Infinity;
    const first = Math.floor(offset / BLOCK);
    const count = Math.min(SLOTS, Math.ceil((offset + length) / BLOCK) - first);
    if (count === SLOTS) return void this.#tags.fill(-1);
    for (let block = first; block < first + count; block += 1) {
      const slot = (block + number * 61) % SLOTS;
      if (this.#tags[slot] === number * FILE + block) this.#tags[slot] = -1;
    }
  }
}

/** Larger reads are not kept: they are for looking at every byte as it lies in the file, or are long values. */
export const SMALL = BLOCK;
