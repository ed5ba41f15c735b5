// What one writes in an afternoon: a file that is appended to and a Map. No checksum, no merge, no care for crashes; it
// is here as the floor of what any log in JavaScript costs.

export const title = 'naive JavaScript log';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

async function fileOf(name, create) {
  return (await navigator.storage.getDirectory()).getFileHandle(`${name}.log`, { create });
}

export async function open(name) {
  const access = await (await fileOf(name, true)).createSyncAccessHandle();
  /** @type {Map<string, [number, number]>} key to offset and length of its value */
  const places = new Map();
  let end = access.getSize();
  const whole = new Uint8Array(end);
  access.read(whole, { at: 0 });
  const view = new DataView(whole.buffer);
  for (let at = 0; at < end;) {
    const [keyBytes, valueBytes] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
    at += 8;
    places.set(decoder.decode(whole.subarray(at, at + keyBytes)), [at + keyBytes, valueBytes]);
    at += keyBytes + valueBytes;
  }
  function append(entries) {
    const most = entries.reduce((sum, [key, value]) => sum + 8 + 3 * (key.length + value.length), 0);
    const bytes = new Uint8Array(most);
    const head = new DataView(bytes.buffer);
    let at = 0;
    for (const [key, value] of entries) {
      const keyBytes = encoder.encodeInto(key, bytes.subarray(at + 8)).written;
      const valueBytes = encoder.encodeInto(value, bytes.subarray(at + 8 + keyBytes)).written;
      head.setUint32(at, keyBytes, true);
      head.setUint32(at + 4, valueBytes, true);
      places.set(key, [end + at + 8 + keyBytes, valueBytes]);
      at += 8 + keyBytes + valueBytes;
    }
    access.write(bytes.subarray(0, at), { at: end });
    access.flush();
    end += at;
  }
  return {
    async putBatch(entries) { append(entries); },
    async putEach(entries) { for (const entry of entries) append([entry]); },
    async getAll(keys) {
      let length = 0;
      for (const key of keys) {
        const [offset, bytes] = places.get(key);
        const value = new Uint8Array(bytes);
        access.read(value, { at: offset });
        length += decoder.decode(value).length;
      }
      return length;
    },
    async close() { access.close(); },
  };
}

export async function forget(name) {
  await (await navigator.storage.getDirectory()).removeEntry(`${name}.log`).catch(() => {});
}
