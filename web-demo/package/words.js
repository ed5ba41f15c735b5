// The engine's refusals in words: it tells classes, the fuller module numbers too, for its own words would weigh ten times as much.

import {
  BadOption, BatchTooLarge, Closed, ConditionFailed, Corrupt, Degraded, Failed, KeyTooLong, LockedByOtherTab, MaybeStale, NewerFormat,
  NoManifest, NoStore, NotReady, OutOfMemory, Poisoned, QuotaExceeded, TooManyFiles, ValueTooLarge,
} from './errors.js';

/** In the order of the engine's list, `Damage`. */
export const DAMAGES = [
  'the record\'s head does not check', 'the record\'s key or value does not check', 'the file ends inside a record', 'the file header does not check',
  'the file is not this store\'s', 'the footer does not check', 'the hint does not check', 'the system cannot read it', 'the file is gone',
  'a manifest record does not check',
];
/** Places in `ErrorKind`. */
const [NOT_READY, CLOSED] = [8, 9];

const place = ({ name, number }) => (name ? ` in ${name} at byte ${number}` : '');
const found = (told) => `${told.name ? `${told.name} at byte ${told.number}` : told.file}: ${DAMAGES[told.what] ?? 'a record does not check'}`;
const limit = (what) => ({ number, other }) => (other ? `${what} has ${number} bytes; the limit is ${other}` : `${what} is longer than the limit`);
const NEWER = 'nothing was touched: reload the page for a newer version';

/** By the engine's numbers (`Error::code` of `core/src/error.rs`): the class, what to say of it, what to do about it. */
const refusals = {
  2: [QuotaExceeded, 'no space left; the write was not taken', 'reading goes on, and deleting and merge() give some back'],
  3: [LockedByOtherTab, 'another writer has this store'],
  4: [Closed, 'another opener took this store over', 'open it again'],
  5: [Poisoned, 'a sync failed, so what reached the disk is unknown', 'open the store again'],
  6: [Corrupt, found, 'other keys are not affected; verify() tells all damage'],
  7: [MaybeStale, (told) => `damage${place(told)} may hide a newer version of this key`, 'open with acceptStale to read older versions'],
  8: [Corrupt, (told) => `${told.file} holds another key with the same hash`],
  9: [Degraded, 'the store is read-only'],
  10: [Closed, 'the store was closed', 'open it again'],
  12: [Degraded, (told) => `damage${place(told)} hides keys, so the store is read-only`, 'report() tells where; export what can be read, and restore a backup'],
  13: [Corrupt, (told) => `acknowledged data is damaged: ${found(told)}`],
  14: [NoStore, 'there is no store here'],
  15: [NoManifest, 'segment files but no valid manifest', 'the files are kept: export them, and run the native salvage'],
  16: [NewerFormat, 'a file has a newer format than this build reads', NEWER],
  17: [NewerFormat, 'a file needs features that this build lacks', NEWER],
  18: [KeyTooLong, limit('the key')],
  19: [ValueTooLarge, limit('the value')],
  20: [BatchTooLarge, limit('the batch'), 'split it'],
  21: [ConditionFailed, 'what the batch requires of a key is not so; nothing was taken'],
  25: [Failed, 'a length does not fit into 32 bits'],
  26: [TooManyFiles, 'the store has as many segments as it can address', 'merge, or use larger segments'],
  27: [Failed, 'expiry needs a clock'],
  28: [OutOfMemory, 'the memory is used up'],
  30: [BadOption, 'an option is out of its range', 'segmentBytes is 1 MiB to 4 GiB, keyBytesMax at most 65,535, valueBytesMax below 4 GiB'],
};

/**
 * The error for a refusal.
 * @param {{code: number, what: number, kind: number, number: number, other: number, name: string, file: string}} told `file` is what was
 * looked at last @param {Error} [cause] the browser's own refusal
 */
export function refusal(told, cause) {
  const { code, kind, file } = told;
  if (code === 1 && kind === NOT_READY) return new NotReady('a file that is needed is not open yet; await reserve() and try again');
  if (code === 1) return new (kind === CLOSED ? Closed : Failed)(`the browser refuses ${file}: ${cause?.message ?? 'input/output error'}`, { cause });
  const [Kind, words, advice] = refusals[code] ?? [Failed, `the engine refuses with code ${code}`];
  const said = typeof words === 'string' ? words : words(told);
  return new Kind(advice ? `${said}; ${advice}` : said, { cause });
}
