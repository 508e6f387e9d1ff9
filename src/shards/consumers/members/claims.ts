/**
 * Which endpoints have still to say what leases of a dead thread they hold. Leases that nobody claims end when all have
 * said it, or after a while. Only the shard's loop touches this.
 */
import { CLAIMS_WAIT_MS } from '../../../protocol/limits/consumers.js';
import type { ShardEnd } from '../../shard-end.js';

export interface ClaimsStart {
  /** The endpoints that the dead thread may have leased events; none: there was no such thread. */
  readonly ends: readonly ShardEnd[];
  /** Another such endpoint has left. */
  readonly hasDeparted: boolean;
  /** Monotonic ms. */
  readonly now: number;
}

export class Claims {
  readonly #awaited: Set<ShardEnd>;
  #hasDeparted: boolean;
  #until: number;

  constructor({ ends, hasDeparted, now }: ClaimsStart, isReplaced: boolean) {
    this.#awaited = new Set(ends);
    this.#hasDeparted = hasDeparted;
    this.#until = isReplaced ? now + CLAIMS_WAIT_MS : Number.POSITIVE_INFINITY;
  }

  get isOver(): boolean {
    return this.#until === Number.POSITIVE_INFINITY;
  }

  /** When it ends at the latest, monotonic ms. */
  get until(): number {
    return this.#until;
  }

  /** Whether the endpoint has still to claim leases. */
  awaits(end: ShardEnd): boolean {
    return !this.isOver && this.#awaited.has(end);
  }

  /** The endpoint has claimed all its leases. */
  claimed(end: ShardEnd): void {
    this.#awaited.delete(end);
  }

  /** The endpoint has left, and may have been told of leases that it has not claimed. */
  departed(end: ShardEnd): void {
    if (this.#awaited.delete(end)) this.#hasDeparted = true;
  }

  /** Ends the claims if it is time. Returns whether nobody can hold what was not claimed; undefined: it is not over. */
  end(now: number): boolean | undefined {
    if (this.isOver || (this.#awaited.size > 0 && now < this.#until)) return undefined;
    this.#until = Number.POSITIVE_INFINITY;
    return this.#awaited.size === 0 && !this.#hasDeparted;
  }
}
