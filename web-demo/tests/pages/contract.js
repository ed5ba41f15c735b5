// A worker that tries the storage contract on real handles, each promise in a folder of its own.

import { Engine } from '/package/engine.js';
import { OpfsFiles, directoryAt } from '/package/opfs.js';

const decoder = new TextDecoder();
/** The suite's many names, all of which are ready once one was asked for. */
const many = Array.from({ length: 800 }, (_, number) => `segment-${String(number).padStart(56, '0')}`);

async function attempt(which, names, folder) {
  const files = new OpfsFiles(await directoryAt(folder));
  const engine = await Engine.load('/built/contract.wasm', files);
  for (const name of names) engine.seat(await files.openOne(name), name);
  try {
    const line = decoder.decode(engine.ask('promise', which));
    return { line, wanted: engine.wanted().filter((name) => !names.has(name)) };
  } finally {
    files.closeAll();
    const root = await directoryAt('contract');
    await root.removeEntry(folder.split('/')[1], { recursive: true });
  }
}

addEventListener('message', async () => {
  const lines = [];
  for (let which = 0; lines.length === which; which += 1) {
    const names = new Set();
    for (let tries = 0; ; tries += 1) {
      const { line, wanted } = await attempt(which, names, `contract/${which}-${tries}`);
      // Only what the promise itself asked for; the engine's own next files are always among what is wanted.
      const asked = wanted.filter((name) => !/^(reserve|(manifest|hint|segment)-\d{10})$/.test(name) || line.includes('not ready'));
      if (!line.includes('not ready') || !asked.length) {
        if (line) lines.push(line.trim());
        break;
      }
      for (const name of asked) {
        names.add(name);
        if (name === many[0]) for (const one of many) names.add(one);
      }
    }
  }
  postMessage(lines);
});
