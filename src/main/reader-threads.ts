/**
 * The threads that read history for all endpoints of a bus. Each endpoint has a port of its own to each of them, so what it reads
 * does not pass through this thread. They start when somebody asks for ports, and end when nobody has any. Used by the thread
 * that opened the bus.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { ReaderMail, ReaderThreadData } from '../link/reader-mail.js';
import { BusError } from '../protocol/errors.js';
import { READER_THREADS } from '../protocol/limits.js';
import type { HistoryAddress } from '../store/log-store.js';
import { threadFlags } from '../threads/exec-argv.js';

/** Found by its address, so that main and the readers stay apart. */
const THREAD_URL = new URL('../readers/reader-thread.js', import.meta.url);

export class ReaderThreads {
  readonly #address: HistoryAddress;
  /** Those that run. */
  readonly #threads = new Map<number, Worker>();
  #isClosed = false;

  constructor(address: HistoryAddress) {
    this.#address = address;
  }

  /** Ports for one endpoint, one to each thread. A port closes when its thread ends. */
  connect(): MessagePort[] {
    if (this.#isClosed) throw new BusError('BUS_CLOSED', 'the bus is closed');
    return Array.from({ length: READER_THREADS }, (_, index) => {
      const { port1, port2 } = new MessageChannel();
      const thread = this.#threads.get(index);
      if (thread === undefined) this.#start(index, port2);
      else send(thread, { mail: 'connect', port: port2 }, [port2]);
      return port1;
    });
  }

  /** Resolves when the looks that are under way have ended, and the threads with them. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const ended = [...this.#threads.values()].map((thread) => {
      return new Promise<void>((resolve) => {
        thread.once('exit', () => resolve());
        send(thread, { mail: 'stop' });
      });
    });
    await Promise.all(ended);
  }

  #start(index: number, port: MessagePort): void {
    const workerData: ReaderThreadData = { history: this.#address, port };
    const thread = new Worker(THREAD_URL, {
      workerData,
      transferList: [port],
      name: `millrace-reader-${index}`,
      ...threadFlags(),
    });
    thread.unref();
    this.#threads.set(index, thread);
    // Whoever has a port to it sees that close, and says so where somebody waits for an answer.
    thread.on('error', () => {});
    thread.on('exit', () => {
      if (this.#threads.get(index) === thread) this.#threads.delete(index);
    });
  }
}

function send(thread: Worker, mail: ReaderMail, transferList: MessagePort[] = []): void {
  thread.postMessage(mail, transferList);
}
