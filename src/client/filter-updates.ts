import type { BusError } from '../protocol/errors.js';
import type { ParsedFilter } from '../protocol/filter.js';

/**
 * The filter of a subscription, as it is wanted and as the server has it. Changes go to the server
 * one at a time; of several that wait, the last. An opening of the subscription carries the filter
 * that is wanted then, and counts as a change.
 */
type Send = (filter: ParsedFilter, done: (error?: BusError) => void) => boolean;

interface Waiter {
  readonly filter: ParsedFilter;
  readonly resolve: () => void;
  readonly reject: (error: BusError) => void;
}

export class FilterUpdates {
  readonly #send: Send;
  #wanted: ParsedFilter;
  /** What the server has accepted. */
  #accepted: ParsedFilter;
  #inFlight: ParsedFilter | undefined;
  #waiters: Waiter[] = [];

  /** `send` says whether there was anybody to send it to. */
  constructor(filter: ParsedFilter, send: Send) {
    this.#wanted = filter;
    this.#accepted = filter;
    this.#send = send;
  }

  /** Resolves when the server has taken this filter or a later one. */
  want(filter: ParsedFilter): Promise<void> {
    this.#wanted = filter;
    return new Promise((resolve, reject) => {
      this.#waiters.push({ filter, resolve, reject });
      this.#sync();
    });
  }

  /** The filter with which the subscription is being opened. */
  sending(): ParsedFilter {
    this.#inFlight = this.#wanted;
    return this.#wanted;
  }

  /** The server has what was sent last. */
  sent(): void {
    const filter = this.#inFlight;
    this.#inFlight = undefined;
    if (filter !== undefined) this.#settle(filter);
    this.#sync();
  }

  fail(error: BusError): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  #sync(): void {
    const filter = this.#wanted;
    if (this.#inFlight !== undefined || filter === this.#accepted) return;
    const isSent = this.#send(filter, (error) => {
      // An opening has taken its place meanwhile.
      if (this.#inFlight !== filter) return;
      if (error === undefined) this.sent();
      else this.#refused(filter, error);
    });
    if (isSent && this.#wanted === filter && this.#accepted !== filter) this.#inFlight = filter;
  }

  #refused(filter: ParsedFilter, error: BusError): void {
    this.#inFlight = undefined;
    // The next connection carries it.
    if (error.code === 'CONNECTION_FAILED') return;
    if (this.#wanted === filter) this.#wanted = this.#accepted;
    const at = this.#waiters.findIndex((waiter) => waiter.filter === filter);
    // Those before it were overtaken by it and never sent.
    for (const waiter of this.#waiters.splice(0, at + 1)) waiter.reject(error);
    this.#sync();
  }

  /** Those who wanted this filter, or one before it, have what they wanted. */
  #settle(filter: ParsedFilter): void {
    this.#accepted = filter;
    const at = this.#waiters.findIndex((waiter) => waiter.filter === filter);
    for (const waiter of this.#waiters.splice(0, at + 1)) waiter.resolve();
  }
}
