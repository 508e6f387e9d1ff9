/**
 * Many questions at once on one connection, with an inbox of its own: a request of the client costs a promise, a timer
 * and a subject each.
 */
import { setTimeout as afterMs } from 'node:timers/promises';
import type { Msg } from '@nats-io/transport-node';
import { NATS_ANSWER_MS, NATS_FIRST_ANSWER_MS, NATS_RETRY_MS } from '../../protocol/limits/nats.js';
import { elapsedMs } from '../../threads/elapsed.js';
import { closedError, silentFault } from './nats-faults.js';
import type { NatsLink } from './nats-link.js';

/** So many questions are on their way at once: each answer may be as large as an event. */
const AT_ONCE = 64;

/**
 * Asks all questions, and those again whose answers are lost or say that nobody responds. The answers are in the order of
 * the questions.
 */
export async function askAll(
  link: NatsLink,
  subject: string,
  questions: readonly string[],
): Promise<Msg[]> {
  const answers = new Array<Msg>(questions.length);
  let left = [...questions.keys()];
  let heardAt = elapsedMs();
  let answerMs = NATS_FIRST_ANSWER_MS;
  while (left.length > 0) {
    await link.up();
    await askOnce(link, subject, questions, left, answers, answerMs);
    const before = left.length;
    left = left.filter((index) => answers[index] === undefined);
    answerMs = Math.min(2 * answerMs, NATS_ANSWER_MS);
    if (left.length < before) heardAt = elapsedMs();
    else if (elapsedMs() - heardAt >= link.patienceMs) {
      throw silentFault(link.place, subject, link.patienceMs);
    } else await afterMs(NATS_RETRY_MS);
  }
  return answers;
}

/** Asks each question once. What has no answer is asked no more: `undefined` is in its place. */
export async function askEach(
  link: NatsLink,
  subject: string,
  questions: readonly string[],
): Promise<(Msg | undefined)[]> {
  await link.up();
  const answers = new Array<Msg | undefined>(questions.length).fill(undefined);
  await askOnce(link, subject, questions, [...questions.keys()], answers, NATS_FIRST_ANSWER_MS);
  return answers;
}

async function askOnce(
  link: NatsLink,
  subject: string,
  questions: readonly string[],
  asked: readonly number[],
  answers: (Msg | undefined)[],
  answerMs: number,
): Promise<void> {
  const { generation } = link;
  const inbox = link.newInbox();
  let sent = 0;
  let waiting = 0;
  let heardAt = elapsedMs();
  let wake: (() => void) | undefined;
  const sendMore = (): void => {
    for (; sent < asked.length && waiting < AT_ONCE && link.isUp; sent++, waiting++) {
      const index = asked[sent]!;
      link.connection.publish(subject, questions[index], { reply: `${inbox}.${index}` });
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
      if (elapsedMs() - heardAt >= answerMs) return;
      const timer = new AbortController();
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const late = afterMs(answerMs, undefined, { signal: timer.signal });
      await Promise.race([woken, late.catch(() => {})]);
      timer.abort();
    }
  } finally {
    subscription.unsubscribe();
  }
}
