import { afterOthers } from '../../handout/after-others.js';
import {
  decide,
  type Outcome,
  type Said,
  type SettleKind,
} from '../../handout/consume/held-delivery.js';
import type { WireOutcome, WireSettlement } from '../../protocol/consumer-frames.js';
import { BusError } from '../../protocol/errors.js';
import { SETTLEMENTS_OUT_MAX, SETTLEMENTS_PER_RECORD } from '../../protocol/limits/consumers.js';
import type { ServerPayloads } from '../../protocol/wire.js';
import { retryAfterMs, spreadMs } from '../backoff.js';
import type { Requests } from '../requests.js';
import { invalid, knownCode } from '../server-frame.js';
import type { RemoteDelivery } from './remote-delivery.js';

/**
 * What the members of one client say of their leases. Those of one turn go out in one frame. A lease belongs to its
 * connection, so nothing is said again over the next one: what was sent and not answered is unknown for ever.
 */

export interface SettlerHost {
  readonly requests: Requests;
  isConnected(): boolean;
  /** Ends the connection: the server has answered nonsense. */
  cut(error: BusError): void;
  /** Some are decided. */
  onDecided(): void;
}

export interface RemoteSaid extends Said {
  readonly delivery: RemoteDelivery;
  readonly kind: SettleKind;
  readonly delayMs: number | undefined;
  readonly reason: string;
  /** The lease outlives the connection. */
  readonly isDetached: boolean;
  /** Called when it is decided. */
  readonly onOver: () => void;
}

/** The wait before another try, if the server has named none. */
const RETRY_MS = 100;

export class Settler {
  readonly #host: SettlerHost;
  #unsent: RemoteSaid[] = [];
  readonly #unanswered = new Set<RemoteSaid>();
  #isScheduled = false;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #failure: BusError | undefined;

  constructor(host: SettlerHost) {
    this.#host = host;
  }

  /** How many are not decided. */
  get out(): number {
    return this.#unsent.length + this.#unanswered.size;
  }

  /** All that are not decided. */
  all(): RemoteSaid[] {
    return [...this.#unanswered, ...this.#unsent];
  }

  /** True if no member may begin another event: so many are not decided. */
  get isFull(): boolean {
    return this.out >= SETTLEMENTS_OUT_MAX;
  }

  /** Takes one, to go out with others of this turn, or at once if a frame is full. */
  add(said: RemoteSaid): void {
    if (this.#failure !== undefined) {
      over(said, this.#failure);
      return;
    }
    this.#unsent.push(said);
    if (this.#retryTimer !== undefined) return;
    if (this.#unsent.length >= SETTLEMENTS_PER_RECORD) this.flush();
    else this.#schedule();
  }

  /** Sends what is not sent, in frames of bounded length. What outlives the connection waits for the next one. */
  flush(): void {
    if (!this.#host.isConnected()) return;
    while (this.#unsent.length > 0) this.#send(this.#unsent.splice(0, SETTLEMENTS_PER_RECORD));
  }

  /** The connection is gone, and with it the leases of members: none of them can be settled any more. */
  lost(): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    const unsent = this.#unsent;
    this.#unsent = unsent.filter(({ isDetached }) => isDetached);
    for (const said of unsent) if (!said.isDetached) over(said, 'lost');
    // Those that were sent are rejected by the requests that carry them.
    this.#host.onDecided();
  }

  /** No connection comes any more. */
  fail(error: BusError): void {
    this.#failure = error;
    clearTimeout(this.#retryTimer);
    const all = this.all();
    this.#unsent = [];
    this.#unanswered.clear();
    for (const said of all) over(said, error);
    this.#host.onDecided();
  }

  /** A client that had given up connects again. */
  revive(): void {
    this.#failure = undefined;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // Behind the other handlers of this turn, whose settlements share the frame.
    afterOthers(() => {
      this.#isScheduled = false;
      if (this.#retryTimer === undefined) this.flush();
    });
  }

  #send(batch: readonly RemoteSaid[]): void {
    for (const said of batch) this.#unanswered.add(said);
    this.#host.requests.askOnce(
      'settle',
      JSON.stringify({ settlements: batch.map(wireOf) }),
      (answer) => this.#onAnswer(batch, answer),
      (error) => this.#onRefused(batch, error),
    );
  }

  #onAnswer(batch: readonly RemoteSaid[], { results }: ServerPayloads['settled']): void {
    if (results.length !== batch.length) {
      this.#host.cut(invalid(`settled: ${results.length} results for ${batch.length} settlements`));
    }
    for (const [at, said] of batch.entries()) {
      const result = results[at];
      this.#decide(said, result === undefined ? unanswered() : outcomeOf(said, result));
    }
    this.#host.onDecided();
  }

  #onRefused(batch: readonly RemoteSaid[], error: BusError): void {
    if (error.code === 'RATE_LIMITED' || error.code === 'BACKPRESSURE') {
      for (const said of batch) this.#unanswered.delete(said);
      this.#unsent.unshift(...batch);
      const ms = spreadMs(retryAfterMs(error) || RETRY_MS, Math.random());
      this.#retryTimer ??= setTimeout(() => {
        this.#retryTimer = undefined;
        this.flush();
      }, ms);
      return;
    }
    const outcome = error.code === 'CONNECTION_FAILED' ? unanswered() : error;
    for (const said of batch) this.#decide(said, outcome);
    this.#host.onDecided();
  }

  #decide(said: RemoteSaid, outcome: Outcome): void {
    if (this.#unanswered.delete(said)) over(said, outcome);
  }
}

function over(said: RemoteSaid, outcome: Outcome): void {
  decide(said, outcome);
  said.onOver();
}

function wireOf({ delivery, kind, delayMs, reason }: RemoteSaid): WireSettlement {
  const { lease } = delivery;
  if (kind === 'ack' || kind === 'ackWritten') {
    return { lease, kind: 'ack', durability: kind === 'ack' ? 'synced' : 'written' };
  }
  return {
    lease,
    kind,
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(reason === '' ? {} : { reason }),
  };
}

function outcomeOf(said: RemoteSaid, result: WireOutcome): Outcome {
  if (result.code === undefined) {
    if (result.leaseMs !== undefined) said.leaseMs = result.leaseMs;
    return 'done';
  }
  if (result.code === 'LEASE_LOST') return 'lost';
  return BusError.from({ ...result, code: knownCode(result.code) });
}

function unanswered(): BusError {
  const message =
    'the connection was lost before the answer came: it is done, or the event comes again';
  return new BusError('CONNECTION_FAILED', message);
}
