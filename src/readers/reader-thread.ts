/**
 * The entry of a thread that reads history, so that no query stalls a shard. It serves every endpoint that has a port
 * to it; the endpoints take turns, and each turn begins one look into history. The first look opens the history. When
 * its last port has closed, the thread asks main for the order to stop. It also ends when the history cannot be opened:
 * a failed import stays failed within a thread, and the next thread imports afresh.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { Handlers } from '../link/calls.js';
import { type CallContext, PortServer } from '../link/port-calls.js';
import type { ReaderMail, ReaderNotice, ReaderThreadData } from '../link/reader-mail.js';
import { BusError } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';
import type { HistoryAddress, HistoryModule, StoreHistory } from '../store/log-store.js';
import { FairTurns } from './fair-turns.js';

/** How long a history may take to answer and close, ms; it may wait for a broker that is gone. */
const END_WAIT_MS = 2000;

class ReaderThread {
  readonly #address: HistoryAddress;
  readonly #ports = new Set<MessagePort>();
  /** Looks that have not begun, by the port that they came from. */
  readonly #turns = new FairTurns<MessagePort>();
  /** Looks that are under way. */
  readonly #looks = new Set<Promise<unknown>>();
  #history: Promise<StoreHistory> | undefined;
  /** How many ports the thread was ever given. */
  #connects = 0;
  #isEnding = false;

  constructor(address: HistoryAddress) {
    this.#address = address;
  }

  readonly #handlers: Handlers<'history', CallContext> = {
    page: ({ shard, request }) => this.#look((history) => history.page(shard, request)),
    positionAt: ({ shard, timeMs }) => this.#look((history) => history.positionAt(shard, timeMs)),
  };

  connect(port: MessagePort): void {
    if (this.#isEnding) {
      // The endpoint then asks main for a port to the successor.
      port.close();
      return;
    }
    this.#connects++;
    this.#ports.add(port);
    const server = new PortServer<'history'>(port, this.#handlers);
    port.on('message', (message) => this.#turns.add(port, () => server.take(message)));
    port.on('close', () => {
      this.#ports.delete(port);
      this.#turns.drop(port);
      if (this.#ports.size === 0) notify({ notice: 'idle', connects: this.#connects });
    });
  }

  async end(): Promise<void> {
    if (this.#isEnding) return;
    this.#isEnding = true;
    setTimeout(() => process.exit(), END_WAIT_MS);
    await Promise.allSettled(this.#looks);
    for (const port of this.#ports) port.close();
    const history = await this.#history?.catch(() => undefined);
    try {
      await history?.close();
    } finally {
      process.exit();
    }
  }

  async #look<T>(work: (history: StoreHistory) => T | Promise<T>): Promise<T> {
    if (this.#isEnding) throw new BusError('BUS_CLOSED', 'the history of this bus is closed');
    this.#history ??= this.#open();
    const look = this.#history.then(work);
    this.#looks.add(look);
    try {
      return await look;
    } finally {
      this.#looks.delete(look);
    }
  }

  async #open(): Promise<StoreHistory> {
    const { module, options } = this.#address;
    try {
      const { openHistory } = (await import(module)) as HistoryModule;
      return await openHistory(options);
    } catch (cause) {
      // Refuses the looks that wait before the thread ends.
      this.#turns.runAll();
      notify({ notice: 'ending' });
      setImmediate(() => void this.end());
      const message = `history could not be opened: ${messageOf(cause)}`;
      throw new BusError('STORE_FAILED', message, { cause });
    }
  }
}

function notify(notice: ReaderNotice): void {
  parentPort?.postMessage(notice);
}

const data = workerData as ReaderThreadData;
const thread = new ReaderThread(data.history);
thread.connect(data.port);
parentPort?.on('message', (mail: ReaderMail) => {
  if (mail.mail === 'connect') thread.connect(mail.port);
  else void thread.end();
});
