/** Messages between the main thread and the thread that archives. */
import type { ErrorData } from '../protocol/errors.js';
import type { ArchiveHistoryOptions } from './archive-history.js';
import type { ArchivingRules } from './shard-archiver.js';

/** The start data of the archiver's thread. */
export interface ArchiverData extends ArchiveHistoryOptions {
  readonly rules: ArchivingRules;
  /** The archive was begun in this place before: it has to be there. */
  readonly isKnown: boolean;
}

export type ArchiverReport =
  /** The archive was reached, and is this history's. */
  | { readonly report: 'attached' }
  /** An attempt failed for another reason than the one before it. */
  | { readonly report: 'failed'; readonly error: ErrorData };

/** The only message to the thread. */
export const ARCHIVER_STOP = 'stop';
