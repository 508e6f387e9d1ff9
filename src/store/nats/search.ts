/** Finds out what has become of events that were sent, without naming their ids to the servers. */
import { setTimeout as afterMs } from 'node:timers/promises';
import { NATS_FIRST_ANSWER_MS, NATS_RETRY_MS } from '../../protocol/limits/nats.js';
import { identityOf } from '../../record/event-identity.js';
import { EventRecordView } from '../../record/event-record.js';
import { EXPECTED_OF_STREAM, IMPOSSIBLE } from './flight.js';
import { isUnexpected, type PubAck } from './nats-faults.js';
import type { NatsLink } from './nats-link.js';
import type { StreamReader } from './reader.js';

const view = new EventRecordView();

/**
 * The sequences of the events behind `after`, by identity, once all that was sent before is stored or lost. Asks for as long
 * as it takes.
 */
export async function storedBehind(
  link: NatsLink,
  reader: Pick<StreamReader, 'read'>,
  subject: string,
  after: number,
): Promise<ReadonlyMap<string, number>> {
  const head = await settledHead(link, subject);
  const found = new Map<string, number>();
  for (let at = Math.max(0, after); at < head; ) {
    const entries = await reader.read(at, head);
    for (const { bytes, sequence } of entries) {
      view.wrap(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 0);
      found.set(identityOf(view), sequence);
    }
    at = entries.at(-1)?.sequence ?? head;
  }
  return found;
}

/**
 * The last sequence of the stream, behind all that was sent before on this connection: the leader judges a message that expects what
 * cannot be when it has applied what came before it, and refuses it.
 */
async function settledHead(link: NatsLink, subject: string): Promise<number> {
  for (;;) {
    await link.up();
    const headers = link.headers();
    headers.set(EXPECTED_OF_STREAM, IMPOSSIBLE);
    const options = { headers, timeout: NATS_FIRST_ANSWER_MS };
    const answer = await link.connection
      .request(subject, undefined, options)
      .then((message) => message.json<PubAck>())
      .catch(() => undefined);
    const named = /\d+$/.exec(answer?.error?.description ?? '')?.[0];
    if (answer?.error !== undefined && isUnexpected(answer.error) && named !== undefined) {
      return Number(named);
    }
    await afterMs(NATS_RETRY_MS);
  }
}
