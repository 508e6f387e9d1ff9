import { COMMIT_BATCH_BYTES } from '../../protocol/limits/shards.js';
import type { StreamEntry } from '../shared/log-stream.js';

const EVENTS_MAX = 512;
const FIRST_EVENTS = 64;
/** The names of the fields of an entry: `t` and `e`. */
const TIME = 0x74;
const EVENT = 0x65;
const DIGIT_0 = 0x30;
const NOTHING: Buffer = Buffer.alloc(0);

/** The entries in an answer to `XRANGE`, or in that of `XREAD` for one stream. */
export function entriesOf(reply: unknown): StreamEntry[] {
  return (reply as [id: Buffer, fields: Buffer[]][]).map(([id, fields]) => ({
    sequence: sequenceOfId(id),
    recordedAt: leadingNumber(field(fields, TIME) ?? NOTHING),
    bytes: field(fields, EVENT) ?? NOTHING,
  }));
}

export function idOf(sequence: number): string {
  return `${sequence}-0`;
}

export function sequenceOfId(id: Buffer): number {
  return leadingNumber(id);
}

/** The number that a text begins with. An answer has many, and a string for each takes longer than its digits. */
function leadingNumber(text: Buffer): number {
  let number = 0;
  for (const byte of text) {
    if (byte < DIGIT_0 || byte > DIGIT_0 + 9) break;
    number = 10 * number + byte - DIGIT_0;
  }
  return number;
}

function field(fields: Buffer[], name: number): Buffer | undefined {
  for (let at = 0; at < fields.length; at += 2) {
    const one = fields[at]!;
    if (one.length === 1 && one[0] === name) return fields[at + 1];
  }
  return undefined;
}

/** How many entries to ask for: Redis bounds an answer by their number alone, so it follows their size. */
export class AnswerSize {
  #events = FIRST_EVENTS;

  most(limit = EVENTS_MAX): number {
    return Math.max(1, Math.min(limit, this.#events));
  }

  note(entries: readonly StreamEntry[]): void {
    if (entries.length === 0) return;
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes.length, 0);
    const fitting = Math.floor(COMMIT_BATCH_BYTES / (bytes / entries.length));
    this.#events = Math.max(1, Math.min(EVENTS_MAX, 2 * this.#events, fitting));
  }
}
