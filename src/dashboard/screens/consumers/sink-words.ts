import type { ConsumerInfo, SinkFigures } from 'millrace/client';
import { counted, duration } from '../../text/format.js';
import type { Trouble } from './consumer-words.js';

/** What the page says of a sink, in words. Pure. */

/** A single attempt that fails and is made again is usual; one that waits for longer is told. */
const WAITING_MS = 5000;
/** A sink that has something to do and has finished nothing for this time stands still. */
const STILL_MS = 60_000;

/** What is wrong with a sink; `undefined`: nothing. `consumer`: that of the sink, where it is known. */
export function sinkTrouble(
  sink: SinkFigures,
  now: number,
  consumer?: ConsumerInfo,
): Trouble | undefined {
  const { state, since, retryAt } = sink;
  const lasted = since === undefined ? '' : ` for ${duration(age(since, now))}`;
  if (state === 'failed') {
    const text = `It has ended with an error and is not started again: ${reason(sink)}${rest(sink)}`;
    return { kind: 'bad', text };
  }
  if (state === 'waiting' && retryAt !== undefined) {
    const next = Math.max(0, Date.parse(retryAt) - now);
    const again = next < 1000 ? 'now' : `in ${duration(next)}`;
    const text = `It has ended with an error, and starts again ${again}: ${reason(sink)}${rest(sink)}`;
    return { kind: 'bad', text };
  }
  if (state === 'waiting') {
    if (since !== undefined && age(since, now) < WAITING_MS) return undefined;
    const text = `It has failed${lasted}, and tries again by itself: ${reason(sink)}${rest(sink)}`;
    return { kind: 'warning', text };
  }
  return standstill(sink, now, consumer);
}

function standstill(
  { state, since, lastDoneAt, pending = 0 }: SinkFigures,
  now: number,
  consumer: ConsumerInfo | undefined,
): Trouble | undefined {
  const last = lastDoneAt ?? since;
  if (state !== 'running' || last === undefined || pending === 0) return undefined;
  // A consumer that is paused is told itself, and an event that waits for its time is not late.
  if (consumer !== undefined && (consumer.paused || pending <= consumer.waiting)) return undefined;
  // What has just come after a long rest has not waited for that long.
  const waited = consumer?.oldestAgeMs ?? Number.POSITIVE_INFINITY;
  const still = age(last, now);
  if (Math.min(still, waited) < STILL_MS) return undefined;
  const events = counted(pending, 'event');
  const are = pending === 1 ? 'is' : 'are';
  const text = `It stands still: about ${events} ${are} to be done, and it has finished none for ${duration(still)}.`;
  return { kind: 'warning', text };
}

function reason({ lastError }: SinkFigures): string {
  if (lastError === undefined) return 'it does not say why.';
  const { code, message } = lastError;
  return `${code}: ${message}${/[.!?…]$/.test(message) ? '' : '.'}`;
}

function rest({ pending = 0 }: SinkFigures): string {
  if (pending === 0) return '';
  return ` About ${counted(pending, 'event')} ${pending === 1 ? 'waits' : 'wait'}.`;
}

function age(time: string, now: number): number {
  return Math.max(0, now - Date.parse(time));
}
