import { HeldDelivery, type Said, type SettleKind } from '../../handout/consume/held-delivery.js';
import type { WireDelivery } from '../../protocol/consumer-frames.js';
import type { AckAndPublishOptions, AckDurability } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import type { Event, EventInput, PublishAck } from '../../protocol/event.js';
import { TIMER_MS_MAX } from '../../protocol/limits/units.js';
import { quote } from '../../protocol/quote.js';

/** One event that the server has leased to this client, as its handler sees it. */

/** The member, or the pull, that the event is leased to. */
export interface RemoteOwner {
  readonly consumer: {
    readonly name: string;
    readonly definition: { readonly leaseMs: number; readonly ackDurability: AckDurability };
  };
  say(
    delivery: RemoteDelivery,
    kind: SettleKind,
    delayMs: number | undefined,
    reason: string,
  ): Said;
  /** Sends it once. @throws BusError `CONNECTION_FAILED` where it may have been carried out or not */
  ackAndPublish(
    delivery: RemoteDelivery,
    inputs: readonly EventInput[],
    options: AckAndPublishOptions,
  ): Promise<PublishAck[]>;
  /** What `ackAndPublish` has asked for was decided. */
  onPublished(delivery: RemoteDelivery): void;
  /** The lease has run out by this client's clock. */
  onExpired(delivery: RemoteDelivery): void;
}

export class RemoteDelivery<P = unknown> extends HeldDelivery<P> {
  readonly lease: string;
  readonly #owner: RemoteOwner;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(owner: RemoteOwner, { lease, attempt, leaseMs, event }: WireDelivery) {
    super({ attempt, deadline: performance.now() + leaseMs, isAlone: false }, event as Event<P>);
    this.#owner = owner;
    this.lease = lease;
  }

  /**
   * The server tells of a lost lease at once, but not while the connection is silent; so this client's clock aborts the
   * signal too, from the first look at it on.
   */
  override get signal(): AbortSignal {
    if (this.#timer === undefined && !this.isLost && !this.isSettled) this.#watch();
    return super.signal;
  }

  override lose(): void {
    clearTimeout(this.#timer);
    super.lose();
  }

  protected now(): number {
    return performance.now();
  }

  protected get defaults() {
    return this.#owner.consumer.definition;
  }

  protected say(kind: SettleKind, delayMs: number | undefined, reason: string): Said {
    if (kind !== 'working') clearTimeout(this.#timer);
    return this.#owner.say(this as RemoteDelivery, kind, delayMs, reason);
  }

  protected sendAckAndPublish(
    inputs: readonly EventInput[],
    options: AckAndPublishOptions,
  ): Promise<PublishAck[]> {
    return this.#owner.ackAndPublish(this as RemoteDelivery, inputs, options);
  }

  protected onPublished(): void {
    // A timer that came meanwhile has left it to this.
    if (this.#timer !== undefined && !this.isLost && !this.isSettled) this.#watch();
    this.#owner.onPublished(this as RemoteDelivery);
  }

  override lostError(what: string): BusError {
    const { lease } = this;
    const { name } = this.#owner.consumer;
    const message = `lease ${lease} of consumer ${quote(name)} ${what}`;
    return new BusError('LEASE_LOST', message, { details: { consumer: name, lease } });
  }

  #watch(): void {
    clearTimeout(this.#timer);
    const left = Math.min(TIMER_MS_MAX, Math.max(0, this.deadline - performance.now()));
    this.#timer = setTimeout(() => this.#onTimer(), left);
    // Browsers have no `unref`. Nobody waits for the end of a lease alone.
    (this.#timer as { unref?: () => void }).unref?.();
  }

  #onTimer(): void {
    if (this.isLost || this.isSettled) return;
    // The lease may be longer by now. While `working` is not answered, it may be or not.
    if (this.deadline > performance.now()) this.#watch();
    else if (this.isExtending)
      void this.working().then(
        () => this.#onTimer(),
        () => this.#onTimer(),
      );
    else this.#owner.onExpired(this as RemoteDelivery);
  }
}

/** @param group as `groupText` returns it */
export function ackAndPublishText(lease: string, group: string): string {
  return `{"lease":${JSON.stringify(lease)},${group}}`;
}

/** The error of an `ackAndPublish`, with what is known where its answer was lost. */
export function groupError<E>(error: E): E | BusError {
  if (!(error instanceof BusError) || error.code !== 'CONNECTION_FAILED') return error;
  const message =
    'the connection was lost before the answer came: the ack and its events are stored, or neither is';
  return new BusError('CONNECTION_FAILED', message, { cause: error });
}
