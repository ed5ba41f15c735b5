// What goes wrong, by class and by code. Messages say what to do.

/** Every error of this package. */
export class PortcaskError extends Error {
  readonly code: string;
}
export class NeedsWorker extends PortcaskError {}
export class Unsupported extends PortcaskError {}
export class PrivateMode extends PortcaskError {}
export class LockedByOtherTab extends PortcaskError {}
/** The tab that holds the files is silent. `outcome` settles as soon as the call's fate is known. */
export class LeaderUnresponsive extends PortcaskError {
  readonly outcome: Promise<unknown>;
}
export class QuotaExceeded extends PortcaskError {}
export class Corrupt extends PortcaskError {}
export class MaybeStale extends PortcaskError {}
export class Degraded extends PortcaskError {}
export class NoStore extends PortcaskError {}
export class NoManifest extends PortcaskError {}
export class NotEmpty extends PortcaskError {}
export class NewerFormat extends PortcaskError {}
export class Poisoned extends PortcaskError {}
export class Closed extends PortcaskError {}
export class NotReady extends PortcaskError {}
export class KeyTooLong extends PortcaskError {}
export class ValueTooLarge extends PortcaskError {}
export class BatchTooLarge extends PortcaskError {}
export class ConditionFailed extends PortcaskError {}
export class TooManyFiles extends PortcaskError {}
export class BadValue extends PortcaskError {}
export class BadOption extends PortcaskError {}
export class OutOfMemory extends PortcaskError {}
export class Failed extends PortcaskError {}
