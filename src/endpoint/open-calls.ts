/** Calls to another thread that it has not answered yet, by their number. They keep the event loop alive. One thread. */
import type { BusError } from '../protocol/errors.js';
import { KeepAlive } from '../threads/keep-alive.js';

interface OpenCall {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: BusError) => void;
}

export class OpenCalls {
  readonly #calls = new Map<number, OpenCall>();
  readonly #alive = new KeepAlive();
  #nextId = 1;

  /** `send` hands the call over under its number; what the answer is, both threads know by the kind of the call. */
  open<T>(send: (id: number) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const id = this.#nextId++;
      this.#calls.set(id, { resolve: (value) => resolve(value as T), reject });
      this.#alive.hold();
      send(id);
    });
  }

  resolve(id: number, value: unknown): void {
    this.#take(id)?.resolve(value);
  }

  reject(id: number, error: BusError): void {
    this.#take(id)?.reject(error);
  }

  rejectAll(error: BusError): void {
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
    this.#alive.release();
  }

  #take(id: number): OpenCall | undefined {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (this.#calls.size === 0) this.#alive.release();
    return call;
  }
}
