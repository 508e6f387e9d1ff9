import { COMMIT_BATCH_BYTES } from '../../protocol/limits/shards.js';
import type { StreamEntry } from '../shared/log-stream.js';

const EVENTS_MAX = 512;
const FIRST_EVENTS = 64;

/** The entries in an answer to `XRANGE`, or in that of `XREAD` for one stream. */
export function entriesOf(reply: unknown): StreamEntry[] {
  return (reply as [id: Buffer, fields: Buffer[]][]).map(([id, fields]) => ({
    sequence: sequenceOfId(id),
    recordedAt: Number(field(fields, 't')),
    bytes: field(fields, 'e') ?? Buffer.alloc(0),
  }));
}

export function idOf(sequence: number): string {
  return `${sequence}-0`;
}

export function sequenceOfId(id: Buffer): number {
  return Number(id.toString('latin1').split('-', 1)[0]);
}

function field(fields: Buffer[], name: string): Buffer | undefined {
  const at = fields.findIndex((one, index) => index % 2 === 0 && one.toString('latin1') === name);
  return fields[at + 1];
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
