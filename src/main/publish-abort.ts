/**
 * Publishes that are given up through an `AbortSignal`. What only waited is taken back; what was handed to its shard is
 * being stored, and its outcome is unknown to whoever gave up.
 */
import { BusError } from '../protocol/errors.js';
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
  pending.onSettled = watch(signal, onAbort);
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
  many.onSettled = watch(signal, onAbort);
}

/**
 * What is to be called when a signal aborts. One listener serves all publishes that are in flight with it: Node takes
 * more than ten for a leak.
 */
const watched = new WeakMap<AbortSignal, Set<() => void>>();

/** Returns how to stop watching. */
function watch(signal: AbortSignal, onAbort: () => void): () => void {
  const calls = watched.get(signal) ?? listen(signal);
  calls.add(onAbort);
  return () => {
    calls.delete(onAbort);
    if (calls.size === 0 && watched.get(signal) === calls) unlisten(signal);
  };
}

function listen(signal: AbortSignal): Set<() => void> {
  const calls = new Set<() => void>();
  watched.set(signal, calls);
  signal.addEventListener('abort', callAll, { once: true });
  return calls;
}

function unlisten(signal: AbortSignal): void {
  watched.delete(signal);
  signal.removeEventListener('abort', callAll);
}

function callAll(this: AbortSignal): void {
  const calls = watched.get(this) ?? [];
  watched.delete(this);
  for (const call of calls) call();
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
