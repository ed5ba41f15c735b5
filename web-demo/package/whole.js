// A store as files: exported, imported, deleted. The page loads it behind the first opening, or when it is first needed. It imports
// nothing that the page has already, so that bundlers make one file of that.

import { NO_TAR, pack, unpack } from './tar.js';

/** A tar of a store's files, or what becomes of it in a stream. @param {[string, Blob][]} files @param {WritableStream} [target] */
export function exported(files, target) {
  const tar = pack(files);
  return target ? tar.stream().pipeTo(target) : tar;
}

/**
 * The files of a store in a tar, or among files, or why they are none. What makes a store of the others comes last.
 * @returns {Promise<[string, Blob][] | string>}
 */
export async function storeOf(source) {
  const files = source instanceof Blob || source instanceof ReadableStream || source instanceof ArrayBuffer || ArrayBuffer.isView(source)
    ? await unpack(source instanceof Blob ? source : await new Response(source).blob())
    : Array.from(source, (file) => [file.name, file]);
  if (!files) return NO_TAR;
  const known = files.filter(([name]) => /^(segment|hint|manifest)-\d{10,20}$/.test(name));
  if (!known.some(([name]) => name.startsWith('manifest'))) return 'there is no manifest among these files: they are no store';
  return known.sort(([a], [b]) => a.startsWith('manifest') - b.startsWith('manifest'));
}

/** Deletes a folder with all in it, unless somebody holds the lock. Answers whether it is gone. */
export function deleted(folder, lock) {
  return navigator.locks.request(lock, { ifAvailable: true }, async (granted) => {
    if (!granted) return false;
    const path = folder.split('/');
    const last = path.pop();
    try {
      let parent = await navigator.storage.getDirectory();
      for (const part of path) parent = await parent.getDirectoryHandle(part);
      await parent.removeEntry(last, { recursive: true });
    } catch (error) {
      if (error?.name !== 'NotFoundError') throw error;
    }
    return true;
  });
}
