/** Holds what is told before there is anybody to tell it to. One thread's. */
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
