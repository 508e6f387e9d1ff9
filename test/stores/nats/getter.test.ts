import {
  headers,
  type Msg,
  type Payload,
  type PublishOptions,
  type SubscriptionOptions,
} from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { MessageGetter } from '../../../src/store/nats/getter.js';

/** Three servers of which one answers no direct get, though the others go on asking it in its turn. */
class SilentReplica {
  readonly asked = { direct: 0, leader: 0 };
  readonly isUp = true;
  readonly isClosed = false;
  readonly generation = 1;
  readonly place = 'servers';
  readonly patienceMs = Number.POSITIVE_INFINITY;
  #answer: SubscriptionOptions['callback'];
  readonly connection = {
    subscribe: (_: string, { callback }: SubscriptionOptions = {}) => {
      this.#answer = callback;
      return { unsubscribe: () => {} } as never;
    },
    publish: (subject: string, question?: Payload, { reply }: PublishOptions = {}) => {
      const { seq } = JSON.parse(`${question}`) as { seq: number };
      const isDirect = subject.includes('DIRECT');
      this.asked[isDirect ? 'direct' : 'leader']++;
      if (isDirect && seq % 3 === 0) return;
      const answer = isDirect ? direct(seq) : ofLeader(seq);
      setImmediate(() => void this.#answer?.(null, { ...answer, subject: reply } as Msg));
    },
  };
  newInbox = (): string => 'inbox';
  up = async (): Promise<void> => {};
}

function direct(seq: number): Partial<Msg> {
  const told = headers();
  told.set('Nats-Sequence', `${seq}`);
  told.set('Nats-Subject', 'p.0.a');
  told.set('Nats-Time-Stamp', '2026-01-01T00:00:00Z');
  return { headers: told, data: Uint8Array.of(seq % 256) };
}

function ofLeader(seq: number): Partial<Msg> {
  const data = Buffer.of(seq % 256).toString('base64');
  const message = { subject: 'p.0.a', seq, time: '2026-01-01T00:00:00Z', data };
  return { json: <T>() => ({ message }) as T };
}

test('what a replica leaves unanswered is asked of the leader, and so is all that follows', async () => {
  const servers = new SilentReplica();
  const getter = new MessageGetter(servers, 's');
  const sequences = Array.from({ length: 30 }, (_, n) => n + 1);
  const questionsOf = (all: readonly number[]) => all.map((seq) => JSON.stringify({ seq }));
  const found = await getter.get(questionsOf(sequences));
  expect(found.map((one) => one?.entry.sequence)).toEqual(sequences);
  expect(servers.asked).toEqual({ direct: 30, leader: 10 });
  expect(await getter.get(questionsOf([3, 4]))).not.toContain(undefined);
  expect(servers.asked).toEqual({ direct: 30, leader: 12 });
});
