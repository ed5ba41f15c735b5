// Keys and values as bytes, and batches as the engine reads them.

import { BadValue } from './errors.js';

const encoder = new TextEncoder();
// A text may begin with U+FEFF, which a decoder would otherwise take away.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Up to so many characters a loop is faster than the encoder, as long as they are ASCII. */
const LOOP_MAX = 128;
/** For longer texts, room for three bytes a character would be a waste. */
const LONG = 1 << 16;

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
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
      throw new BadValue('bytes are no JSON: say { as: "bytes" }, or open the store with values: "bytes"');
    }
    const text = JSON.stringify(value);
    if (text === undefined) throw new BadValue('this value has no JSON');
    return text;
  }
  if (typeof value === 'string') return value;
  if (as === 'bytes') {
    if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    if (value instanceof ArrayBuffer) return new Uint8Array(value);
  }
  throw new BadValue(`a value of this store is ${as === 'text' ? 'a string' : 'bytes or a string'}`);
}

/** A value's bytes. @param {unknown} value @param {'json' | 'text' | 'bytes'} as */
export function valueBytes(value, as) {
  const plain = valuePlain(value, as);
  return typeof plain === 'string' ? encoder.encode(plain) : plain;
}

/** A value from its bytes; `undefined` for an absent one. */
export function valueOf(bytes, as) {
  if (bytes === undefined || as === 'bytes') return bytes;
  return valueOfText(decoder.decode(bytes), as);
}

/** Bytes as text. */
export const textOf = (bytes) => decoder.decode(bytes);

/** A value from its text, `as` text or JSON; `undefined` for an absent one. */
export function valueOfText(text, as) {
  if (text === undefined || as === 'text') return text;
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

const mostBytes = (what) => (typeof what === 'string' ? 3 * what.length : what.length);

/** A batch as the engine reads it (`module.rs`), growing as operations are added. */
export class Ops {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  length = 0;
  /** Sent: nothing can be added any more. */
  sealed = false;

  /** @param {number} kind @param {string | Uint8Array} key @param {string | Uint8Array} [value] @param {number} [number] */
  add(kind, key, value = '', number = 0) {
    if (value.length > LONG && typeof value === 'string') value = encoder.encode(value);
    const at = this.length;
    this.#makeRoom(at + HEAD + mostBytes(key) + mostBytes(value));
    const keyBytes = this.#put(key, at + HEAD);
    const valueBytes = this.#put(value, at + HEAD + keyBytes);
    this.#view.setUint8(at, kind);
    this.#view.setUint32(at + 1, keyBytes, true);
    this.#view.setUint32(at + 5, valueBytes, true);
    this.#view.setFloat64(at + 9, number, true);
    this.length = at + HEAD + keyBytes + valueBytes;
  }

  /** Texts become bytes where they belong, without a copy on the way. */
  #put(what, at) {
    if (typeof what === 'string') return writeText(what, this.#bytes, at);
    this.#bytes.set(what, at);
    return what.length;
  }

  #makeRoom(bytes) {
    if (bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(bytes, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }

  /** The bytes; nothing is added from here on. */
  bytes() {
    this.sealed = true;
    return this.#bytes.subarray(0, this.length);
  }
}

/** The operations of a batch, for those who watch: `[kind, key]` of each. */
export function* operations(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length;) {
    const [keys, values] = [view.getUint32(at + 1, true), view.getUint32(at + 5, true)];
    yield [bytes[at], bytes.subarray(at + HEAD, at + HEAD + keys)];
    at += HEAD + keys + values;
  }
}
