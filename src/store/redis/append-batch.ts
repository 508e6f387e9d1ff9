import { hash } from 'node:crypto';
import { storedApartError, unexpectedError } from '../../protocol/conflicts.js';
import { BusError } from '../../protocol/errors.js';
import { identityOf } from '../../record/event-identity.js';
import { EventRecordView } from '../../record/event-record.js';
import type { AppendRefusal } from '../shard-log.js';
import type { AppendedEntries, NewEntry } from '../shared/log-stream.js';
import { fullMessage } from './redis-errors.js';

/** Redis keeps so many bytes of an identity's SHA-256: enough that no two of them meet. */
const IDENTITY_BYTES = 16;
const HEAD_BYTES = IDENTITY_BYTES + 4;

const view = new EventRecordView();

/** An event as a script gets it. */
export interface BatchEvent {
  readonly identity: Buffer;
  readonly record: Buffer;
}

export function batchEvent({ bytes }: NewEntry): BatchEvent {
  const record = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return { identity: identityBytes(record, 0), record };
}

function identityBytes(record: Buffer, offset: number): Buffer {
  return hash('sha256', identityOf(view.wrap(record, offset)), 'buffer').subarray(
    0,
    IDENTITY_BYTES,
  );
}

/**
 * The events of a batch in one piece, as the append script gets them. A client takes long over many arguments. Each event is
 *
 * ```
 *  0 identity: 16 bytes   16 length of the record: uint32, little endian   20 the sealed record
 * ```
 */
export class PackedBatch {
  readonly bytes: Buffer;
  readonly #starts: number[] = [];

  constructor(events: readonly NewEntry[]) {
    let length = 0;
    for (const { bytes } of events) length += HEAD_BYTES + bytes.length;
    this.bytes = Buffer.allocUnsafe(length);
    let at = 0;
    for (const { bytes } of events) {
      this.#starts.push(at);
      this.bytes.writeUInt32LE(bytes.length, at + IDENTITY_BYTES);
      this.bytes.set(bytes, at + HEAD_BYTES);
      this.bytes.set(identityBytes(this.bytes, at + HEAD_BYTES), at);
      at += HEAD_BYTES + bytes.length;
    }
  }

  event(index: number): BatchEvent {
    const start = this.#starts[index]!;
    const end = this.#starts[index + 1] ?? this.bytes.length;
    return {
      identity: this.bytes.subarray(start, start + IDENTITY_BYTES),
      record: this.bytes.subarray(start + HEAD_BYTES, end),
    };
  }
}

/** The terms of a batch as JSON; nothing where no event has any. */
export function termsOf(events: readonly NewEntry[]): string {
  const terms: number[][] = [];
  for (const [index, { terms: one }] of events.entries()) {
    if (one !== undefined) terms.push([index, one.expected ?? -1, one.group ?? -1]);
  }
  return terms.length === 0 ? '' : JSON.stringify(terms);
}

export interface ScriptOutcome {
  readonly status: 'OK' | 'FULL' | 'EPOCH' | 'BACK' | 'LATE';
  /** Redis's clock, ms since 1970. */
  readonly serverMs: number;
  readonly sequences: readonly number[];
  readonly refusals: readonly (number | Buffer)[];
  /** Redis's own words where it has no room. */
  readonly reason: string;
}

export function outcomeOf(reply: unknown): ScriptOutcome {
  const [status, serverMs, sequences = [], refusals = [], reason = ''] = reply as [
    Buffer,
    number,
    number[]?,
    (number | Buffer)[]?,
    Buffer?,
  ];
  return {
    status: status.toString() as ScriptOutcome['status'],
    serverMs,
    sequences,
    refusals,
    reason: reason.toString(),
  };
}

/** The outcome of a batch that was judged. */
export function appendedOf(
  { status, sequences, refusals, reason }: ScriptOutcome,
  events: readonly NewEntry[],
  place: string,
): AppendedEntries {
  const refused = new Map<number, AppendRefusal>();
  for (let at = 0; at < refusals.length; at += 4) {
    const [index, kind, inGroup, found] = refusals.slice(at, at + 4) as [
      number,
      Buffer,
      number,
      number,
    ];
    refused.set(index, refusalOf(events, index, kind.toString(), inGroup, found));
  }
  return {
    sequences: sequences.map(Math.abs),
    repeats: sequences.map((sequence) => sequence < 0),
    refused,
    ...(status === 'FULL'
      ? { refusal: new BusError('STORE_FULL', fullMessage(reason, place)).toJSON() }
      : {}),
  };
}

function refusalOf(
  events: readonly NewEntry[],
  first: number,
  kind: string,
  inGroup: number,
  found: number,
): AppendRefusal {
  const { bytes, terms } = events[first + inGroup]!;
  view.wrap(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 0);
  const { topic, id } = view;
  const index = events[first]!.terms?.group === undefined ? undefined : inGroup;
  const error =
    kind === 'APART'
      ? storedApartError({ topic, id, found, index })
      : unexpectedError({ topic, expected: terms?.expected ?? 0, found, index });
  return { found, error };
}
