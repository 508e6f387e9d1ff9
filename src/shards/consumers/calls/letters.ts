/** The letters of dead events, which main publishes. Only the shard's loop touches this. */
import type { DueLetter, SentLetters } from '../../../link/consumer-shapes.js';
import type { DeadCause } from '../../../protocol/consumers.js';
import { LETTERS_PER_CALL } from '../../../protocol/limits/consumers.js';
import type { ShardConsumers } from '../../../store/consumer-states.js';
import type { DeskConsumer } from '../desk-consumer.js';
import type { EventFinder } from '../reading/event-finder.js';

/** The present consumers by their ids. */
export type Consumers = ReadonlyMap<string, DeskConsumer>;

/** The oldest letters that are due; they stay so until `noteSent`. */
export function dueLetters(
  store: ShardConsumers,
  events: EventFinder,
  consumers: Consumers,
  limit: number,
): DueLetter[] {
  const rows = store.lettersDue(Math.max(1, Math.min(limit, LETTERS_PER_CALL)));
  const letters: DueLetter[] = [];
  for (const { consumer, sequence, attempts, times, cause, reason, diedAt } of rows) {
    if (consumers.get(consumer)?.dead.isDead(sequence) !== true) continue;
    const found = events.find(sequence, consumer);
    const record = found?.bytes.toString('base64', found.offset, found.offset + found.length);
    const death = { consumer, sequence, attempts, times, cause: cause as DeadCause };
    letters.push({ ...death, reason, diedAt, record: record ?? null });
  }
  return letters;
}

export function noteSent(consumers: Consumers, { sent, kept }: SentLetters): void {
  for (const [consumer, sequence] of sent) consumers.get(consumer)?.dead.letterSent(sequence);
  for (const [consumer, sequence] of kept) consumers.get(consumer)?.dead.letterKept(sequence);
}
