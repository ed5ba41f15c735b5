// Keys and values as bytes, and batches as the engine reads them.

import { BadValue } from './errors.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const strict = new TextDecoder('utf-8', { fatal: true });

/** A key's bytes. @param {string | Uint8Array} key */
export function keyBytes(key) {
  if (typeof key === 'string') return encoder.encode(key);
  if (ArrayBuffer.isView(key)) return new Uint8Array(key.buffer, key.byteOffset, key.byteLength);
  if (key instanceof ArrayBuffer) return new Uint8Array(key);
  throw new BadValue('a key is a string or bytes');
}

/** A key for people: text where it is text, else bytes. */
export function keyOf(bytes, as) {
  if (as === 'bytes') return bytes;
  try { return strict.decode(bytes); } catch { return bytes; }
}

/** A value's bytes. @param {unknown} value @param {'json' | 'text' | 'bytes'} as */
export function valueBytes(value, as) {
  if (as === 'json') {
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
      throw new BadValue('bytes are no JSON: say { as: "bytes" }, or open the store with values: "bytes"');
    }
    const text = JSON.stringify(value);
    if (text === undefined) throw new BadValue('this value has no JSON');
    return encoder.encode(text);
  }
  if (typeof value === 'string') return encoder.encode(value);
  if (as === 'bytes') {
    if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    if (value instanceof ArrayBuffer) return new Uint8Array(value);
  }
  throw new BadValue(`a value of this store is ${as === 'text' ? 'a string' : 'bytes or a string'}`);
}

/** A value from its bytes; `undefined` for an absent one. */
export function valueOf(bytes, as) {
  if (bytes === undefined || as === 'bytes') return bytes;
  const text = decoder.decode(bytes);
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

/** A batch as the engine reads it (`module.rs`), growing as operations are added. */
export class Ops {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  length = 0;
  /** Sent: nothing can be added any more. */
  sealed = false;

  /** @param {number} kind @param {Uint8Array} key @param {Uint8Array} [value] @param {number} [number] */
  add(kind, key, value, number = 0) {
    const size = value ? value.length : 0;
    const at = this.#room(HEAD + key.length + size);
    this.#view.setUint8(at, kind);
    this.#view.setUint32(at + 1, key.length, true);
    this.#view.setUint32(at + 5, size, true);
    this.#view.setFloat64(at + 9, number, true);
    this.#bytes.set(key, at + HEAD);
    if (size) this.#bytes.set(value, at + HEAD + key.length);
  }

  #room(more) {
    const at = this.length;
    this.length += more;
    if (this.length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.length, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
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
