/** Measures the gauges of a shard for statistics. Only the shard's loop touches this. */
import { type ShardControl, ShardCounter } from '../link/shard-control.js';
import type { ShardLog } from '../store/shard-log.js';
import { type ArchiveLink, noteArchive } from './archive-link.js';
import type { Desk } from './consumers/desk.js';
import { deskFigures, NO_CONSUMERS } from './consumers/figures.js';
import type { RecordingClock } from './recording-clock.js';
import type { LinkSubscription } from './routes.js';
import type { ShardEnd } from './shard-end.js';

/** How often the gauges are measured, ms; seldom, as it goes over all subscriptions. */
const GAUGE_INTERVAL_MS = 250;

/** The shard, as far as it is measured. */
export interface Measured {
  readonly links: readonly ShardEnd[];
  readonly archive: ArchiveLink | undefined;
  readonly due: { readonly waiting: number } | undefined;
  readonly desk: Desk | undefined;
  lagOf(subscription: LinkSubscription): number;
}

export class Gauges {
  readonly #shard: Measured;
  readonly #log: ShardLog;
  readonly #clock: RecordingClock;
  readonly #control: ShardControl;
  /** When they are measured next. */
  #dueAt = 0;

  constructor(shard: Measured, log: ShardLog, clock: RecordingClock, control: ShardControl) {
    this.#shard = shard;
    this.#log = log;
    this.#clock = clock;
    this.#control = control;
  }

  /** Measures, if it is time; `now` is monotonic ms. */
  step(now: number): void {
    if (now < this.#dueAt) return;
    this.#dueAt = now + GAUGE_INTERVAL_MS;
    this.#measureLinks();
    this.#measureLog();
    this.#measureConsumers();
    this.#control.counters[ShardCounter.scheduledWaiting] = this.#shard.due?.waiting ?? 0;
  }

  #measureLinks(): void {
    const { counters } = this.#control;
    let lag = 0;
    let publishFill = 0;
    let deliveryFill = 0;
    for (const link of this.#shard.links) {
      publishFill = Math.max(publishFill, link.publishFill);
      deliveryFill = Math.max(deliveryFill, link.deliveryFill);
      for (const subscription of link.subscriptions.values()) {
        lag += this.#shard.lagOf(subscription);
      }
    }
    counters[ShardCounter.lag] = lag;
    counters[ShardCounter.publishRingFill] = publishFill;
    counters[ShardCounter.deliveryRingFill] = deliveryFill;
  }

  #measureLog(): void {
    const { counters } = this.#control;
    counters[ShardCounter.walBytes] = this.#log.walBytes;
    counters[ShardCounter.unindexedEvents] = this.#log.unindexedEvents ?? 0;
    counters[ShardCounter.payloadFiles] = this.#log.payloadFiles?.count ?? 0;
    counters[ShardCounter.payloadFileBytes] = this.#log.payloadFiles?.bytes ?? 0;
    counters[ShardCounter.dedupeReachMs] = this.#log.dedupeReachMs;
    counters[ShardCounter.clockAheadMs] = this.#clock.aheadMs;
    noteArchive(this.#control, this.#shard.archive);
  }

  #measureConsumers(): void {
    const { counters } = this.#control;
    const { desk } = this.#shard;
    const consumers = desk === undefined ? NO_CONSUMERS : deskFigures(desk);
    counters[ShardCounter.consumers] = consumers.count;
    counters[ShardCounter.consumersPending] = consumers.pending;
    counters[ShardCounter.consumersInFlight] = consumers.inFlight;
    counters[ShardCounter.consumersWaiting] = consumers.waiting;
    counters[ShardCounter.consumersDead] = consumers.dead;
  }
}
