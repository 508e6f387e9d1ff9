/** What a message says that a consumer delivers, or that was got directly. Pure. */
import type { Msg } from '@nats-io/transport-node';
import type { StreamEntry } from '../shared/log-stream.js';

export interface Delivered {
  readonly sequence: number;
  /** Counts from 1 on for each consumer, without holes. */
  readonly number: number;
  /** ms since 1970. */
  readonly timestamp: number;
}

const NS_DIGITS = 6;
/** Behind the name of the consumer: deliveries, sequence, number, time in ns, pending. */
const TOKENS = 9;
const TOKENS_WITH_DOMAIN = 11;

/**
 * By the subject for the ack: `$JS.ACK.STREAM.CONSUMER.DELIVERIES.SEQUENCE.NUMBER.TIME.PENDING`, with the domain and the
 * account before the stream, and a token at the end, in servers that have them.
 */
export function deliveredBy(reply: string): Delivered | undefined {
  const tokens = reply.split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK') return undefined;
  if (tokens.length !== TOKENS && tokens.length < TOKENS_WITH_DOMAIN) return undefined;
  const at = tokens.length === TOKENS ? 5 : 7;
  return {
    sequence: Number(tokens[at]),
    number: Number(tokens[at + 1]),
    timestamp: Number(tokens[at + 2]!.slice(0, -NS_DIGITS)),
  };
}

/** When an event was recorded that a copy has brought, ms since 1970: the message's own time is the server's. */
export const RECORDED_AT = 'Millrace-Recorded-At';

/** When the event of a message was recorded, which the server has stored at `storedAt`. */
export function recordedAtOf({ headers }: Pick<Msg, 'headers'>, storedAt: number): number {
  const told = headers?.get(RECORDED_AT) ?? '';
  return told === '' ? storedAt : Number(told);
}

/** The message's data in memory of its own: that of the message is a part of what the socket has read. */
export function entryOf(message: Msg, sequence: number, storedAt: number): StreamEntry {
  const recordedAt = recordedAtOf(message, storedAt);
  return { sequence, recordedAt, bytes: Uint8Array.from(message.data) };
}

/** Of a direct get; undefined where there is no such message. */
export function gotten(message: Msg): { subject: string; entry: StreamEntry } | undefined {
  const { headers } = message;
  if (headers === undefined || headers.code !== 0) return undefined;
  const sequence = Number(headers.get('Nats-Sequence'));
  const storedAt = Date.parse(headers.get('Nats-Time-Stamp'));
  return { subject: headers.get('Nats-Subject'), entry: entryOf(message, sequence, storedAt) };
}

/** As `recordedAtOf`, of headers as a stream keeps them: `NATS/1.0` and a line for each. */
export function recordedAtIn(headers: string, storedAt: number): number {
  const told = new RegExp(`^${RECORDED_AT}: *(\\S+)`, 'm').exec(headers)?.[1];
  return told === undefined ? storedAt : Number(told);
}
