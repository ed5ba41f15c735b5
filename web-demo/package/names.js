// What the tabs of one store call its folder, their channels and their locks.

import { BadOption } from './errors.js';

/** The folder of a store. */
export function folderOf(name) {
  if (typeof name !== 'string' || !/^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/.test(name) || name.length > 200) {
    throw new BadOption('the name of a store is letters, digits, "_", "-" and ".", in parts divided by "/"');
  }
  return `portcask/${name}`;
}

/** The channel that all listen to, or the inbox of one of them. */
export const channelOf = (name, id) => (id ? `portcask:${name}:${id}` : `portcask:${name}`);

/** Held by whoever has the files. */
export const storeLock = (name) => `portcask:${name}`;

/** Held by a client, and by its worker, while it lives. */
export const clientLock = (name, id) => `portcask:${name}:client:${id}`;
export const workerLock = (name, id) => `portcask:${name}:worker:${id}`;

/** A new identity: 32 hexadecimal digits. */
export const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
