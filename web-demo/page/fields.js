// A record's bytes, field by field, as FORMAT.md tells them.

import { duration, shown } from './dom.js';

const KINDS = ['', 'put', 'delete', 'marker', 'system put', 'system delete'];
const FLAGS = [[0x08, 'expires'], [0x10, 'durable'], [0x20, 'first of a batch'], [0x40, 'of a batch']];

function* varints(bytes, at) {
  for (;;) {
    const from = at;
    let [value, scale] = [0, 1];
    for (;; scale *= 128) {
      value += (bytes[at] & 0x7f) * scale;
      if (!(bytes[at++] & 0x80)) break;
    }
    yield [from, at, value];
  }
}

/** `{name, from, to, says, tone}` of each field of a record whose head is right. */
export function fieldsOf(bytes, record) {
  const fields = [];
  const add = (name, from, to, says, tone) => fields.push({ name, from, to, says, tone });
  const hex = (from, to) => Array.from(bytes.subarray(from, to), (byte) => byte.toString(16).padStart(2, '0')).reverse().join('');
  const tag = bytes[10];
  const flags = FLAGS.filter(([bit]) => tag & bit).map(([, words]) => words);
  add('check', 0, 4, `${hex(0, 4)}, with this file's salt and this offset`, 'check');
  add('body crc', 4, 8, `${hex(4, 8)} ${record.state === 'intact' ? 'right' : 'WRONG'}`, 'check');
  add('key check', 8, 10, hex(8, 10), 'check');
  add('tag', 10, 11, [KINDS[tag & 7], ...flags].join(', '), 'head');
  const numbers = varints(bytes, 11);
  const next = (name, says, tone = 'head') => {
    const [from, to, value] = numbers.next().value;
    add(name, from, to, says(value), tone);
  };
  next('seq', () => String(record.seq));
  next('key bytes', String);
  next('value bytes', String);
  if (tag & 0x08) next('expiry', (time) => `${new Date(time).toLocaleTimeString()}${time > Date.now() ? `, in ${duration(time - Date.now())}` : ', over'}`, 'time');
  if (tag & 0x10) next('durable', (offset) => `bytes below ${offset} are flushed`, 'time');
  if (tag & 0x20) { next('batch bytes', (more) => `${more} follow`); next('batch records', (more) => `${more} follow`); }
  const keyEnd = record.headBytes + record.keyBytes;
  if (record.keyBytes) add('key', record.headBytes, keyEnd, shown(record.key), 'key');
  if (record.valueBytes) {
    const value = bytes.subarray(keyEnd, record.bytes);
    add('value', keyEnd, keyEnd + value.length, record.kind === 'marker' ? 'the time it was written' : `${shown(value)}${keyEnd + value.length < record.bytes ? ' ..' : ''}`, 'value');
  }
  return fields;
}
