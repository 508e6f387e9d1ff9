/**
 * Calls to another thread that are not answered yet, by their number. Only here are answers checked, and calls failed
 * that will get no answer. One thread may use it.
 */
import { BusError, type ErrorData } from '../protocol/errors.js';
import { type AnswerOf, CALLS, type CallName, checkAnswer } from './calls.js';

/** `Sent` is the sender's own data about a pending call. */
interface PendingCall<Sent> {
  readonly name: CallName;
  readonly sent: Sent;
  readonly onAnswer: ((answer: unknown) => void) | undefined;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: BusError) => void;
}

export class PendingCalls<Sent = undefined> {
  readonly #calls = new Map<number, PendingCall<Sent>>();
  #nextId = 1;

  get size(): number {
    return this.#calls.size;
  }

  get ids(): number[] {
    return [...this.#calls.keys()];
  }

  /**
   * Registers a call; `send` must then send it under the number that it gets. `onAnswer` takes the answer the moment it
   * is read, for a caller to whom its place among other messages matters: what awaits the promise runs behind them.
   */
  open<N extends CallName>(
    name: N,
    sent: Sent,
    send: (id: number) => void,
    onAnswer?: (answer: AnswerOf<N>) => void,
  ): Promise<AnswerOf<N>> {
    return new Promise<AnswerOf<N>>((resolve, reject) => {
      const id = this.#nextId++;
      const settle = (answer: unknown): void => resolve(answer as AnswerOf<N>);
      const take = onAnswer && ((answer: unknown): void => onAnswer(answer as AnswerOf<N>));
      this.#calls.set(id, { name, sent, onAnswer: take, resolve: settle, reject });
      send(id);
    });
  }

  get(id: number): { readonly name: CallName; readonly sent: Sent } | undefined {
    return this.#calls.get(id);
  }

  /** Whether any pending call satisfies `fits`. */
  some(fits: (name: CallName, sent: Sent) => boolean): boolean {
    for (const { name, sent } of this.#calls.values()) if (fits(name, sent)) return true;
    return false;
  }

  resolve(id: number, answer: unknown): void {
    const call = this.#take(id);
    if (call === undefined) return;
    try {
      const checked = checkAnswer(call.name, answer);
      call.onAnswer?.(checked);
      call.resolve(checked);
    } catch (error) {
      call.reject(error as BusError);
    }
  }

  reject(id: number, error: ErrorData): void {
    this.#take(id)?.reject(BusError.from(error));
  }

  /** Fails every pending call, because nobody will answer any more. */
  rejectAll(error: BusError): void {
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
  }

  /**
   * Fails the calls that must not be served twice, because another server has taken over. The other calls may be sent
   * again.
   */
  rejectOnce(error: BusError): void {
    for (const [id, { name, reject }] of this.#calls) {
      if (!CALLS[name].isOnce) continue;
      this.#calls.delete(id);
      reject(error);
    }
  }

  #take(id: number): PendingCall<Sent> | undefined {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    return call;
  }
}
