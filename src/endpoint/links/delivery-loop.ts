/**
 * When an endpoint looks at its rings. It lives on an event loop: a shard that has something for it rings its
 * doorbell, a message, unless the endpoint is awake already. It takes what all shards have sent, in turns that leave
 * timers and sockets their time, and parks when nothing is left.
 */
import { DELIVERIES_PER_TURN, DELIVERY_TURN_MS } from '../../protocol/limits.js';
import { Doorbell } from '../../ring/wait.js';

/** A delivery ring, as the loop sees it. */
export interface DeliverySource {
  /** Nothing is there to be read. */
  readonly isIdle: boolean;
  /** Takes up to `limit` records and returns how many. */
  drain(limit: number): number;
}

/** Looks at the rings this often even if nobody rang, ms: a shard that died may have owed a wake-up. */
const WATCH_INTERVAL_MS = 1000;

export class DeliveryLoop {
  readonly #doorbell: Doorbell;
  readonly #sources: readonly DeliverySource[];
  readonly #onDeliveries: () => void;
  readonly #watch: NodeJS.Timeout;
  #isRunning = false;
  #isScheduled = false;
  #isStopped = false;

  /** `onDeliveries` is called whenever all rings were looked at, and their memory given back; once stopped, in each further turn. */
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

  /** Looks at the rings now; where the next turn is due anyway, it is not had twice before timers and sockets have theirs. */
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

  /** There is more; but timers and sockets have waited long enough. */
  again(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      // A subscription that is drained while its bus closes still hands out what has arrived.
      if (this.#isStopped) this.#onDeliveries();
      else this.#turn();
    });
  }

  /**
   * By time as well as by count: a shard that answers what a handler publishes has a little to give at every look, and
   * could go on for ever.
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

  /** False if something came while the doorbell was being hung up. */
  #park(): boolean {
    this.#doorbell.park();
    if (this.#sources.every((source) => source.isIdle)) return true;
    this.#doorbell.unpark();
    return false;
  }
}
