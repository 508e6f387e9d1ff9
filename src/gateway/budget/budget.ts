import { type Asker, assertIsThere } from '../../endpoint/asker.js';
import { BusError } from '../../protocol/errors.js';
import {
  CLIENT_CREDIT_BYTES,
  QUERIES_WAITING_PER_PRINCIPAL_MAX,
  WORK_ASK_MS_MAX,
  WORK_FOUND_EVENT_MS,
  WORK_FOUND_KIB_MS,
  WORK_LOOK_MS,
} from '../../protocol/limits/budgets.js';
import { PULLS_PER_PRINCIPAL_MAX } from '../../protocol/limits/consumers.js';
import { HTTP_BODIES_PER_PRINCIPAL_BYTES_MAX } from '../../protocol/limits/http.js';
import { KIB } from '../../protocol/limits/units.js';
import type { WorkShare } from '../../threads/work-shares.js';
import type { Account, BudgetLimits } from './account.js';
import type { MessageParts } from './message-parts.js';
import type { Places } from './places.js';
import type { Share } from './share.js';

/** The part of a budget that one subscription takes. */
export interface PlacedSubscription {
  /**
   * Changes the number of patterns.
   *
   * @throws BusError `LIMIT_EXCEEDED`; the number stays as it was
   */
  update(patterns: number): void;
  /** The asker of the subscription, with its credit in each of `shards`. To be called once. */
  asker(shards: number, client?: Asker['client']): Asker;
  /** Gives the subscription, its patterns and its credit back. Idempotent. */
  leave(): void;
}

export class Budget {
  /** Bytes of history that was read for the client, and of output that waits for it. */
  readonly bytes: Share;
  readonly #limits: BudgetLimits;
  readonly #account: Account;
  readonly #queries: Share;
  readonly #asks: Share;
  readonly #onClose: () => void;
  #subscriptions = 0;
  #patterns = 0;
  /** The credit in bytes of its subscriptions, in all shards. */
  #credit = 0;
  #isClosed = false;

  constructor(limits: BudgetLimits, account: Account, onClose: () => void) {
    this.#limits = limits;
    this.#account = account;
    this.#onClose = onClose;
    this.bytes = account.bytes.part(limits.maxHeldBytes);
    this.#queries = account.queries.part(limits.maxQueries);
    this.#asks = account.asks.part(1);
  }

  /**
   * Whether the principal, or the gateway, holds all the bytes that it may: each client's output is then bounded
   * tighter.
   */
  get isPressed(): boolean {
    return this.#account.bytes.isFull;
  }

  /** Gives all back when the client is gone. Askers report `isGone` from then on. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#count(-this.#subscriptions, -this.#patterns, -this.#credit);
    this.#isClosed = true;
    this.bytes.dispose();
    this.#queries.dispose();
    this.#asks.dispose();
    this.#onClose();
  }

  /** The principal's room for request bodies that are arriving. `take` throws BusError `LIMIT_EXCEEDED`. */
  get bodies(): { take(bytes: number): void; giveBack(bytes: number): void } {
    const account = this.#account;
    const limit = HTTP_BODIES_PER_PRINCIPAL_BYTES_MAX;
    return {
      take: (bytes) => {
        if (account.bodyBytes + bytes > limit) {
          const message = `the requests of this principal hold the ${limit} bytes that they may`;
          throw refusal(message, { limit, limitOf: 'principal' });
        }
        account.bodyBytes += bytes;
      },
      giveBack: (bytes) => {
        account.bodyBytes -= bytes;
      },
    };
  }

  /** The principal's part of the thread's time. */
  get work(): WorkShare {
    return this.#account.work;
  }

  /** The principal's messages that have come in part. */
  get parts(): MessageParts {
    return this.#account.parts;
  }

  /** What the principal has of the things of which the bus has few. */
  get places(): Places {
    return this.#account.places;
  }

  /** For calls that are no query. They are made even if the client goes away meanwhile. */
  get turns(): Pick<Asker, 'askInTurn' | 'found'> {
    return {
      askInTurn: (ask) => this.#askInTurn(ask),
      found: (events, bytes) => this.#found(events, bytes),
    };
  }

  /**
   * Runs a query or a list in its turn.
   *
   * @throws BusError `LIMIT_EXCEEDED` where too many queries of the principal wait or run already
   */
  async query<T>(run: (asker: Asker) => Promise<T>): Promise<T> {
    const account = this.#account;
    const limit = this.#limits.maxQueriesPerPrincipal + QUERIES_WAITING_PER_PRINCIPAL_MAX;
    if (account.asked >= limit) {
      const message = `${account.asked} queries of this principal wait, which is the limit`;
      throw new BusError('LIMIT_EXCEEDED', message, { details: { limit, limitOf: 'principal' } });
    }
    account.asked++;
    try {
      return await this.#queries.run(1, () => run(this.#asker(CLIENT_CREDIT_BYTES)));
    } finally {
      account.asked--;
    }
  }

  /**
   * Runs a pull of a consumer, which may wait for long.
   *
   * @throws BusError `LIMIT_EXCEEDED` where too many pulls of the principal wait already
   */
  async pull<T>(run: () => Promise<T>): Promise<T> {
    const account = this.#account;
    const limit = PULLS_PER_PRINCIPAL_MAX;
    if (account.pulls >= limit) {
      const message = `${limit} pulls of this principal wait, which is the limit`;
      throw refusal(message, { limit, limitOf: 'principal' });
    }
    account.pulls++;
    try {
      return await run();
    } finally {
      account.pulls--;
    }
  }

  /**
   * Counts a subscription with so many patterns.
   *
   * @throws BusError `LIMIT_EXCEEDED`
   */
  subscribe(patterns: number): PlacedSubscription {
    this.#checkSubscriptions();
    this.#checkPatterns(patterns, 0);
    let counted = patterns;
    let hasLeft = false;
    let credit = 0;
    this.#count(1, patterns);
    return {
      asker: (shards, client) => {
        const creditBytes = this.#creditOf(shards);
        credit = creditBytes * shards;
        this.#count(0, 0, credit);
        return this.#asker(creditBytes, client);
      },
      update: (changed) => {
        this.#checkPatterns(changed, counted);
        this.#count(0, changed - counted);
        counted = changed;
      },
      leave: () => {
        if (hasLeft) return;
        hasLeft = true;
        this.#count(-1, -counted, -credit);
      },
    };
  }

  /** The credit in each shard: as much as the principal's subscriptions leave, and those of the connection. */
  #creditOf(shards: number): number {
    const equal = this.#limits.maxHeldBytes / Math.max(1, this.#subscriptions);
    return this.#account.credit.offer(shards, equal);
  }

  #asker(creditBytes: number, client?: Asker['client']): Asker {
    const budget = this;
    const { bytes, work } = this;
    const asker: Asker = {
      client,
      creditBytes,
      owner: this.#account.key,
      get hasBusyOthers() {
        return work.hasBusyOthers;
      },
      takesTurns: false,
      sendsOn: true,
      get isGone() {
        return budget.#isClosed;
      },
      readInTurn: async (bytesMax, read) => {
        await work.whenFree();
        work.charge(WORK_LOOK_MS);
        return bytes.run(bytesMax, read);
      },
      askInTurn: (ask) =>
        this.#askInTurn(() => {
          assertIsThere(asker);
          return ask();
        }),
      found: (events, length) => this.#found(events, length),
      hold: (held) => bytes.hold(held),
    };
    return asker;
  }

  async #askInTurn<T>(ask: () => Promise<T>): Promise<T> {
    const { work } = this;
    await work.whenFree();
    return this.#asks.run(1, async () => {
      const began = performance.now();
      try {
        return await ask();
      } finally {
        // The thread itself has waited.
        work.charge(Math.min(performance.now() - began, WORK_ASK_MS_MAX));
      }
    });
  }

  #found(events: number, bytes: number): void {
    this.work.charge(events * WORK_FOUND_EVENT_MS + (bytes / KIB) * WORK_FOUND_KIB_MS);
  }

  #checkSubscriptions(): void {
    const { maxSubscriptions, maxSubscriptionsPerPrincipal } = this.#limits;
    if (this.#subscriptions >= maxSubscriptions) {
      const message = `this connection has ${maxSubscriptions} subscriptions, which is the limit`;
      throw refusal(message, { maxSubscriptions, limitOf: 'connection' });
    }
    if (this.#account.subscriptions < maxSubscriptionsPerPrincipal) return;
    const message = `this principal has ${maxSubscriptionsPerPrincipal} subscriptions, which is the limit`;
    throw refusal(message, { maxSubscriptionsPerPrincipal, limitOf: 'principal' });
  }

  /** `counted`: patterns that the subscription has already. */
  #checkPatterns(patterns: number, counted: number): void {
    const more = patterns - counted;
    if (more <= 0) return;
    const { maxPatterns, maxPatternsPerPrincipal } = this.#limits;
    const most = Math.min(maxPatterns, maxPatternsPerPrincipal);
    if (patterns > most) {
      const message = `${patterns} patterns are more than any subscription may have here; ${most} is the limit`;
      throw refusal(message, { maxPatterns: most, limitOf: 'filter' });
    }
    if (this.#patterns + more > maxPatterns) {
      const message = `the subscriptions of this connection would have ${this.#patterns + more} patterns; ${maxPatterns} is the limit`;
      throw refusal(message, { maxPatterns, limitOf: 'connection' });
    }
    const all = this.#account.patterns + more;
    if (all <= maxPatternsPerPrincipal) return;
    const message = `the subscriptions of this principal would have ${all} patterns; ${maxPatternsPerPrincipal} is the limit`;
    throw refusal(message, { maxPatternsPerPrincipal, limitOf: 'principal' });
  }

  #count(subscriptions: number, patterns: number, credit = 0): void {
    // `close()` has given all back already.
    if (this.#isClosed) return;
    this.#subscriptions += subscriptions;
    this.#patterns += patterns;
    this.#account.subscriptions += subscriptions;
    this.#account.patterns += patterns;
    this.#credit += credit;
    this.#account.credit.take(credit);
  }
}

function refusal(message: string, details: Readonly<Record<string, unknown>>): BusError {
  return new BusError('LIMIT_EXCEEDED', message, { details });
}
