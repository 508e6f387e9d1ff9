/**
 * The threads that read history for all endpoints of a bus. Each endpoint has a port of its own to each of them, so
 * pages do not pass through this thread. The threads start when ports are asked for, and end when all their ports are
 * closed. Used by the thread that opened the bus.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type {
  ReaderConnections,
  ReaderMail,
  ReaderNotice,
  ReaderThreadData,
} from '../link/reader-mail.js';
import { BusError } from '../protocol/errors.js';
import { READER_THREADS } from '../protocol/limits/endpoint.js';
import type { HistoryAddress } from '../store/log-store.js';
import { threadFlags } from '../threads/exec-argv.js';
import { threadModule } from '../threads/packed.js';

/** Started by URL, so that main imports nothing of the readers. */
const THREAD_URL = threadModule('readers/reader-thread');

interface ReaderThread {
  readonly worker: Worker;
  /** Node's number of the thread. Of a worker that has ended, Node does not tell it any more. */
  readonly number: number;
  /** How many ports it was ever given. */
  connects: number;
}

export class ReaderThreads {
  readonly #address: HistoryAddress;
  /** The threads that may be given ports, each at its place. */
  readonly #threads = new Map<number, ReaderThread>();
  /** All threads that have not ended yet. */
  readonly #running = new Set<Worker>();
  readonly #onEnded: (thread: number) => void;
  #isClosed = false;

  /** `onEnded` is called with the number of a thread that has ended. */
  constructor(address: HistoryAddress, onEnded: (thread: number) => void) {
    this.#address = address;
    this.#onEnded = onEnded;
  }

  /**
   * Ports for one endpoint, one to each thread. A port closes when its thread ends. `ended`: the threads whose ports
   * the endpoint has seen close, as this thread learns later that they have ended; they are replaced.
   */
  connect(ended: readonly number[] = []): ReaderConnections {
    if (this.#isClosed) throw new BusError('BUS_CLOSED', 'the bus is closed');
    for (const [place, thread] of this.#threads) {
      if (ended.includes(thread.number)) this.#forget(place, thread);
    }
    const ports: MessagePort[] = [];
    const threads: number[] = [];
    for (let place = 0; place < READER_THREADS; place++) {
      const { port1, port2 } = new MessageChannel();
      ports.push(port1);
      threads.push(this.#connect(place, port2).number);
    }
    return { ports, threads };
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

  /** Gives the port to the thread at this place, and starts the thread if none is there. */
  #connect(place: number, port: MessagePort): ReaderThread {
    const thread = this.#threads.get(place);
    if (thread === undefined) return this.#start(place, port);
    thread.connects++;
    send(thread.worker, { mail: 'connect', port }, [port]);
    return thread;
  }

  #start(place: number, port: MessagePort): ReaderThread {
    const workerData: ReaderThreadData = { history: this.#address, port };
    const worker = new Worker(THREAD_URL, {
      workerData,
      transferList: [port],
      name: `millrace-reader-${place}`,
      ...threadFlags(),
    });
    const thread = { worker, number: worker.threadId, connects: 1 };
    this.#threads.set(place, thread);
    this.#running.add(worker);
    worker.on('message', (notice: ReaderNotice) => this.#onNotice(place, thread, notice));
    // The endpoints see their ports close, and fail the calls that wait for an answer.
    worker.on('error', () => {});
    worker.on('exit', () => {
      this.#running.delete(worker);
      this.#forget(place, thread);
      this.#onEnded(thread.number);
    });
    // The listener for messages would keep the process alive.
    worker.unref();
    return thread;
  }

  /** A thread that is told to stop gets no more ports, so that no endpoint uses a thread that is about to end. */
  #onNotice(place: number, thread: ReaderThread, notice: ReaderNotice): void {
    if (notice.notice === 'idle') {
      if (notice.connects < thread.connects) return;
      send(thread.worker, { mail: 'stop' });
    }
    this.#forget(place, thread);
  }

  #forget(place: number, thread: ReaderThread): void {
    if (this.#threads.get(place) === thread) this.#threads.delete(place);
  }
}

function send(thread: Worker, mail: ReaderMail, transferList: MessagePort[] = []): void {
  thread.postMessage(mail, transferList);
}
