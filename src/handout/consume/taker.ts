/**
 * What passes between a member of a consumer and the one who takes its events: a run, an iterator, a pull. In this
 * process the member stands on the shards, in a client on a connection.
 */
import type { BusError } from '../../protocol/errors.js';
import type { Dispatched } from '../dispatcher.js';
import type { Hand } from './hand.js';
import type { HeldDelivery } from './held-delivery.js';

/** What takes a member's events. `flush` is called when there may be an event, or a place for one. */
export interface Taker<D extends HeldDelivery> extends Dispatched {
  /** A delivery that has begun was settled, or its lease is lost. */
  onOver(delivery: D): void;
  /** The member can go on no longer. */
  onEnded(error: BusError): void;
}

/** A member, as its taker sees it. */
export interface TakenMember<D extends HeldDelivery> {
  /** Unique in its thread. */
  readonly number: number;
  readonly consumer: { readonly name: string };
  readonly hand: Hand<D>;
  /** Begins the next event, if there is one and a place for it. */
  begin(): D | undefined;
  /** The place of an event that had begun is free. */
  release(delivery: D): void;
  /** Gives back an event that has begun or waits, at no cost of an attempt. */
  handBack(delivery: D): void;
  /** Takes no further events; those in hand go on. */
  drain(): void;
  /** Takes no further events, and hands back those that wait. */
  stop(): void;
  /** Resolves when nothing is in hand or on its way, it has left, and all it said is decided. */
  left(): Promise<void>;
}

export interface JoinOptions {
  /** How many events may have begun at once. */
  readonly concurrency: number;
  /** Whether events are leased ahead of the handlers. */
  readonly prefetch: boolean;
  readonly name?: string | undefined;
}

/** Makes the member whose events the taker takes. @throws BusError `LIMIT_EXCEEDED`, `BUS_CLOSED` */
export type Join<D extends HeldDelivery, O extends JoinOptions = JoinOptions> = (
  options: O,
  taker: Taker<D>,
) => TakenMember<D>;
