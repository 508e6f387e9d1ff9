/**
 * Which endpoints have still to say what leases of a dead thread they hold. Leases that nobody claims end when all have
 * said it, or after a while. Only the shard's loop touches this.
 */
import { CLAIMS_WAIT_MS } from '../../../protocol/limits/consumers.js';

export interface ClaimsStart {
  /** The names of the endpoints that the dead thread may have leased events; none: there was no such thread. */
  readonly endpoints: Iterable<string>;
  /** Another such endpoint has left. */
  readonly hasDeparted: boolean;
  /** Monotonic ms. */
  readonly now: number;
}

interface Claimant {
  readonly endpoint: string;
}

export class Claims {
  readonly #awaited: Set<string>;
  #hasDeparted: boolean;
  #until: number;

  constructor({ endpoints, hasDeparted, now }: ClaimsStart, isReplaced: boolean) {
    this.#awaited = new Set(endpoints);
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

  /** Those that have not said it. */
  get missing(): ReadonlySet<string> {
    return this.#awaited;
  }

  /** Whether the endpoint has still to claim leases. */
  awaits({ endpoint }: Claimant): boolean {
    return !this.isOver && this.#awaited.has(endpoint);
  }

  /** The endpoint has claimed all its leases. */
  claimed({ endpoint }: Claimant): void {
    this.#awaited.delete(endpoint);
  }

  /** The endpoint has left, and may have been told of leases that it has not claimed. */
  departed({ endpoint }: Claimant): void {
    if (this.#awaited.delete(endpoint)) this.#hasDeparted = true;
  }

  /** Ends the claims if it is time. Returns whether nobody can hold what was not claimed; undefined: it is not over. */
  end(now: number): boolean | undefined {
    if (this.isOver || (this.#awaited.size > 0 && now < this.#until)) return undefined;
    this.#until = Number.POSITIVE_INFINITY;
    return this.#awaited.size === 0 && !this.#hasDeparted;
  }
}
