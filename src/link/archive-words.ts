/**
 * The memory that a shard's thread, the archiver and the readers of one shard share. Each number has one writer.
 *
 * ```
 *   0  THROUGH      archiver   every event up to this sequence is archived, or is not in the log either
 *   8  WANTED       shard      retention waits for this sequence to be archived; 0: for none
 *  16  SYNCED       shard      the log is flushed up to here; the archiver takes nothing behind it
 *  24  VERSION      archiver   changes with each change of the list of segments
 *  32  SEGMENTS     archiver   how many there are
 *  40  BYTES        archiver   of their data
 *  48  EVENTS       archiver   archived since the bus was opened
 *  56  FAILING      archiver   ms since 1970 when the archive began to fail; 0: it does not
 *  64  WAITS        shard      ms since 1970 since when retention has waited; 0: it does not
 * ```
 */
const THROUGH = 0;
const WANTED = 1;
const SYNCED = 2;
const VERSION = 3;
const SEGMENTS = 4;
const BYTES = 5;
const EVENTS = 6;
const FAILING = 7;
const WAITS = 8;
const WORDS = 9;

export class ArchiveWords {
  readonly #words: Float64Array;

  constructor(readonly buffer: SharedArrayBuffer) {
    this.#words = new Float64Array(buffer);
  }

  static create(): ArchiveWords {
    return new ArchiveWords(new SharedArrayBuffer(WORDS * 8));
  }

  get through(): number {
    return this.#words[THROUGH]!;
  }

  set through(sequence: number) {
    this.#words[THROUGH] = sequence;
  }

  get wanted(): number {
    return this.#words[WANTED]!;
  }

  set wanted(sequence: number) {
    this.#words[WANTED] = sequence;
  }

  get synced(): number {
    return this.#words[SYNCED]!;
  }

  set synced(sequence: number) {
    this.#words[SYNCED] = sequence;
  }

  get version(): number {
    return this.#words[VERSION]!;
  }

  get segments(): number {
    return this.#words[SEGMENTS]!;
  }

  get bytes(): number {
    return this.#words[BYTES]!;
  }

  /** The list of segments has changed. */
  listed(segments: number, bytes: number): void {
    this.#words[SEGMENTS] = segments;
    this.#words[BYTES] = bytes;
    this.#words[VERSION]! += 1;
  }

  get events(): number {
    return this.#words[EVENTS]!;
  }

  addEvents(events: number): void {
    this.#words[EVENTS]! += events;
  }

  get failingSince(): number {
    return this.#words[FAILING]!;
  }

  set failingSince(ms: number) {
    this.#words[FAILING] = ms;
  }

  get waitsSince(): number {
    return this.#words[WAITS]!;
  }

  set waitsSince(ms: number) {
    this.#words[WAITS] = ms;
  }
}
