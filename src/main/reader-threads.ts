/**
 * The threads that read history for all endpoints of a bus. Each endpoint has a port of its own to each of them, so
 * pages do not pass through this thread. The threads start when ports are asked for, and end when all their ports are
 * closed. Used by the thread that opened the bus.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { ReaderMail, ReaderNotice, ReaderThreadData } from '../link/reader-mail.js';
import { BusError } from '../protocol/errors.js';
import { READER_THREADS } from '../protocol/limits.js';
import type { HistoryAddress } from '../store/log-store.js';
import { threadFlags } from '../threads/exec-argv.js';

/** Started by URL, so that main imports nothing of the readers. */
const THREAD_URL = new URL('../readers/reader-thread.js', import.meta.url);

interface ReaderThread {
  readonly worker: Worker;
  /** How many ports it was ever given. */
  connects: number;
}

export class ReaderThreads {
  readonly #address: HistoryAddress;
  /** The threads that may be given ports, by number. */
  readonly #threads = new Map<number, ReaderThread>();
  /** All threads that have not ended yet. */
  readonly #running = new Set<Worker>();
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
      else {
        thread.connects++;
        send(thread.worker, { mail: 'connect', port: port2 }, [port2]);
      }
      return port1;
    });
  }

  /** Ends the threads; resolves when the calls under way and the threads have ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const ended = [...this.#running].map((worker) => {
      return new Promise<void>((resolve) => {
        worker.once('exit', () => resolve());
        send(worker, { mail: 'stop' });
      });
    });
    await Promise.all(ended);
  }

  #start(index: number, port: MessagePort): void {
    const workerData: ReaderThreadData = { history: this.#address, port };
    const worker = new Worker(THREAD_URL, {
      workerData,
      transferList: [port],
      name: `millrace-reader-${index}`,
      ...threadFlags(),
    });
    const thread = { worker, connects: 1 };
    this.#threads.set(index, thread);
    this.#running.add(worker);
    worker.on('message', (notice: ReaderNotice) => this.#onNotice(index, thread, notice));
    // The endpoints see their ports close, and fail the calls that wait for an answer.
    worker.on('error', () => {});
    worker.on('exit', () => {
      this.#running.delete(worker);
      this.#forget(index, thread);
    });
    // The listener for messages would keep the process alive.
    worker.unref();
  }

  /** A thread that is told to stop gets no more ports, so that no endpoint uses a thread that is about to end. */
  #onNotice(index: number, thread: ReaderThread, notice: ReaderNotice): void {
    if (notice.notice === 'idle') {
      if (notice.connects < thread.connects) return;
      send(thread.worker, { mail: 'stop' });
    }
    this.#forget(index, thread);
  }

  #forget(index: number, thread: ReaderThread): void {
    if (this.#threads.get(index) === thread) this.#threads.delete(index);
  }
}

function send(thread: Worker, mail: ReaderMail, transferList: MessagePort[] = []): void {
  thread.postMessage(mail, transferList);
}
