import type { BusError } from '../protocol/errors.js';
import type { ParsedFilter } from '../protocol/filter.js';

/**
 * The filter of a subscription, as its user wants it and as the server has it. Changes go to the server one at a time;
 * of several that wait, only the last is sent. Opening the subscription sends the filter that is wanted then, and
 * counts as a change.
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
  /** The filter that the server accepted last. */
  #accepted: ParsedFilter;
  #inFlight: ParsedFilter | undefined;
  #waiters: Waiter[] = [];

  /** @param send sends a change; returns false if there is no open subscription on the server to change */
  constructor(filter: ParsedFilter, send: Send) {
    this.#wanted = filter;
    this.#accepted = filter;
    this.#send = send;
  }

  /** Resolves when the server has accepted this filter or a later one. */
  want(filter: ParsedFilter): Promise<void> {
    this.#wanted = filter;
    return new Promise((resolve, reject) => {
      this.#waiters.push({ filter, resolve, reject });
      this.#sync();
    });
  }

  /** Returns the filter to open the subscription with, and takes it for sent. */
  sending(): ParsedFilter {
    this.#inFlight = this.#wanted;
    return this.#wanted;
  }

  /** The server has accepted the filter that was sent last. */
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
      // The subscription was opened again meanwhile, which sent a filter itself.
      if (this.#inFlight !== filter) return;
      if (error === undefined) this.sent();
      else this.#refused(filter, error);
    });
    if (isSent && this.#wanted === filter && this.#accepted !== filter) this.#inFlight = filter;
  }

  #refused(filter: ParsedFilter, error: BusError): void {
    this.#inFlight = undefined;
    // The filter is sent when the next connection opens the subscription.
    if (error.code === 'CONNECTION_FAILED') return;
    if (this.#wanted === filter) this.#wanted = this.#accepted;
    const at = this.#waiters.findIndex((waiter) => waiter.filter === filter);
    // The waiters before it wanted filters that it replaced and that were never sent.
    for (const waiter of this.#waiters.splice(0, at + 1)) waiter.reject(error);
    this.#sync();
  }

  /** Resolves the waiters that wanted this filter or one before it. */
  #settle(filter: ParsedFilter): void {
    this.#accepted = filter;
    const at = this.#waiters.findIndex((waiter) => waiter.filter === filter);
    for (const waiter of this.#waiters.splice(0, at + 1)) waiter.resolve();
  }
}
