/**
 * One event that is leased to a member in this thread, as its handler sees it. What is said of the lease goes to a
 * shard or over a connection: that is for the classes that extend this one. Used by one thread.
 */
import { assertReason, parseAckOptions, parseNakOptions } from '../../protocol/consumer-options.js';
import type {
  AckAndPublishOptions,
  AckDurability,
  AckOptions,
  Delivery,
  NakOptions,
} from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import type { Event, EventInput, PublishAck } from '../../protocol/event.js';

/** What a member says of a lease. `ackWritten`: an ack that does not wait for the disk; `handBack`: at no cost. */
export type SettleKind = 'ack' | 'ackWritten' | 'nak' | 'handBack' | 'term' | 'working';

/** `lost`: the lease was not the present one of an open event. An error: nobody will decide it, or nobody knows. */
export type Outcome = 'done' | 'lost' | BusError;

/** Something said of a lease, until it is decided. */
export interface Said {
  outcome: Outcome | undefined;
  /** Called once, with the outcome. */
  onDecided: ((outcome: Outcome) => void) | undefined;
  /** Of `working`, once it is decided: for how long the lease holds from the time of asking, if that was told. */
  leaseMs?: number;
}

/** The part of a consumer's definition that its deliveries need. */
export interface DeliveryDefaults {
  readonly leaseMs: number;
  readonly ackDurability: AckDurability;
}

export abstract class HeldDelivery<P = unknown> implements Delivery<P> {
  abstract readonly lease: string;
  readonly attempt: number;
  /** The event goes out while nothing else is in hand. */
  readonly isAlone: boolean;
  /** When the lease runs out, by the clock of `now`. */
  deadline: number;
  /** `over`: it has left the hand of its member. */
  state: 'waiting' | 'begun' | 'over' = 'waiting';
  #isLost = false;
  #said: Said | undefined;
  #saidKind: SettleKind | undefined;
  #ack: Promise<void> | undefined;
  #working: Promise<Date> | undefined;
  /** An `ackAndPublish` that is not decided. */
  #publishing: Promise<PublishAck[]> | undefined;
  /** The lease has ended meanwhile, unless the ack was stored before. */
  #isLostMeanwhile = false;
  #abort: AbortController | undefined;

  constructor(
    { attempt, deadline, isAlone }: Pick<HeldDelivery, 'attempt' | 'deadline' | 'isAlone'>,
    readonly event: Event<P>,
  ) {
    this.attempt = attempt;
    this.deadline = deadline;
    this.isAlone = isAlone;
  }

  /** Monotonic ms. */
  protected abstract now(): number;
  protected abstract get defaults(): DeliveryDefaults;
  /** Says it, together with what others say in this turn. @param delayMs undefined: the consumer's backoff */
  protected abstract say(kind: SettleKind, delayMs: number | undefined, reason: string): Said;
  /** The error of a lease that is not held: `LEASE_LOST`. @param what the end of the sentence: what became of it */
  protected abstract lostError(what: string): BusError;
  /** Publishes the events and acknowledges this one, both or neither. */
  protected abstract sendAckAndPublish(
    inputs: readonly EventInput[],
    options: AckAndPublishOptions,
  ): Promise<PublishAck[]>;
  /** What `sendAckAndPublish` has asked for was decided; see `isSettled` and `isLost`. */
  protected abstract onPublished(): void;

  get leaseUntil(): Date {
    return new Date(Date.now() + this.deadline - this.now());
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#isLost) this.#abort.abort(this.#lost());
    }
    return this.#abort.signal;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** Its handler has said what becomes of it. */
  get isSettled(): boolean {
    return this.#said !== undefined || this.#publishing !== undefined;
  }

  /** Its ack is on its way with events, which decides also whether a lease that has ended was lost. */
  get isPublishing(): boolean {
    return this.#publishing !== undefined;
  }

  /** Calls back once no ack with events is on its way. */
  whenPublished(call: () => void): void {
    if (this.#publishing === undefined) call();
    else this.#publishing.then(call, call);
  }

  /** A call of `working` is not answered. */
  get isExtending(): boolean {
    return this.#working !== undefined;
  }

  ack(options: AckOptions = {}): Promise<void> {
    if (this.#ack !== undefined) return this.#ack;
    const publishing = this.#publishing;
    if (publishing !== undefined) return orRejected(() => quiet(publishing.then(() => {})));
    return orRejected(() => {
      const durability = parseAckOptions(options, this.defaults.ackDurability);
      const isAcked = this.#saidKind === 'ack' || this.#saidKind === 'ackWritten';
      const said = isAcked ? this.#said! : this.#settle(kindOf(durability), undefined, '');
      this.#ack = this.#decided(said);
      return this.#ack;
    });
  }

  nak(options: NakOptions = {}): Promise<void> {
    return orRejected(() => {
      const { delayMs, isCounted, reason } = parseNakOptions(options);
      return this.#decided(this.#settle(isCounted ? 'nak' : 'handBack', delayMs, reason));
    });
  }

  term(reason: string): Promise<void> {
    return orRejected(() => {
      assertReason(reason);
      return this.#decided(this.#settle('term', undefined, reason));
    });
  }

  /** While one call is not answered, further ones get its answer. */
  working(): Promise<Date> {
    if (this.#working === undefined) {
      this.#working = this.#extend();
      this.#working.catch(() => {});
    }
    return this.#working;
  }

  async #extend(): Promise<Date> {
    try {
      this.#assertHeld();
      const asked = this.now();
      const said = this.say('working', undefined, '');
      await this.#decided(said);
      // The lease is extended from the time at which this was taken, which is not earlier.
      const until = asked + (said.leaseMs ?? this.defaults.leaseMs);
      this.deadline = Math.max(this.deadline, until);
      return this.leaseUntil;
    } finally {
      this.#working = undefined;
    }
  }

  ackAndPublish(
    inputs: readonly EventInput[],
    options: AckAndPublishOptions = {},
  ): Promise<PublishAck[]> {
    return orRejected(() => {
      this.#assertHeld();
      if (Array.isArray(inputs) && inputs.length === 0) {
        const { durability } = options;
        return this.ack(durability === undefined ? {} : { durability }).then(() => []);
      }
      // Losing a lease must not end the process; see `#decided`.
      this.#publishing = quiet(this.#publish(inputs, options));
      return this.#publishing;
    });
  }

  /** Settles it for its handler, who waits for no answer. An ack that is on its way with events comes first. */
  settle(kind: SettleKind, delayMs?: number, reason = ''): void {
    if (this.#publishing !== undefined) {
      const isAck = kind === 'ack' || kind === 'ackWritten';
      // The handler has taken it for done without waiting, and it is not.
      this.#publishing.catch(() => this.settle(isAck ? 'nak' : kind, delayMs, reason));
      return;
    }
    if (!this.isSettled && !this.#isLost) this.#settle(kind, delayMs, reason);
  }

  /** Acknowledges it for its handler. */
  finish(): void {
    this.settle(kindOf(this.defaults.ackDurability));
  }

  /** The lease has ended. */
  lose(): void {
    if (this.#publishing !== undefined) {
      this.#isLostMeanwhile = true;
      return;
    }
    this.#isLost = true;
    this.#abort?.abort(this.#lost());
  }

  #settle(kind: SettleKind, delayMs: number | undefined, reason: string): Said {
    this.#assertHeld();
    const said = this.say(kind, delayMs, reason);
    this.#said = said;
    this.#saidKind = kind;
    return said;
  }

  #assertHeld(): void {
    if (this.#isLost || this.isSettled) throw this.#lost();
  }

  async #publish(
    inputs: readonly EventInput[],
    options: AckAndPublishOptions,
  ): Promise<PublishAck[]> {
    let lost = false;
    // The caller notes first that this is under way.
    await undefined;
    try {
      const acks = await this.sendAckAndPublish(inputs, options);
      this.#said = { outcome: 'done', onDecided: undefined };
      this.#saidKind = 'ack';
      return acks;
    } catch (error) {
      lost = error instanceof BusError && error.code === 'LEASE_LOST';
      throw error;
    } finally {
      this.#publishing = undefined;
      if (this.#said === undefined && (lost || this.#isLostMeanwhile)) this.lose();
      this.onPublished();
    }
  }

  /** A rejection that nobody handles is not reported as unhandled: losing a lease must not end the process. */
  #decided(said: Said): Promise<void> {
    const decided = new Promise<void>((resolve, reject) => {
      const decide = (outcome: Outcome): void => {
        if (outcome === 'done') resolve();
        else reject(outcome === 'lost' ? this.#lost() : outcome);
      };
      if (said.outcome === undefined) said.onDecided = decide;
      else decide(said.outcome);
    });
    decided.catch(() => {});
    return decided;
  }

  #lost(): BusError {
    return this.lostError(this.isSettled ? 'was settled' : 'has ended');
  }
}

/** To be called once, with what became of it. */
export function decide(said: Said, outcome: Outcome): void {
  said.outcome = outcome;
  said.onDecided?.(outcome);
}

/** Its rejection counts as handled. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

function kindOf(durability: AckDurability): SettleKind {
  return durability === 'synced' ? 'ack' : 'ackWritten';
}

/** A call that throws rejects; see `#decided`. */
function orRejected<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call();
  } catch (error) {
    const rejected = Promise.reject(error as Error);
    if (error instanceof BusError && error.code === 'LEASE_LOST') rejected.catch(() => {});
    return rejected;
  }
}
