/**
 * An endpoint's own ports to the threads that read history. A call goes to the thread that owes this endpoint the
 * fewest answers, and does not pass through the main thread. An endpoint without ports asks main for them: the opener's
 * endpoint when it begins to read, any endpoint when the threads have ended. Used by the endpoint's thread alone.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { MessagePort } from 'node:worker_threads';
import type { AnswerOf, NameOf, RequestOf } from '../../link/calls.js';
import { type Caller, PortCaller } from '../../link/port-calls.js';
import { BusError } from '../../protocol/errors.js';

/** Ports that are unused for this long are closed, unless they are to be kept, ms. */
const IDLE_MS = 10_000;
/**
 * A call whose thread ends is repeated, once per pause given here. The pauses, ms, are made only if main has to be
 * asked for ports first: main learns that a thread has ended some time after the thread's ports have closed.
 */
const RETRY_PAUSES_MS = [50, 200];
/** If one thread has ended and another goes on, main is asked for a replacement this long after a call noticed, ms. */
const REPLACE_PAUSE_MS = 200;

interface Reader {
  /** The thread's number: the index of its port among those that main gives. */
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
  /** A thread has ended, and main was not asked for its replacement yet. */
  #hasLost = false;
  #connecting: Promise<void> | undefined;
  #idle: NodeJS.Timeout | undefined;
  #closed: BusError | undefined;

  /** Keeps the `ports` that it is given, so that it does not have to ask a busy main thread. */
  constructor(ports: readonly MessagePort[], main: Caller<'main'>) {
    this.#main = main;
    this.#isKept = ports.length > 0;
    for (const [thread, port] of ports.entries()) this.#add(thread, port);
  }

  async call<N extends NameOf<'history'>>(name: N, request: RequestOf<N>): Promise<AnswerOf<N>> {
    clearTimeout(this.#idle);
    for (let retries = 0; ; retries++) {
      if (this.#readers.size === 0) {
        if (retries > 0) await pause(RETRY_PAUSES_MS[retries - 1]);
        await this.#connected();
      } else if (this.#hasLost) {
        // Serves later calls; this call does not wait for the replacement.
        this.#replaceLost().catch(() => {});
      }
      // Chosen and called in one turn, so that the next call counts this one as pending.
      const { calls, gone } = this.#leastBusy();
      try {
        return await calls.call(name, request);
      } catch (error) {
        if (error !== gone || retries === RETRY_PAUSES_MS.length) throw this.#closed ?? error;
      } finally {
        this.#expectIdleness();
      }
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

  /**
   * Waits first: until main knows that the thread has ended, it would give a port to it, and calls would be repeated.
   */
  async #replaceLost(): Promise<void> {
    this.#hasLost = false;
    await pause(REPLACE_PAUSE_MS, undefined, { ref: false });
    if (this.#readers.size > 0) await this.#connect();
  }

  /** Asks main for ports to the threads to which there are none. */
  #connect(): Promise<void> {
    this.#hasLost = false;
    this.#connecting ??= this.#takePorts().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #takePorts(): Promise<void> {
    const { ports } = await this.#main.call('connectReaders', {});
    const known = new Set([...this.#readers].map(({ thread }) => thread));
    for (const [thread, port] of ports.entries()) {
      if (known.has(thread)) port.close();
      else this.#add(thread, port);
    }
    if (this.#closed !== undefined) this.#disconnect();
  }

  #add(thread: number, port: MessagePort): void {
    const reader: Reader = { thread, port, calls: new PortCaller(port), gone: ended() };
    this.#readers.add(reader);
    port.on('message', (message: object) => reader.calls.take(message));
    port.on('close', () => {
      if (this.#readers.delete(reader)) this.#hasLost = true;
      reader.calls.fail(reader.gone);
    });
    port.unref();
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
