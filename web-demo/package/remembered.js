// What the leader knows of its clients, as bytes in the system key space.

/** The system key that lists all clients with a record of their own. */
export const REGISTRY = new TextEncoder().encode('web-clients');
const ID_BYTES = 16;

const text = new TextEncoder();
const words = new TextDecoder();
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
export const unhex = (id) => Uint8Array.from(id.match(/../g), (pair) => Number.parseInt(pair, 16));

/**
 * What is remembered of a client, in memory and in the system key space: the number of its last commit that was
 * taken, and the refusals among earlier ones that it may not have heard of. Written in the batch of each commit, so
 * that whoever leads next knows whether a commit sent again was taken.
 */
export class Remembered {
  last = 0;
  refused = new Map();
  recorded = false;

  record(last = this.last) {
    return text.encode(JSON.stringify({ last, refused: [...this.refused] }));
  }

  static read(bytes) {
    const client = new Remembered();
    if (bytes) {
      const { last, refused } = JSON.parse(words.decode(bytes));
      Object.assign(client, { last, refused: new Map(refused), recorded: true });
    }
    return client;
  }
}

/** The identities of a list of them, which may not be there yet. */
export const idsOf = (bytes = new Uint8Array()) => Array.from(
  { length: bytes.length / ID_BYTES }, (_, at) => hex(bytes.subarray(at * ID_BYTES, (at + 1) * ID_BYTES)));

/** A list of identities as bytes. @param {Set<string>} ids */
export function joined(ids) {
  const bytes = new Uint8Array(ids.size * ID_BYTES);
  let at = 0;
  for (const id of ids) {
    bytes.set(unhex(id), at);
    at += ID_BYTES;
  }
  return bytes;
}
