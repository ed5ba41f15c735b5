// Keys and values as bytes, and batches as the engine reads them.

import { BadOption, BadValue } from './errors.js';

const encoder = new TextEncoder();
// A text may begin with U+FEFF, which a decoder would otherwise take away.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = /* @__PURE__ */ new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Up to so many characters a loop is faster than the encoder, as long as they are ASCII. */
const LOOP_MAX = 128;

/** Writes a text as UTF-8 and answers its bytes. There must be room for three a character. */
export function writeText(text, into, at) {
  const { length } = text;
  if (length <= LOOP_MAX) {
    let done = 0;
    for (; done < length; done += 1) {
      const code = text.charCodeAt(done);
      if (code > 127) break;
      into[at + done] = code;
    }
    if (done === length) return length;
  }
  return encoder.encodeInto(text, into.subarray(at)).written;
}

/** A key's bytes. @param {string | Uint8Array} key */
export function keyBytes(key) {
  if (typeof key === 'string') return encoder.encode(key);
  if (ArrayBuffer.isView(key)) return new Uint8Array(key.buffer, key.byteOffset, key.byteLength);
  if (key instanceof ArrayBuffer) return new Uint8Array(key);
  throw new BadValue('a key is a string or bytes');
}

/** A key as `Ops` and the engine take it: a text stays one. @param {string | Uint8Array} key */
export const keyPlain = (key) => (typeof key === 'string' ? key : keyBytes(key));

/** A key for people: text where it is text, else bytes. */
export function keyOf(bytes, as) {
  if (as === 'bytes') return bytes;
  try { return strict.decode(bytes); } catch { return bytes; }
}

/** A value as `Ops` takes it: a text or bytes. @param {unknown} value @param {'json' | 'text' | 'bytes'} as */
export function valuePlain(value, as) {
  if (as === 'json') {
    if (typeof value?.then === 'function') throw new BadValue('a promise is no JSON: await it first');
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
      throw new BadValue('bytes are no JSON: say { as: "bytes" }, or open the store with values: "bytes"');
    }
    let text;
    let cause;
    try { text = JSON.stringify(value); } catch (error) { cause = error; }
    if (text === undefined) throw new BadValue('this value has no JSON', { cause });
    return text;
  }
  if (typeof value === 'string') return value;
  if (as === 'bytes') {
    if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    if (value instanceof ArrayBuffer) return new Uint8Array(value);
  }
  throw new BadValue(`a value of this store is ${as === 'text' ? 'a string' : 'bytes or a string'}`);
}

/** Refuses what is none of these; leaving an option out is no choice. */
export function among(name, value, these) {
  if (value !== undefined && !these.includes(value)) throw new BadOption(`${name} is one of ${these.join(', ')}`);
}

export const FORMATS = ['json', 'text', 'bytes'];

/** How long a value is to live, as kind and number of its operation. Less than a millisecond is one, and `Infinity` for ever. */
export function lifeOf({ ttl, expires, as } = {}) {
  among('as', as, FORMATS);
  if (expires !== undefined) {
    const until = Number(expires);
    if (Number.isNaN(until)) throw new BadOption('expires is a date, or milliseconds since 1970');
    return [PUT_UNTIL, until];
  }
  if (ttl === undefined) return [PUT, 0];
  if (!(ttl > 0)) throw new BadOption('ttl is a number of milliseconds above 0');
  return [PUT, ttl === Infinity ? -1 : Math.ceil(ttl)];
}

/** The bytes of a text, or the bytes. */
const bytesOf = (plain) => (typeof plain === 'string' ? encoder.encode(plain) : plain);

/** Whether it is longer than so many bytes. @param {string | Uint8Array} plain */
export function isLonger(plain, limit) {
  const isAtMost = typeof plain === 'string' ? 3 * plain.length <= limit : plain.length <= limit;
  return !isAtMost && bytesOf(plain).length > limit;
}

/** Bytes as text. */
export const textOf = (bytes) => decoder.decode(bytes);

/** A value from its bytes, or from its text where that is not what is asked for; `undefined` for an absent one. */
export function valueOf(plain, as) {
  if (plain === undefined || as === 'bytes') return plain;
  const text = typeof plain === 'string' ? plain : textOf(plain);
  if (as === 'text') return text;
  try { return JSON.parse(text); } catch (cause) {
    throw new BadValue('the value is no JSON: read it with { as: "text" } or { as: "bytes" }', { cause });
  }
}

export const PUT = 1;
export const DELETE = 2;
export const PUT_UNTIL = 3;
export const PUT_META = 4;
export const DELETE_META = 5;
export const ABSENT = 6;
export const PRESENT = 7;
export const AT_SEQ = 8;
const HEAD = 17;
/** A group of texts ends when it has so many characters. */
const GROUP_CHARS = 1 << 15;
/** The largest buffer that is kept for the next batch. */
const SPARE_BYTES = 4 << 20;

/** What a batch was made in that nobody needs any more. */
let spare;

/**
 * A batch as the engine reads it (`module.rs`), growing as operations are added: groups of heads with their keys and
 * values behind them. The texts of a group are encoded all at once, a tenth of what encoding each of them costs.
 */
export class Ops {
  #bytes = spare ?? new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  /** The group at work begins here and has so many heads, whose texts are these. */
  #group = 0; #count = 0; #text = '';
  #end = 0;
  /** Sent: nothing can be added any more. */
  sealed = false;

  constructor() { spare = undefined; }

  /** Bytes so far, or a little less. */
  get length() { return this.#end + this.#text.length; }

  /** @param {number} kind @param {string | Uint8Array} key @param {string | Uint8Array} [value] @param {number} [number] */
  add(kind, key, value = '', number = 0) {
    if (typeof key === 'string' && typeof value === 'string' && value.length < GROUP_CHARS) {
      this.#head(kind, key.length, value.length, number);
      this.#text += key + value;
      if (this.#text.length > GROUP_CHARS) this.#close();
      return;
    }
    this.#close();
    [key, value] = [bytesOf(key), bytesOf(value)];
    this.#head(kind, key.length, value.length, number);
    this.#close();
    this.#makeRoom(key.length + value.length);
    this.#bytes.set(key, this.#end);
    this.#bytes.set(value, this.#end + key.length);
    this.#group = this.#end += key.length + value.length;
  }

  #head(kind, keyBytes, valueBytes, number) {
    this.#makeRoom(4 + HEAD);
    if (!this.#count) this.#end += 4;
    const at = this.#end;
    this.#view.setUint8(at, kind);
    this.#view.setUint32(at + 1, keyBytes, true);
    this.#view.setUint32(at + 5, valueBytes, true);
    this.#view.setFloat64(at + 9, number, true);
    this.#end = at + HEAD;
    this.#count += 1;
  }

  /** Ends a group, its texts behind its heads. */
  #close() {
    const [text, count, heads] = [this.#text, this.#count, this.#group + 4];
    if (!count) return;
    this.#view.setUint32(this.#group, count, true);
    this.#makeRoom(text.length);
    const { written, read } = encoder.encodeInto(text, this.#bytes.subarray(this.#end));
    if (read === text.length && written === read) this.#end += written;
    else this.#encodeEach(text, heads);
    [this.#group, this.#count, this.#text] = [this.#end, 0, ''];
  }

  /** What is not ASCII has other lengths as bytes than as text. */
  #encodeEach(text, heads) {
    this.#makeRoom(3 * text.length);
    const last = this.#end;
    for (let [head, from] = [heads, 0]; head < last; head += HEAD) {
      for (const at of [head + 1, head + 5]) {
        const piece = text.slice(from, from += this.#view.getUint32(at, true));
        const { written } = encoder.encodeInto(piece, this.#bytes.subarray(this.#end));
        this.#view.setUint32(at, written, true);
        this.#end += written;
      }
    }
  }

  #makeRoom(more) {
    const bytes = this.#end + more;
    if (bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(bytes, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }

  /** The bytes; nothing is added from here on. */
  bytes() {
    this.#close();
    this.sealed = true;
    return this.#bytes.subarray(0, this.#end);
  }

  /** Nobody has its bytes any more: the next batch may be made there. */
  free() { if (this.#bytes.length <= SPARE_BYTES) spare = this.#bytes; }
}

/** The operations of a batch, for those who watch: `[kind, key]` of each. */
export function* operations(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length;) {
    let head = at + 4;
    const last = head + HEAD * view.getUint32(at, true);
    for (at = last; head < last; head += HEAD) {
      const keys = view.getUint32(head + 1, true);
      yield [bytes[head], bytes.subarray(at, at + keys)];
      at += keys + view.getUint32(head + 5, true);
    }
  }
}
