/** The letters of dead events, which main publishes. Only the shard's loop touches this. */
import type { DueLetter, SentLetters, TakeLetters } from '../../../link/consumer-shapes.js';
import type { DeadCause } from '../../../protocol/consumers.js';
import type { BusError } from '../../../protocol/errors.js';
import { LETTERS_PER_CALL } from '../../../protocol/limits/consumers.js';
import { LETTER_DUE, type ShardConsumers } from '../../../store/consumer-states.js';
import type { DeskConsumer } from '../desk-consumer.js';
import type { EventFinder } from '../reading/event-finder.js';

/** The present consumers by their ids. */
export type Consumers = ReadonlyMap<string, DeskConsumer>;

/**
 * The oldest letters that are due, but for those of consumers that are left out; they stay so until `noteSent`. A letter whose
 * row is damaged is passed over, and told once.
 */
export function dueLetters(
  store: ShardConsumers,
  events: EventFinder,
  consumers: Consumers,
  { limit, except }: TakeLetters,
  onDamage: (error: BusError) => void,
): DueLetter[] {
  const leftOut = new Set(except);
  const rows = store.lettersDue(
    Math.max(1, Math.min(limit, LETTERS_PER_CALL)),
    (consumer, sequence) =>
      !leftOut.has(consumer) && consumers.get(consumer)?.dead.stateOf(sequence) === LETTER_DUE,
    onDamage,
  );
  const letters: DueLetter[] = [];
  for (const { consumer, sequence, attempts, times, cause, reason, diedAt } of rows) {
    const found = events.find(sequence, consumer);
    const record = found?.bytes.toString('base64', found.offset, found.offset + found.length);
    const death = { consumer, sequence, attempts, times, cause: cause as DeadCause };
    letters.push({ ...death, reason, diedAt, record: record ?? null });
  }
  return letters;
}

export function noteSent(consumers: Consumers, { sent, kept }: SentLetters): void {
  for (const [consumer, ...death] of sent) consumers.get(consumer)?.dead.letterSent(...death);
  for (const [consumer, ...death] of kept) consumers.get(consumer)?.dead.letterKept(...death);
}
