// What the engine's numbers mean, in words: refusals, damage, the summary of an opening. Loaded when first needed, or soon after opening.
// It imports nothing that the page has already, so that bundlers make one file of that.

/** In the order of the engine's list, `Damage`. */
const DAMAGES = [
  'the record\'s head does not check', 'the record\'s key or value does not check', 'the file ends inside a record', 'the file header does not check',
  'the file is not this store\'s', 'the footer does not check', 'the hint does not check', 'the system cannot read it', 'the file is gone',
  'a manifest record does not check',
];

/** A place in the engine's `ErrorKind`. */
const NOT_READY = 8;

const place = ({ name, number }) => (name ? ` in ${name} at byte ${number}` : '');
const found = (told) => `${told.name ? `${told.name} at byte ${told.number}` : told.file}: ${DAMAGES[told.what] ?? 'a record does not check'}`;
const limit = (what) => ({ number, other }) => (other ? `${what} has ${number} bytes; the limit is ${other}` : `${what} is longer than the limit`);
const NEWER = 'nothing was touched: reload the page for a newer version';

/** By the engine's numbers (`Error::code` of `core/src/error.rs`): what to say of it, and what to do about it. */
const refusals = {
  1: [({ kind, file, cause }) => (kind === NOT_READY ? 'a file that is needed is not open yet; await reserve() and try again' : `the browser refuses ${file}: ${cause ?? 'input/output error'}`)],
  2: ['no space left; the write was not taken', 'reading goes on, and deleting and merge() give some back'],
  3: ['another writer has this store'],
  4: ['another opener took this store over', 'open it again'],
  5: ['a sync failed, so what reached the disk is unknown', 'open the store again'],
  6: [found, 'other keys are not affected; verify() tells all damage'],
  7: [(told) => `damage${place(told)} may hide a newer version of this key`, 'open with acceptStale to read older versions'],
  8: [(told) => `${told.file} holds another key with the same hash`],
  9: ['the store is read-only'],
  10: ['the store was closed', 'open it again'],
  12: [(told) => `damage${place(told)} hides keys, so the store is read-only`, 'report() tells where; export what can be read, and restore a backup'],
  13: [(told) => `acknowledged data is damaged: ${found(told)}`],
  14: ['there is no store here'],
  15: ['segment files but no valid manifest', 'the files are kept: export them, and run the native salvage'],
  16: ['a file has a newer format than this build reads', NEWER],
  17: ['a file needs features that this build lacks', NEWER],
  18: [limit('the key')],
  19: [limit('the value')],
  20: [limit('the batch'), 'split it'],
  21: ['what the batch requires of a key is not so; nothing was taken'],
  25: ['a length does not fit into 32 bits'],
  26: ['the store has as many segments as it can address', 'merge, or use larger segments'],
  27: ['expiry needs a clock'],
  28: ['the memory is used up'],
  30: ['an option is out of its range', 'segmentBytes is 1 MiB to 4 GiB, keyBytesMax at most 65,535, valueBytesMax below 4 GiB'],
};

/** The words for what an error of `refusal` was told; other errors as they are. */
export function worded(error) {
  const { told } = error;
  if (!told) return error;
  const { code } = told;
  const [words, advice] = refusals[code] ?? [`the engine refuses with code ${code}`];
  const said = typeof words === 'string' ? words : words(told);
  return new error.constructor(advice ? `${said}; ${advice}` : said);
}

/** A report whose damage has names. One of an opening gets a summary. */
export function named(report) {
  if (!report?.damages) return report;
  const names = (damages) => damages.map(({ damage, ...place }) => ({ ...place, damage: DAMAGES[damage] }));
  const told = { ...report, damages: names(report.damages), undecided: names(report.undecided) };
  if (!('clean' in report)) return told;
  const { steppedBack, ...rest } = told;
  return { summary: summary(rest, steppedBack), ...rest };
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
