import type { Bus } from '../../src/main/bus.js';
import { gather } from '../bus/support/collector.js';
import { until, within } from '../bus/support/wait.js';

/** Segments that are full after some hundred of the events of `publish`. */
export const SMALL = { segmentBytes: 64 * 1024, segmentMs: 0 };

export const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** Publishes events with the numbers from `first` on. */
export async function publish(bus: Bus, first: number, count: number): Promise<void> {
  const inputs = upTo(count).map((n) => ({
    topic: 'log.a',
    type: 'chat_message',
    payload: { n: first + n, pad: 'x'.repeat(100) },
  }));
  await within('the acks', bus.publishMany(inputs));
}

/** The numbers of all events, from the archive and from the log. */
export const numbersOf = async (bus: Bus): Promise<number[]> =>
  (await gather(bus.read({ topic: 'log.*' }))).map(({ payload }) => (payload as { n: number }).n);

export const inLog = async (bus: Bus): Promise<number> =>
  (await bus.topics()).reduce((sum, { events }) => sum + events, 0);

/** Waits until retention has removed all but the newest events, with a rule of 50. */
export const pruned = (bus: Bus): Promise<void> =>
  until('retention has removed', async () => (await inLog(bus)) <= 60, 90_000);
