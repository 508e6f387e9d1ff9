/**
 * An endpoint's own ports to the threads that read history. A call goes to the thread that owes this endpoint the
 * fewest answers, and does not pass through the main thread. An endpoint without ports asks main for them: the opener's
 * endpoint when it begins to read, any endpoint when the threads have ended. The ports of a thread close before main
 * learns that the thread has ended. So the endpoint names the threads whose ports have closed when it asks, and main
 * gives no port to these. Used by the endpoint's thread alone.
 */
import type { MessagePort } from 'node:worker_threads';
import type { AnswerOf, NameOf, RequestOf } from '../../link/calls.js';
import { type Caller, PortCaller } from '../../link/port-calls.js';
import type { ReaderConnections } from '../../link/reader-mail.js';
import { BusError } from '../../protocol/errors.js';

/** Ports that are unused for this long are closed, unless they are to be kept, ms. */
const IDLE_MS = 10_000;
/** How often a call is repeated because its thread has ended. */
const REPEATS_MAX = 2;

interface Reader {
  /** The thread's number; its successor has another. */
  readonly thread: number;
  readonly port: MessagePort;
  readonly calls: PortCaller<'history'>;
  /** The error with which its calls fail when its thread ends. */
  readonly gone: BusError;
}

export class ReaderPorts implements Caller<'history'> {
  readonly #main: Caller<'main'>;
  readonly #readers = new Set<Reader>();
  readonly #isKept: boolean;
  /** The threads that have ended and that main was not told of yet. */
  readonly #ended = new Set<number>();
  #connecting: Promise<void> | undefined;
  #idle: NodeJS.Timeout | undefined;
  #closed: BusError | undefined;

  /** Keeps the ports that it is given, so that it does not have to ask a busy main thread. */
  constructor(given: ReaderConnections, main: Caller<'main'>) {
    this.#main = main;
    this.#isKept = given.ports.length > 0;
    this.#addAll(given);
  }

  async call<N extends NameOf<'history'>>(name: N, request: RequestOf<N>): Promise<AnswerOf<N>> {
    clearTimeout(this.#idle);
    for (let repeats = 0; ; repeats++) {
      if (this.#readers.size === 0) await this.#connected();
      // The replacements serve later calls; this call does not wait for them.
      else if (this.#ended.size > 0) this.#connect().catch(() => {});
      // Chosen and called in one turn, so that the next call counts this one as pending.
      const { calls, gone } = this.#leastBusy();
      try {
        return await calls.call(name, request);
      } catch (error) {
        if (error !== gone || repeats === REPEATS_MAX) throw this.#closed ?? error;
      } finally {
        this.#expectIdleness();
      }
    }
  }

  /**
   * Main says that the thread has ended. The port tells it too, but not to who begins to listen later: the ports of an
   * attachment may close before the worker takes them up.
   */
  ended(thread: number): void {
    for (const reader of this.#readers) {
      if (reader.thread !== thread) continue;
      this.#lose(reader);
      reader.port.close();
    }
  }

  /** Closes all ports; later calls are refused with the error. */
  close(error: BusError): void {
    this.#closed = error;
    this.#disconnect();
  }

  #leastBusy(): Reader {
    const [first, ...others] = this.#readers;
    if (first === undefined) throw this.#closed ?? ended();
    return others.reduce((a, b) => (b.calls.pending < a.calls.pending ? b : a), first);
  }

  async #connected(): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#readers.size > 0) return;
    await this.#connect();
  }

  /** Asks main for ports to the threads to which there are none. */
  #connect(): Promise<void> {
    this.#connecting ??= this.#takePorts().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #takePorts(): Promise<void> {
    const ended = [...this.#ended];
    const given = await this.#main.call('connectReaders', { ended });
    for (const thread of ended) this.#ended.delete(thread);
    this.#addAll(given);
    if (this.#closed !== undefined) this.#disconnect();
  }

  #addAll({ ports, threads }: ReaderConnections): void {
    const known = new Set([...this.#readers].map(({ thread }) => thread));
    for (const [index, port] of ports.entries()) {
      const thread = threads[index]!;
      if (known.has(thread)) port.close();
      else this.#add(thread, port);
    }
  }

  #add(thread: number, port: MessagePort): void {
    const reader: Reader = { thread, port, calls: new PortCaller(port), gone: ended() };
    this.#readers.add(reader);
    port.on('message', (message: object) => reader.calls.take(message));
    port.on('close', () => this.#lose(reader));
    port.unref();
  }

  #lose(reader: Reader): void {
    if (this.#readers.delete(reader)) this.#ended.add(reader.thread);
    reader.calls.fail(reader.gone);
  }

  #expectIdleness(): void {
    if (this.#isKept || [...this.#readers].some(({ calls }) => calls.pending > 0)) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#disconnect(), IDLE_MS).unref();
  }

  /** Closes all ports. A thread ends when its last port has closed. */
  #disconnect(): void {
    clearTimeout(this.#idle);
    for (const { port, calls, gone } of this.#readers) {
      calls.fail(gone);
      port.close();
    }
    this.#readers.clear();
  }
}

function ended(): BusError {
  return new BusError('STORE_FAILED', 'the thread that was to read history has ended');
}
