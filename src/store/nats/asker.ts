/**
 * Many questions at once on one connection, with an inbox of its own: a request of the client costs a promise, a timer
 * and a subject each.
 */
import { setTimeout as afterMs } from 'node:timers/promises';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { elapsedMs } from '../../threads/elapsed.js';
import { closedError } from './nats-faults.js';
import type { NatsLink } from './nats-link.js';

/** So many questions are on their way at once: each answer may be as large as an event. */
const AT_ONCE = 64;

/** What questions need of the connection. */
export interface AskingLink
  extends Pick<NatsLink, 'up' | 'newInbox' | 'generation' | 'isUp' | 'isClosed'> {
  readonly connection: Pick<NatsConnection, 'publish' | 'subscribe'>;
}

/**
 * Asks each question once, for as long as answers come. The answers are in the order of the questions; `undefined` is in the place of
 * one that is lost, and where nobody responds.
 * @param answerMs for how long nobody may answer
 */
export async function askEach(
  link: AskingLink,
  subject: string,
  questions: readonly string[],
  answerMs: number,
): Promise<(Msg | undefined)[]> {
  await link.up();
  const answers = new Array<Msg | undefined>(questions.length).fill(undefined);
  const { generation } = link;
  const inbox = link.newInbox();
  let sent = 0;
  let waiting = 0;
  let heardAt = elapsedMs();
  let wake: (() => void) | undefined;
  const sendMore = (): void => {
    for (; sent < questions.length && waiting < AT_ONCE && link.isUp; sent++, waiting++) {
      link.connection.publish(subject, questions[sent], { reply: `${inbox}.${sent}` });
    }
  };
  const subscription = link.connection.subscribe(`${inbox}.*`, {
    callback: (error, message) => {
      if (error !== null) return;
      waiting--;
      heardAt = elapsedMs();
      const isLost = message.headers?.code === 503;
      if (!isLost) answers[Number(message.subject.slice(inbox.length + 1))] = message;
      sendMore();
      if (waiting === 0) wake?.();
    },
  });
  try {
    sendMore();
    while (waiting > 0 && link.isUp && link.generation === generation) {
      if (link.isClosed) throw closedError();
      if (elapsedMs() - heardAt >= answerMs) break;
      const timer = new AbortController();
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const late = afterMs(answerMs, undefined, { signal: timer.signal });
      await Promise.race([woken, late.catch(() => {})]);
      timer.abort();
    }
    return answers;
  } finally {
    subscription.unsubscribe();
  }
}
