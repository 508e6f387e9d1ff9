/**
 * Publishes that are given up through an `AbortSignal`. A publish that only waited is taken back. One that was handed
 * to its shard is being stored, and its promise rejects with `PUBLISH_UNKNOWN`.
 */

import { watchSignal } from '../../handout/watch-signal.js';
import { BusError } from '../../protocol/errors.js';
import type { AtomicPublish } from './atomic-publish.js';
import type { ManyPublish } from './many-publish.js';
import { SinglePublish } from './pending-publish.js';
import type { Waiter } from './waiting-rooms.js';

/** Watches one publish, or a group that is handed over as one. */
export function watchAbort(
  signal: AbortSignal,
  pending: SinglePublish | AtomicPublish,
  waiter: Waiter | undefined,
): void {
  const onAbort = (): void => {
    if (waiter === undefined || waiter.isHanded) {
      const isOne = pending instanceof SinglePublish;
      pending.fail(isOne ? unknownOutcome(pending, signal) : unknownOutcomes(signal));
      return;
    }
    waiter.isAbandoned = true;
    pending.fail(aborted(signal));
  };
  pending.onSettled = watchSignal(signal, onAbort);
}

export function watchAbortOfMany(
  signal: AbortSignal,
  many: ManyPublish,
  waiters: readonly Waiter[],
): void {
  const onAbort = (): void => {
    for (const waiter of waiters) {
      if (waiter.isHanded) continue;
      waiter.isAbandoned = true;
      waiter.pending.fail(aborted(signal));
    }
    many.giveUp(unknownOutcomes(signal));
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

function unknownOutcomes(signal: AbortSignal): BusError {
  return new BusError(
    'PUBLISH_UNKNOWN',
    'aborted after they were handed to their shards: they are being stored',
    { cause: signal.reason },
  );
}
