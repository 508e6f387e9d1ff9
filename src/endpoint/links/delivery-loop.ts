/**
 * The loop in which an endpoint reads its rings. The endpoint lives on an event loop: a shard with deliveries wakes it
 * by a message, the doorbell, unless it is awake. It reads all shards' rings in turns that leave time for timers and
 * sockets, and parks when nothing is left.
 */
import { DELIVERIES_PER_TURN, DELIVERY_TURN_MS } from '../../protocol/limits/endpoint.js';
import { Doorbell } from '../../ring/wait.js';

/** A delivery ring, as the loop sees it. */
export interface DeliverySource {
  /** True if there is nothing to read. */
  readonly isIdle: boolean;
  /** Takes up to `limit` records and returns how many. */
  drain(limit: number): number;
}

/** How often the rings are read even without a wake-up, ms: a shard that died may have owed one. */
const WATCH_INTERVAL_MS = 1000;

export class DeliveryLoop {
  readonly #doorbell: Doorbell;
  readonly #sources: readonly DeliverySource[];
  readonly #onDeliveries: () => void;
  readonly #watch: NodeJS.Timeout;
  #isRunning = false;
  #isScheduled = false;
  #isStopped = false;

  /**
   * `onDeliveries` is called each time that all rings were read and their memory given back; after `stop`, in each
   * turn.
   */
  constructor(
    doorbell: SharedArrayBuffer,
    sources: readonly DeliverySource[],
    onDeliveries: () => void,
  ) {
    this.#doorbell = new Doorbell(new Int32Array(doorbell), 0);
    this.#sources = sources;
    this.#onDeliveries = onDeliveries;
    this.#watch = setInterval(() => this.run(), WATCH_INTERVAL_MS);
    this.#watch.unref();
    this.#park();
  }

  /** Reads the rings now, unless a turn is scheduled: timers and sockets come before that one. */
  run(): void {
    if (!this.#isScheduled) this.#turn();
  }

  #turn(): void {
    if (this.#isRunning || this.#isStopped) return;
    this.#isRunning = true;
    try {
      this.#doorbell.unpark();
      this.#drain();
    } finally {
      this.#isRunning = false;
    }
  }

  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#watch);
  }

  /** Schedules another turn after the timers and sockets that wait. */
  again(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      // A subscription that drains while its bus closes still hands out its queued events.
      if (this.#isStopped) this.#onDeliveries();
      else this.#turn();
    });
  }

  /**
   * Reads until nothing is left or the turn is over. A turn is bounded by time as well as by count: a shard that
   * answers what a handler publishes has a little in its ring each time, so the turn might never end.
   */
  #drain(): void {
    const until = performance.now() + DELIVERY_TURN_MS;
    for (;;) {
      let read = 0;
      for (const source of this.#sources) read += source.drain(DELIVERIES_PER_TURN);
      this.#onDeliveries();
      if (this.#isStopped) return;
      if (read >= DELIVERIES_PER_TURN || (read > 0 && performance.now() >= until)) this.again();
      if (this.#isScheduled) return;
      if (read === 0 && this.#park()) return;
    }
  }

  /** Parks the endpoint; false if something has come meanwhile, which no doorbell would announce. */
  #park(): boolean {
    this.#doorbell.park();
    if (this.#sources.every((source) => source.isIdle)) return true;
    this.#doorbell.unpark();
    return false;
  }
}
