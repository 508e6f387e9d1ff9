/**
 * One stored event in the layout of `src/record/event-record.ts`. The object is used again for the next event; its
 * bytes stay unchanged until the next read.
 */
export interface StoredRecord {
  readonly sequence: number;
  /** When the bus recorded it, ms since 1970; never runs backwards within a log. */
  readonly recordedAt: number;
  readonly bytes: Buffer;
  readonly offset: number;
  readonly length: number;
}
