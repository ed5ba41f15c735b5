// What small reads of files have brought, kept in blocks: asking the browser costs more than all of the rest of a get.

const BLOCK = 4096;
/** 2 MiB, what SQLite takes too. */
const SLOTS = 512;
/** More than a file has blocks: offsets end below 2^35. */
const FILE = 2 ** 24;

/**
 * One place for each block, its neighbours beside it. Whoever writes or cuts must say so; nobody else can, for the
 * handles are exclusive. So the end of a file is kept as well: before each answer the engine looks at a mark there.
 */
export class Blocks {
  #bytes; #tags = new Float64Array(SLOTS).fill(-1); #lengths = new Uint16Array(SLOTS); #at = { at: 0 };

  /**
   * As `access.read`, for at most a block. `seat` is the file's own place to note which block has its end.
   * @param {number} number of the file @param {{access: FileSystemSyncAccessHandle, last?: number}} seat @param {Uint8Array} into
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
      const [start, there] = [slot * BLOCK + from, this.#lengths[slot]];
      const length = Math.min(into.length - done, there - from);
      if (length <= 0) return done;
      into.set(this.#bytes.subarray(start, start + length), done);
      done += length;
      if (there < BLOCK) return done;
    }
    return into.length;
  }

  /** Keeps a block. One that is not whole is the file's last, or else not kept. */
  #load(number, seat, block, slot) {
    this.#tags[slot] = -1;
    this.#at.at = block * BLOCK;
    const found = seat.access.read(this.#bytes.subarray(slot * BLOCK, (slot + 1) * BLOCK), this.#at);
    if (found < BLOCK) {
      if (!found || seat.access.getSize() !== block * BLOCK + found) return false;
      seat.last = block;
    }
    this.#lengths[slot] = found;
    this.#tags[slot] = number * FILE + block;
    return true;
  }

  /** These bytes of a file are about to be others, or none. What lay before them at its end may then not be its end. */
  forget(number, seat, offset, length) {
    const first = Math.min(Math.floor(offset / BLOCK), seat.last ?? Infinity);
    seat.last = undefined;
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
