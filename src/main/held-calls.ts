/** Holds values until there is a listener, then passes them on at once. Used by one thread. */
export class HeldCalls<T> {
  readonly #held: T[] = [];
  #listener: ((value: T) => void) | undefined;

  push(value: T): void {
    if (this.#listener === undefined) this.#held.push(value);
    else this.#listener(value);
  }

  pass(listener: (value: T) => void): void {
    this.#listener = listener;
    for (const value of this.#held.splice(0)) listener(value);
  }
}
