/**
 * Calls over a message port. The port may carry other messages too: each side says whether a message was its own. A
 * signal can abort a call; the server then still answers it, with a refusal. A caller that goes aborts its calls.
 */
import { MessagePort, type Transferable } from 'node:worker_threads';
import { watchSignal } from '../handout/watch-signal.js';
import { BusError, type ErrorData } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';
import { KeepAlive } from '../threads/keep-alive.js';
import type { Server } from './call.js';
import { type AnswerOf, type Handlers, type NameOf, type RequestOf, serve } from './calls.js';
import { PendingCalls } from './pending-calls.js';

/** The context of a call besides its request. */
export interface CallContext {
  readonly signal: AbortSignal | undefined;
}

/** Makes calls to a server. */
export interface Caller<S extends Server, Context = CallContext> {
  call<N extends NameOf<S>>(
    name: N,
    request: RequestOf<N>,
    context?: Context,
  ): Promise<AnswerOf<N>>;
}

/** A message from the calling side. */
export type ToServer =
  | { readonly call: string; readonly id: number; readonly request: unknown }
  | { readonly cancel: number };

type ToCaller =
  | { readonly answer: number; readonly value: unknown }
  | { readonly refusal: number; readonly error: ErrorData };

/** The calling side. It keeps the event loop alive while it waits for an answer. */
export class PortCaller<S extends Server> implements Caller<S> {
  readonly #port: MessagePort;
  readonly #pending = new PendingCalls();
  readonly #alive = new KeepAlive();
  #failure: BusError | undefined;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  get pending(): number {
    return this.#pending.size;
  }

  call<N extends NameOf<S>>(
    name: N,
    request: RequestOf<N>,
    context?: CallContext,
  ): Promise<AnswerOf<N>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const signal = context?.signal;
    let forget: (() => void) | undefined;
    const answer = this.#pending.open(name, undefined, (id) => {
      this.#alive.hold();
      this.#send({ call: name, id, request });
      if (signal !== undefined) forget = watchSignal(signal, () => this.#send({ cancel: id }));
    });
    return forget === undefined ? answer : answer.finally(forget);
  }

  /** Settles the call that the message answers; returns false if the message is not an answer. */
  take(message: object): boolean {
    const { answer, value, refusal, error } = message as Partial<
      Record<'answer' | 'refusal', number>
    > & { value?: unknown; error?: ErrorData };
    if (answer !== undefined) this.#pending.resolve(answer, value);
    else if (refusal !== undefined) this.#pending.reject(refusal, error!);
    else return false;
    if (this.#pending.size === 0) this.#alive.release();
    return true;
  }

  /** Fails all calls, now and later, because nobody will answer any more. */
  fail(error: BusError): void {
    this.#failure = error;
    this.#pending.rejectAll(error);
    this.#alive.release();
  }

  #send(message: ToServer): void {
    this.#port.postMessage(message);
  }
}

/** The serving side. */
export class PortServer<S extends Server> {
  readonly #port: MessagePort;
  readonly #handlers: Handlers<S, CallContext>;
  readonly #cancels = new Map<number, AbortController>();

  constructor(port: MessagePort, handlers: Handlers<S, CallContext>) {
    this.#port = port;
    this.#handlers = handlers;
  }

  take(message: ToServer): void {
    if ('cancel' in message) this.#cancels.get(message.cancel)?.abort();
    else void this.#serve(message.call, message.id, message.request);
  }

  /** Aborts the calls under way, because the caller has gone. */
  close(): void {
    for (const cancel of this.#cancels.values()) cancel.abort();
  }

  async #serve(name: string, id: number, request: unknown): Promise<void> {
    const cancel = new AbortController();
    this.#cancels.set(id, cancel);
    try {
      const value = await serve(this.#handlers, name, request, { signal: cancel.signal });
      this.#send({ answer: id, value }, transferablesOf(value));
    } catch (error) {
      this.#send({ refusal: id, error: refusalOf(error) });
    } finally {
      this.#cancels.delete(id);
    }
  }

  #send(message: ToCaller, transferList: Transferable[] = []): void {
    this.#port.postMessage(message, transferList);
  }
}

/** The parts of an answer that are transferred and not copied: a page's records, and ports. */
function transferablesOf(value: unknown): Transferable[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value)
    .flat()
    .filter((one) => one instanceof ArrayBuffer || one instanceof MessagePort);
}

/** Turns an error into data, since a thread boundary strips an error of its code. */
function refusalOf(error: unknown): ErrorData {
  if (error instanceof BusError) return error.toJSON();
  return { code: 'STORE_FAILED', message: messageOf(error) };
}
