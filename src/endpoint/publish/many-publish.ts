/**
 * A `publishMany`: events that go to several shards, each handed over at once, or after a wait, or not at all. It
 * settles when every event has an outcome, and reports the outcome of each.
 */
import { ACK_REFUSED } from '../../link/link-records.js';
import { BusError } from '../../protocol/errors.js';
import type { PublishAck } from '../../protocol/event.js';
import type { PendingPublish } from '../links/endpoint-end.js';
import { ackOf } from './pending-publish.js';
import type { PublishMoment } from './publish-moment.js';

export class ManyPublish {
  onSettled: (() => void) | undefined;
  isSettled = false;
  readonly #outcomes: (PublishAck | BusError | undefined)[];
  #left: number;
  #hasFailed = false;

  constructor(
    readonly ids: readonly string[],
    readonly topics: readonly string[],
    readonly moment: PublishMoment,
    readonly resolve: (acks: PublishAck[]) => void,
    readonly reject: (error: BusError) => void,
  ) {
    this.#left = ids.length;
    this.#outcomes = new Array(ids.length);
  }

  settle(
    index: number,
    shard: number,
    kind: number,
    sequence: number,
    error: BusError | undefined,
  ): void {
    if (kind === ACK_REFUSED) {
      this.fail(index, error!);
      return;
    }
    const id = this.ids[index]!;
    const topic = this.topics[index]!;
    this.#conclude(index, ackOf(id, topic, shard, kind, sequence, this.moment));
  }

  fail(index: number, error: BusError): void {
    this.#conclude(index, error);
  }

  /** Settles the events that have no outcome yet with the error. */
  giveUp(error: BusError): void {
    for (let index = 0; index < this.#outcomes.length; index++) this.fail(index, error);
  }

  /** Notes an event's outcome. The first one stands: a publish that was given up may still be acknowledged. */
  #conclude(index: number, outcome: PublishAck | BusError): void {
    if (this.#outcomes[index] !== undefined) return;
    this.#outcomes[index] = outcome;
    if (outcome instanceof BusError) this.#hasFailed = true;
    if (--this.#left > 0) return;
    this.isSettled = true;
    this.onSettled?.();
    if (this.#hasFailed) this.reject(failureOf(this.#outcomes as (PublishAck | BusError)[]));
    else this.resolve(this.#outcomes as PublishAck[]);
  }
}

/**
 * The error of a `publishMany`: that of the first event whose outcome is unknown, else the first refusal, with the
 * outcomes of the others in its details. An event that is in neither `stored` nor `unknown` is not stored.
 */
function failureOf(outcomes: readonly (PublishAck | BusError)[]): BusError {
  const acks: PublishAck[] = [];
  const stored: number[] = [];
  const unknown: number[] = [];
  let refused = -1;
  for (const [index, outcome] of outcomes.entries()) {
    if (!(outcome instanceof BusError)) {
      acks.push(outcome);
      stored.push(index);
    } else if (outcome.code === 'PUBLISH_UNKNOWN') unknown.push(index);
    else if (refused < 0) refused = index;
  }
  const index = unknown[0] ?? refused;
  const cause = outcomes[index] as BusError;
  const failed = outcomes.length - acks.length;
  const details = { ...cause.details, index, failed, acks, stored };
  return new BusError(cause.code, `${failed} of ${outcomes.length} events: ${cause.message}`, {
    details: unknown.length === 0 ? details : { ...details, unknown },
    cause,
  });
}

/** The events of a `publishMany` that one shard was handed, in the order of its ring. */
export class ManyPublishPart implements PendingPublish {
  readonly #many: ManyPublish;
  readonly #indexes: number[] = [];
  #next = 0;

  constructor(many: ManyPublish) {
    this.#many = many;
  }

  /** Notes that the event is in the ring, with this part as its pending publish. */
  handed(index: number): void {
    this.#indexes.push(index);
  }

  settle(shard: number, kind: number, sequence: number, error: BusError | undefined): void {
    this.#many.settle(this.#indexes[this.#next++]!, shard, kind, sequence, error);
  }

  fail(error: BusError): void {
    this.#many.fail(this.#indexes[this.#next++]!, error);
  }
}

/** An event of a `publishMany` that waits for room: it may be refused before the others are acknowledged. */
export class ManyPublishWaiting implements PendingPublish {
  constructor(
    readonly many: ManyPublish,
    readonly index: number,
  ) {}

  settle(shard: number, kind: number, sequence: number, error: BusError | undefined): void {
    this.many.settle(this.index, shard, kind, sequence, error);
  }

  fail(error: BusError): void {
    this.many.fail(this.index, error);
  }
}
