// The engine's reports, which come as numbers (`report.rs`), with their names. What is damaged is still a number: `words.js` has the words.

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
      const [file, { live, ...place }] = [this.text(), this.fields(['offset', 'bytes', 'damage', 'live'])];
      return { file, ...place, live: !!live };
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

/** What a refusal tells, for `refusal`. @param {Answer} answer */
export function refused(answer) {
  const [code, what, kind, bytes] = [answer.byte(), answer.byte(), answer.byte(), answer.byte()];
  return { code, what, kind, ...answer.fields(REFUSAL), name: answer.text(bytes) };
}

export function recovered(answer) {
  const flags = Object.entries(answer.fields(FLAGS)).map(([name, number]) => [name, !!number]);
  return {
    ...Object.fromEntries(flags), ...answer.fields(OPENED), damages: answer.damages(), undecided: answer.damages(), orphans: answer.list(() => answer.text()),
  };
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
