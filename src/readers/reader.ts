/**
 * A thread that reads history, so that no query stalls a shard. It serves every endpoint that has a port to it; the
 * endpoints take turns, and of those of gateways the principals, whichever gateway they ask through; each turn begins one
 * look into history. While others are there too, looks are short, and a principal whose looks take long has to wait as
 * `WorkShares` says. The first look opens the history. When its last
 * port has closed, the thread asks main for the order to stop. It also ends when the history cannot be opened: a failed
 * import stays failed within a thread, and the next thread imports afresh.
 */
import type { MessagePort } from 'node:worker_threads';
import type { Handlers } from '../link/calls.js';
import { type CallContext, PortServer, type ToServer } from '../link/port-calls.js';
import type { ReaderMail, ReaderNotice, ReaderThreadData } from '../link/reader-mail.js';
import { BusError } from '../protocol/errors.js';
import { WORK_SLICE_MS } from '../protocol/limits/budgets.js';
import { messageOf } from '../protocol/thrown.js';
import type { HistoryAddress, HistoryModule, StoreHistory } from '../store/log-store.js';
import type { WorkShare } from '../threads/work-shares.js';
import { FairTurns } from './fair-turns.js';

/** How long a history may take to answer and close, ms; it may wait for a broker that is gone. */
const END_WAIT_MS = 2000;

/** What the reader needs of its thread. */
export interface ReaderHost {
  /** Sends a notice to main. */
  notify(notice: ReaderNotice): void;
  /** Ends the thread. */
  exit(): void;
}

export class Reader {
  readonly #address: HistoryAddress;
  readonly #host: ReaderHost;
  readonly #ports = new Set<MessagePort>();
  /** Looks that have not begun, by the principal that asks, or the port that they came from. */
  readonly #turns = new FairTurns<MessagePort | string>();
  /** Looks that are under way. */
  readonly #looks = new Set<Promise<unknown>>();
  #history: Promise<StoreHistory> | undefined;
  /** How many ports the thread was ever given. */
  #connects = 0;
  #isEnding = false;

  constructor(data: ReaderThreadData, host: ReaderHost) {
    this.#address = data.history;
    this.#host = host;
    this.connect(data.port);
  }

  take(mail: ReaderMail): void {
    if (mail.mail === 'connect') this.connect(mail.port);
    else void this.end();
  }

  connect(port: MessagePort): void {
    if (this.#isEnding) {
      // The endpoint then asks main for a port to the successor.
      port.close();
      return;
    }
    this.#connects++;
    this.#ports.add(port);
    const server = new PortServer<'history'>(port, this.#handlersOf(port));
    port.on('message', (message: ToServer) => {
      this.#turns.add(ownerOf(message) ?? port, () => {
        if (this.#ports.has(port)) server.take(message);
      });
    });
    port.on('close', () => {
      this.#ports.delete(port);
      this.#turns.drop(port);
      if (this.#ports.size === 0) this.#host.notify({ notice: 'idle', connects: this.#connects });
    });
  }

  async end(): Promise<void> {
    if (this.#isEnding) return;
    this.#isEnding = true;
    setTimeout(() => this.#host.exit(), END_WAIT_MS);
    await Promise.allSettled(this.#looks);
    for (const port of this.#ports) port.close();
    const history = await this.#history?.catch(() => undefined);
    try {
      await history?.close();
    } finally {
      this.#host.exit();
    }
  }

  #handlersOf(port: MessagePort): Handlers<'history', CallContext> {
    return {
      page: ({ shard, request, owner }) =>
        this.#look(owner, port, (history, isShort) =>
          history.page(shard, isShort ? { ...request, timeMs: WORK_SLICE_MS } : request),
        ),
      positionAt: ({ shard, timeMs, owner }) =>
        this.#look(owner, port, (history) => history.positionAt(shard, timeMs)),
    };
  }

  /** `work` is told whether others wait or will soon ask. */
  async #look<T>(
    owner: string | undefined,
    port: MessagePort,
    work: (history: StoreHistory, isShort: boolean) => T | Promise<T>,
  ): Promise<T> {
    if (this.#isEnding) throw new BusError('BUS_CLOSED', 'the history of this bus is closed');
    this.#history ??= this.#open();
    const share = this.#turns.share(owner ?? port);
    const look = this.#history.then((history) => {
      const began = performance.now();
      const found = work(history, share.hasOthers);
      // A program that reads for itself counts as one of the others, and is not held up.
      if (owner === undefined) share.charge(0);
      else if (found instanceof Promise) return charged(found, share, began);
      else share.spend(began, 0);
      return found;
    });
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
      this.#host.notify({ notice: 'ending' });
      setImmediate(() => void this.end());
      const message = `history could not be opened: ${messageOf(cause)}`;
      throw new BusError('STORE_FAILED', message, { cause });
    }
  }
}

/** The principal for which a call is made. */
function ownerOf(message: ToServer): string | undefined {
  if (!('call' in message)) return undefined;
  const { owner } = message.request as { owner?: unknown };
  return typeof owner === 'string' ? owner : undefined;
}

/** A look that waits for an archive takes the thread's time in pieces, and no more than a slice of it at once. */
async function charged<T>(look: Promise<T>, share: WorkShare, began: number): Promise<T> {
  try {
    return await look;
  } finally {
    share.charge(Math.min(performance.now() - began, WORK_SLICE_MS));
  }
}
