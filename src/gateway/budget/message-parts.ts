/**
 * Bounds the messages of one principal that have come in part, over all its connections. The bytes of a message are kept
 * until the last of them is there, and a client may leave that one out. So only as many connections as there are turns may
 * go on with a large message; others are not read until one of those is complete. One thread.
 */
export interface PartOwner {
  /** It has a turn now. */
  onTurn(): void;
}

export class MessageParts {
  readonly #turnsMax: number;
  readonly #going = new Set<PartOwner>();
  /** In the order in which they get their turns. */
  readonly #waiting = new Set<PartOwner>();

  constructor(turnsMax: number) {
    this.#turnsMax = turnsMax;
  }

  /** Takes a turn, or waits for one. @returns whether it has one */
  take(owner: PartOwner): boolean {
    if (this.#going.has(owner)) return true;
    if (this.#going.size >= this.#turnsMax) {
      this.#waiting.add(owner);
      return false;
    }
    this.#going.add(owner);
    return true;
  }

  /** Gives the turn to the next, or waits for none any more. */
  leave(owner: PartOwner): void {
    this.#waiting.delete(owner);
    if (!this.#going.delete(owner)) return;
    const [next] = this.#waiting;
    if (next === undefined) return;
    this.#waiting.delete(next);
    this.#going.add(next);
    next.onTurn();
  }
}
