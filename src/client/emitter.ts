/**
 * Listeners by name, for a browser as for Node. A listener that throws is its owner's fault: the
 * error is reported as uncaught, and the others are called all the same.
 */
type Listeners<Events> = { [E in keyof Events]?: Set<Events[E]> };

type Listener = (...values: never[]) => void;

export class Emitter<Events extends { [E in keyof Events]: Listener }> {
  readonly #listeners: Listeners<Events> = {};

  on<E extends keyof Events>(event: E, listener: Events[E]): void {
    (this.#listeners[event] ??= new Set()).add(listener);
  }

  off<E extends keyof Events>(event: E, listener: Events[E]): void {
    this.#listeners[event]?.delete(listener);
  }

  has(event: keyof Events): boolean {
    return (this.#listeners[event]?.size ?? 0) > 0;
  }

  emit<E extends keyof Events>(event: E, ...values: Parameters<Events[E]>): void {
    for (const listener of [...(this.#listeners[event] ?? [])]) {
      try {
        listener(...values);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
