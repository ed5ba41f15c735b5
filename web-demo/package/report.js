// The engine's reports, which come as numbers (`report.rs`), with their names.

import { DAMAGES } from './refusals.js';

const decoder = new TextDecoder();

/** Reads an answer from its start. */
export class Answer {
  #bytes; #view; #at = 0;

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset);
  }

  byte() { return this.#bytes[this.#at++]; }
  number() {
    this.#at += 8;
    return this.#view.getFloat64(this.#at - 8, true);
  }
  text(bytes = this.number()) {
    this.#at += bytes;
    return decoder.decode(this.#bytes.subarray(this.#at - bytes, this.#at));
  }
  /** A number for each name. */
  fields(names) { return Object.fromEntries(names.map((name) => [name, this.number()])); }
  list(item) { return Array.from({ length: this.number() }, item); }

  damages() {
    return this.list(() => {
      const [file, { what, live, ...place }] = [this.text(), this.fields(['offset', 'bytes', 'what', 'live'])];
      return { file, ...place, damage: DAMAGES[what], live: !!live };
    });
  }
}

const REFUSAL = ['number', 'other'];
const FLAGS = ['created', 'clean', 'degraded', 'clockJumped', 'steppedBack'];
const OPENED = [
  'epoch', 'keys', 'scannedRecords', 'scannedBytes', 'hintedBytes', 'tornBytes', 'tornRecords', 'undecidableBytes', 'undecidableRecords',
  'rewrittenRecords', 'damagesOmitted',
];
const STATS = ['keys', 'liveBytes', 'deadBytes', 'tombstoneBytes', 'totalBytes', 'fragmentationPercent', 'memoryBytes', 'lastSeq', 'epoch', 'handles'];
const SEGMENT = ['id', 'sizeBytes', 'liveBytes', 'deadBytes', 'tombstoneBytes', 'liveKeys', 'active', 'damaged'];
const MERGED = ['inputs', 'outputs', 'bytesBefore', 'bytesAfter', 'recordsKept', 'recordsDropped'];

/** What a refusal tells, for `refusals.js`. @param {Answer} answer */
export function refused(answer) {
  const [code, what, kind, bytes] = [answer.byte(), answer.byte(), answer.byte(), answer.byte()];
  return { code, what, kind, ...answer.fields(REFUSAL), name: answer.text(bytes) };
}

export function recovered(answer) {
  const flags = Object.entries(answer.fields(FLAGS)).map(([name, number]) => [name, !!number]);
  const { steppedBack, ...report } = {
    ...Object.fromEntries(flags), ...answer.fields(OPENED), damages: answer.damages(), undecided: answer.damages(), orphans: answer.list(() => answer.text()),
  };
  return { summary: summary(report, steppedBack), ...report };
}

/** In one line. */
function summary(report, steppedBack) {
  if (report.created) return 'created a new store';
  const { keys, clean, tornBytes, tornRecords, damages, undecided, orphans } = report;
  const first = ([{ file, offset, bytes, damage }]) => `first ${file} at byte ${offset}: ${bytes} bytes: ${damage}`;
  return [
    `${keys} ${keys === 1 ? 'key' : 'keys'} after ${clean ? 'a clean close' : 'an unclean stop'}`,
    tornBytes && `cut a torn tail of ${tornBytes} bytes (${tornRecords} whole records in it) that was never acknowledged as durable`,
    damages.length && `${damages.length + report.damagesOmitted} damaged places in acknowledged data, ${first(damages)}`,
    undecided.length && `${undecided.length} places that are damaged or were being written when the power failed, ${first(undecided)}`,
    steppedBack && 'the newest manifest could not be read whole, an older state is used',
    orphans.length && `${orphans.length} files of this store that no manifest lists were kept, first ${orphans[0]}`,
    report.degraded && 'damage hides keys: the store is read-only',
    report.clockJumped && 'the clock moved by more than a day: nothing expires until it is confirmed',
  ].filter(Boolean).join('; ');
}

export const counted = (answer) => ({
  ...answer.fields(STATS),
  segments: answer.list(() => {
    const segment = answer.fields(SEGMENT);
    return { ...segment, active: !!segment.active, damaged: !!segment.damaged };
  }),
});

export const merged = (answer) => answer.fields(MERGED);

export function verified(answer) {
  const report = { ...answer.fields(['files', 'records', 'liveRecords', 'bytes']), damages: answer.damages(), undecided: answer.damages() };
  return { sound: !report.damages.length, ...report };
}
