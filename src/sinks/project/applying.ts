import type { Delivery } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import type { Event } from '../../protocol/event.js';
import { PROJECT_NAMED_MAX } from '../../protocol/limits/sinks.js';
import { isThenable, type Steps } from './drive.js';
import type { Position, Settled } from './position.js';

/** The part of a projection's transaction that applies events: each one that the position does not know yet. */

export interface Applying {
  /** The store's functions return no promises, and `apply` has to do likewise. */
  readonly isSynchronous: boolean;
  readonly apply: (event: Event, transaction: unknown) => void | Promise<void>;
}

export interface Queued {
  readonly delivery: Delivery;
  /** Lets the run acknowledge the event. */
  readonly done: () => void;
  /** Lets the run give it back. */
  readonly fail: (error: unknown) => void;
}

/** `apply` has failed, and not the store. */
export class ApplyFailure {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/** Another process has reset the projection, or is about to. */
export class WasReset {}

/** How far the projector knows the projection to be. */
export interface Stage {
  readonly generation: number;
  /** For this transaction to note. */
  readonly settled: Settled | undefined;
}

/**
 * @param applied gets the events that the transaction applies
 * @param repeated gets those whose effect is there already
 * @throws WasReset, ApplyFailure, BusError `LIMIT_EXCEEDED`
 */
export function applySteps(
  { isSynchronous, apply }: Applying,
  { generation, settled }: Stage,
  batch: readonly Queued[],
  applied: Queued[],
  repeated: Queued[],
) {
  return function* (transaction: unknown, stored: Position | undefined): Steps<Position> {
    if (stored?.generation !== generation || stored.isResetting) throw new WasReset();
    if (settled !== undefined) stored.settle(settled);
    if (stored.size + batch.length > PROJECT_NAMED_MAX) throw tooFarAhead(stored.size);
    for (const queued of batch) {
      const { event } = queued.delivery;
      const sequence = event.sequence!;
      if (stored.has(event.shard, sequence)) {
        repeated.push(queued);
        continue;
      }
      try {
        const answer = apply(event, transaction);
        if (isSynchronous && isThenable(answer)) throw isAsynchronous(answer);
        yield answer;
      } catch (error) {
        throw new ApplyFailure(error);
      }
      stored.add(event.shard, sequence);
      applied.push(queued);
    }
    return stored;
  };
}

/** Orders the events of a batch: by shard, and within one by sequence. */
export function placeOf({ delivery: { event } }: Queued): number {
  return event.shard * 2 ** 46 + event.sequence!;
}

function tooFarAhead(size: number): BusError {
  return new BusError(
    'LIMIT_EXCEEDED',
    `the projection has applied ${size} events beyond one that is not done; it waits for that one`,
    { details: { limit: PROJECT_NAMED_MAX } },
  );
}

function isAsynchronous(answer: PromiseLike<unknown>): BusError {
  answer.then(undefined, () => {});
  return new BusError(
    'OPTION_INVALID',
    'apply returned a promise; in a SQLite connection it has to be synchronous',
  );
}
