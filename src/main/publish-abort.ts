/**
 * Publishes that are given up through an `AbortSignal`. What only waited is taken back; what was handed to its shard is
 * being stored, and its outcome is unknown to whoever gave up.
 */
import { BusError } from '../protocol/errors.js';
import { watchSignal } from '../protocol/watch-signal.js';
import type { ManyPublish, SinglePublish } from './pending-publish.js';
import type { Waiter } from './waiting-rooms.js';

export function watchAbort(
  signal: AbortSignal,
  pending: SinglePublish,
  waiter: Waiter | undefined,
): void {
  const onAbort = (): void => {
    if (waiter === undefined || waiter.isHanded) {
      pending.fail(unknownOutcome(pending, signal));
      return;
    }
    waiter.isAbandoned = true;
    pending.fail(aborted(signal));
  };
  pending.onSettled = watchSignal(signal, onAbort);
}

/** What only waited is taken back; what was handed over is being stored, so the outcome is unknown. */
export function watchAbortOfMany(
  signal: AbortSignal,
  many: ManyPublish,
  waiters: readonly Waiter[],
): void {
  const onAbort = (): void => {
    const waiting = waiters.filter(({ isHanded }) => !isHanded);
    for (const waiter of waiting) waiter.isAbandoned = true;
    const total = many.ids.length;
    if (waiting.length === total) {
      many.reject(aborted(signal));
      return;
    }
    const handed = total - waiting.length;
    many.reject(
      new BusError(
        'PUBLISH_UNKNOWN',
        `aborted after ${handed} of ${total} events were handed to their shards: those are being stored`,
        { details: { handed, events: total }, cause: signal.reason },
      ),
    );
  };
  many.onSettled = watchSignal(signal, onAbort);
}

export function aborted(signal: AbortSignal): BusError {
  return new BusError('ABORTED', 'aborted before the event was handed to its shard', {
    cause: signal.reason,
  });
}

function unknownOutcome({ id, topic }: SinglePublish, signal: AbortSignal): BusError {
  return new BusError(
    'PUBLISH_UNKNOWN',
    `aborted after event ${id} on ${topic} was handed to its shard: it is being stored`,
    { details: { id, topic }, cause: signal.reason },
  );
}
