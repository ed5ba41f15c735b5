// What went wrong, by class and by code, in words that say what to do.

/** Every error of this package. `code` is the class's name; the message says what to do. */
export class PortcaskError extends Error {
  /** @param {string} code @param {string} message @param {object} [more] further properties */
  constructor(code, message, more) {
    super(message, more);
    this.name = code;
    this.code = code;
    if (more) Object.assign(this, more);
  }
}

const classes = {};
const of = (code) => (classes[code] = class extends PortcaskError {
  constructor(message, more) { super(code, message, more); }
});

export const NeedsWorker = of('NeedsWorker');
export const Unsupported = of('Unsupported');
export const PrivateMode = of('PrivateMode');
export const LockedByOtherTab = of('LockedByOtherTab');
export const LeaderUnresponsive = of('LeaderUnresponsive');
export const QuotaExceeded = of('QuotaExceeded');
export const Corrupt = of('Corrupt');
export const MaybeStale = of('MaybeStale');
export const Degraded = of('Degraded');
export const NoStore = of('NoStore');
export const NoManifest = of('NoManifest');
export const NotEmpty = of('NotEmpty');
export const NewerFormat = of('NewerFormat');
export const Poisoned = of('Poisoned');
export const Closed = of('Closed');
export const NotReady = of('NotReady');
export const KeyTooLong = of('KeyTooLong');
export const ValueTooLarge = of('ValueTooLarge');
export const BatchTooLarge = of('BatchTooLarge');
export const ConditionFailed = of('ConditionFailed');
export const TooManyFiles = of('TooManyFiles');
export const BadValue = of('BadValue');
export const BadOption = of('BadOption');
export const OutOfMemory = of('OutOfMemory');
export const Failed = of('Failed');

/** The classes of the engine's refusals, by its numbers (`Error::code` of `core/src/error.rs`). */
const REFUSALS = [
  , Failed, QuotaExceeded, LockedByOtherTab, Closed, Poisoned, Corrupt, MaybeStale, Corrupt, Degraded, Closed, , Degraded, Corrupt, NoStore,
  NoManifest, NewerFormat, NewerFormat, KeyTooLong, ValueTooLarge, BatchTooLarge, ConditionFailed, , , , , TooManyFiles, , OutOfMemory, , BadOption,
];
/** Places in the engine's `ErrorKind`. */
const KINDS = { 8: NotReady, 9: Closed };

/**
 * The error for a refusal. Its words may come later: `words.js` has them, which is not loaded before they are needed.
 * @param {{code: number, what: number, kind: number, number: number, other: number, name: string, file: string, cause?: string}} told
 */
export function refusal(told, words = `the engine refuses with code ${told.code}`) {
  const { code, kind } = told;
  return new ((code === 1 && KINDS[kind]) || REFUSALS[code] || Failed)(words, { told });
}

/** An error as data that can be posted, and back. */
export const toData = (error) => (error instanceof PortcaskError
  ? { code: error.code, message: error.message, told: error.told }
  : { code: 'Failed', message: `${error?.name ?? 'Error'}: ${error?.message ?? error}` });
export const fromData = ({ code, message, told }) => new (classes[code] ?? Failed)(message, told && { told });
