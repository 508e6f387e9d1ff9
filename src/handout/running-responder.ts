import type { Event } from '../protocol/event.js';
import type { QuestionHandler, Responder } from '../protocol/requests.js';
import { Lifetime } from './lifetime.js';
import { watchSignal } from './watch-signal.js';

/** A responder as its owner holds it, of a bus or of a client: calls the handler with questions, side by side. */

export interface ResponderLink {
  /** Lets questions come; rejects if they never will. */
  join(): Promise<unknown>;
  /** Resolves when no further question comes. */
  leave(): Promise<unknown>;
  onEnd(): void;
}

export class RunningResponder implements Responder {
  readonly pattern: string;
  readonly #handler: QuestionHandler;
  readonly #link: ResponderLink;
  readonly #lifetime = new Lifetime();
  readonly #closing = new AbortController();
  #inFlight = 0;
  #isStopping = false;
  #hasLeft = false;

  constructor(pattern: string, handler: QuestionHandler, link: ResponderLink) {
    this.pattern = pattern;
    this.#handler = handler;
    this.#link = link;
  }

  get ready(): Promise<void> {
    return this.#lifetime.ready;
  }

  get closed(): Promise<void> {
    return this.#lifetime.closed;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  start(signal: AbortSignal | undefined): void {
    this.#link.join().then(
      () => this.#lifetime.begin(),
      (error: Error) => this.#end(error),
    );
    if (signal === undefined) return;
    const onAbort = (): void => void this.stop();
    if (signal.aborted) queueMicrotask(onAbort);
    else void this.closed.catch(() => {}).finally(watchSignal(signal, onAbort));
  }

  async handle(event: Event, asker: AbortSignal | undefined): Promise<unknown> {
    this.#inFlight++;
    const { signal } = this.#closing;
    try {
      const both = asker === undefined ? signal : AbortSignal.any([asker, signal]);
      return await this.#handler(event, { signal: both });
    } finally {
      this.#inFlight--;
      this.#endIfDone();
    }
  }

  stop(): Promise<void> {
    if (!this.#isStopping) {
      this.#isStopping = true;
      const left = (): void => {
        this.#hasLeft = true;
        this.#endIfDone();
      };
      this.#link.leave().then(left, left);
    }
    return this.closed.catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** At once: those who asked are told that it has gone. */
  close(failure?: Error): void {
    this.#closing.abort();
    this.#end(failure);
  }

  #endIfDone(): void {
    if (this.#hasLeft && this.#inFlight === 0) this.#end();
  }

  #end(failure?: Error): void {
    this.#lifetime.end(failure);
    this.#link.onEnd();
  }
}
