/** Finds out what has become of events that were sent, without naming their ids to the servers. */
import { setTimeout as afterMs } from 'node:timers/promises';
import type { Msg, RequestOptions } from '@nats-io/transport-node';
import {
  NATS_ANSWER_MS,
  NATS_FIND_MS,
  NATS_FIRST_ANSWER_MS,
  NATS_RETRY_MS,
} from '../../protocol/limits/nats.js';
import { identityOf } from '../../record/event-identity.js';
import { EventRecordView } from '../../record/event-record.js';
import { elapsedMs } from '../../threads/elapsed.js';
import { unseal } from '../shared/sealed-record.js';
import { EXPECTED_OF_STREAM, IMPOSSIBLE } from './flight.js';
import { isUnexpected, type PubAck } from './nats-faults.js';
import type { NatsLink } from './nats-link.js';
import type { StreamReader } from './reader.js';

export interface Wanted {
  /** Any subject of the stream. */
  readonly subject: string;
  readonly after: number;
  readonly identities: ReadonlySet<string>;
}

export interface Searched {
  /** The sequences of those that are stored behind `after`, by identity. */
  readonly sequences: ReadonlyMap<string, number>;
  /** No event is missing there, so that what was not found is not stored there, and was not removed. */
  readonly isWhole: boolean;
}

/** What a search needs of the connection. */
export interface SearchLink extends Pick<NatsLink, 'up' | 'headers'> {
  readonly connection: {
    request(subject: string, data: undefined, options: RequestOptions): Promise<Pick<Msg, 'json'>>;
  };
}

/**
 * Looks for events behind a sequence, once all that was sent before on this connection is stored or lost.
 * @returns `undefined` where the servers refuse for some time to say where the stream ends
 */
export async function searchStream(
  link: SearchLink,
  reader: Pick<StreamReader, 'read'>,
  wanted: Wanted,
): Promise<Searched | undefined> {
  const found = await searchOnce(link, reader, wanted);
  // A leader that has just been elected may not have applied yet what it is asked for.
  return found === undefined || found.isWhole ? found : searchOnce(link, reader, wanted);
}

const view = new EventRecordView();

async function searchOnce(
  link: SearchLink,
  reader: Pick<StreamReader, 'read'>,
  { subject, after, identities }: Wanted,
): Promise<Searched | undefined> {
  const head = await settledHead(link, subject);
  if (head === undefined) return undefined;
  const from = Math.max(0, after);
  const sequences = new Map<string, number>();
  let count = 0;
  for (let at = from; at < head; ) {
    const entries = await reader.read(at, head);
    count += entries.length;
    for (const { bytes, sequence } of entries) {
      // Somebody else may have published there.
      const record = unseal(bytes);
      if (record === undefined) continue;
      const identity = identityOf(view.wrap(record, 0));
      if (identities.has(identity)) sequences.set(identity, sequence);
    }
    at = entries.at(-1)?.sequence ?? head;
  }
  return { sequences, isWhole: count === Math.max(0, head - from) };
}

/**
 * The last sequence of the stream, behind all that was sent before: the leader judges a message that expects what cannot be when it
 * has applied what came before it, and refuses it.
 */
async function settledHead(link: SearchLink, subject: string): Promise<number | undefined> {
  let timeout = NATS_FIRST_ANSWER_MS;
  let refusedAt: number | undefined;
  for (;;) {
    await link.up();
    const headers = link.headers();
    headers.set(EXPECTED_OF_STREAM, IMPOSSIBLE);
    const answer = await link.connection
      .request(subject, undefined, { headers, timeout })
      .then((message) => message.json<PubAck>())
      .catch(() => undefined);
    const named = /\d+$/.exec(answer?.error?.description ?? '')?.[0];
    if (answer?.error !== undefined && isUnexpected(answer.error) && named !== undefined) {
      return Number(named);
    }
    if (answer === undefined) timeout = Math.min(2 * timeout, NATS_ANSWER_MS);
    else refusedAt ??= elapsedMs();
    if (refusedAt !== undefined && elapsedMs() - refusedAt > NATS_FIND_MS) return undefined;
    await afterMs(NATS_RETRY_MS);
  }
}
