// The engine's refusals in words: it tells numbers, for its own words would weigh ten times as much.

import {
  BadOption, BatchTooLarge, Closed, ConditionFailed, Corrupt, Degraded, Failed, KeyTooLong, LockedByOtherTab, MaybeStale, NewerFormat,
  NoManifest, NoStore, NotReady, OutOfMemory, Poisoned, QuotaExceeded, TooManyFiles, ValueTooLarge,
} from './errors.js';

/** In the order of the engine's lists: `Op`, `Damage`, `ErrorKind`. */
const DEEDS = ['list the directory', 'take the writer\'s lock', 'create', 'open', 'read', 'append to', 'sync', 'sync the directory', 'truncate', 'remove', 'get random bytes'];
export const DAMAGES = [
  'the record\'s head does not check', 'the record\'s key or value does not check', 'the file ends inside a record', 'the file header does not check',
  'the file is not this store\'s', 'the footer does not check', 'the hint does not check', 'the system cannot read it', 'the file is gone',
  'a manifest record does not check',
];
const KINDS = ['no such file', 'the file exists', 'no space left', 'input/output error', 'locked', 'a newer writer took over', 'permission denied', 'not supported here', 'not ready', 'closed'];
const [NOT_READY, CLOSED] = [8, 9];

const place = ({ name, number }) => `${name} at byte ${number}`;
const found = (told) => `${place(told)}: ${DAMAGES[told.what]}`;
const limit = (what) => ({ number, other }) => `${what} has ${number} bytes; the limit is ${other}`;
const NEWER = 'nothing was touched: reload the page for a newer version';

/** By the engine's numbers (`Error::code` of `core/src/error.rs`): the class, what to say of it, what to do about it. */
const refusals = {
  2: [QuotaExceeded, ({ name }) => `no space left for ${name}; the write was not taken`, 'the site is out of space; reading goes on, and deleting and merge() give some back'],
  3: [LockedByOtherTab, 'another writer has this store'],
  4: [Closed, 'another opener took this store over', 'open it again'],
  5: [Poisoned, 'a sync failed earlier, so what reached the disk is unknown', 'open the store again'],
  6: [Corrupt, found, 'other keys are not affected; verify() tells all damage'],
  7: [MaybeStale, (told) => `damage in ${told.number > 2 ** 53 ? told.name : place(told)} may hide a newer version of this key`, 'open with acceptStale to read older versions'],
  8: [Corrupt, (told) => `${place(told)} holds another key with the same hash`],
  9: [Degraded, 'the store is read-only'],
  10: [Closed, 'the store was closed', 'open it again'],
  12: [Degraded, (told) => `damage in ${place(told)} hides keys, so the store is read-only`, 'export what can be read, and restore a backup'],
  13: [Corrupt, (told) => `acknowledged data is damaged: ${found(told)}`],
  14: [NoStore, 'there is no store here'],
  15: [NoManifest, ({ number }) => `${number} segment files but no valid manifest`, 'the files are kept: export them, and run the native salvage'],
  16: [NewerFormat, ({ name, number, other }) => `${name} has format version ${number}, and this build reads up to ${other}`, NEWER],
  17: [NewerFormat, ({ name, number }) => `${name} needs features that this build lacks (${number})`, NEWER],
  18: [KeyTooLong, limit('the key')],
  19: [ValueTooLarge, limit('the value')],
  20: [BatchTooLarge, limit('the batch'), 'split it'],
  21: [ConditionFailed, ({ number }) => `what operation ${number} of the batch requires is not so; nothing was taken`],
  25: [Failed, 'a length does not fit into 32 bits'],
  26: [TooManyFiles, 'the store has as many segments as it can address', 'merge, or use larger segments'],
  27: [Failed, 'expiry needs a clock'],
  28: [OutOfMemory, 'the memory is used up'],
  30: [BadOption, ({ name }) => name],
};

/** The error for a refusal. @param {{code: number, what: number, kind: number, number: number, other: number, name: string}} told */
export function refusal(told) {
  const { code, what, kind, name } = told;
  if (code === 1 && kind === NOT_READY) return new NotReady(`cannot ${DEEDS[what]} a file that is not open yet; await reserve() and try again`);
  if (code === 1) return new (kind === CLOSED ? Closed : Failed)(`cannot ${DEEDS[what]}${name && ` ${name}`}: ${KINDS[kind]}`);
  const [Kind, words, advice] = refusals[code] ?? [Failed, `the engine refuses with code ${code}`];
  const said = typeof words === 'string' ? words : words(told);
  return new Kind(advice ? `${said}; ${advice}` : said);
}
