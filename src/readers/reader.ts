/**
 * A thread that reads history, so that no query stalls a shard. It serves every endpoint that has a port to it; the
 * endpoints take turns, and of those of gateways the principals, whichever gateway they ask through; each turn begins one
 * look into history. While others are there too, looks are short, so that a page takes several turns, and a principal whose
 * looks take long has to wait as `WorkShares` says. The first look opens the history. When its last
 * port has closed, the thread asks main for the order to stop. It also ends when the history cannot be opened: a failed
 * import stays failed within a thread, and the next thread imports afresh.
 */
import type { MessagePort } from 'node:worker_threads';
import type { Handlers, ShardPageRequest } from '../link/calls.js';
import { type CallContext, PortServer, type ToServer } from '../link/port-calls.js';
import type { ReaderMail, ReaderNotice, ReaderThreadData } from '../link/reader-mail.js';
import { BusError } from '../protocol/errors.js';
import { READ_LOOKS_MAX, WORK_PIECE_MS, WORK_SLICE_MS } from '../protocol/limits/budgets.js';
import { messageOf } from '../protocol/thrown.js';
import type { HistoryAddress, HistoryModule, StoreHistory } from '../store/log-store.js';
import type { Page, PageRequest } from '../store/page.js';
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
      page: (call) => this.#page(call, port),
      positionAt: ({ shard, timeMs, owner }) =>
        this.#look(owner, port, (history) => history.positionAt(shard, timeMs)),
    };
  }

  /**
   * A page of a log. Looks that are short go on in their owner's next turns: there would be an answer and a question more
   * for each.
   */
  async #page(
    { shard, request, owner, hasBusyOthers = false }: ShardPageRequest,
    port: MessagePort,
  ): Promise<Page> {
    // They may ask other threads, and this one takes a processor from those.
    if (hasBusyOthers) this.#turns.share(owner ?? port).noteOthers();
    let found: Page | undefined;
    for (let left = READ_LOOKS_MAX; ; left--) {
      const rest = found === undefined ? request : restOf(request, found);
      let isShort = false;
      const page = await this.#look(owner, port, (history, timeMs) => {
        if (timeMs === undefined) return history.page(shard, rest);
        isShort = true;
        return history.page(shard, { ...rest, timeMs });
      });
      // What went meanwhile lies behind the events that were found: whoever asks on is told of it in its place.
      if (found !== undefined && isCutOff(page, found)) return found;
      found = found === undefined ? page : joined(found, page);
      const { count, records, done } = found;
      const isFull =
        count >= request.limit || records.byteLength >= (request.limitBytes ?? Infinity);
      if (!isShort || done || isFull || left === 1 || !this.#ports.has(port)) return found;
      await new Promise<void>((resolve) => this.#turns.add(owner ?? port, resolve));
    }
  }

  /** `work` is told how long it may take where others wait or will soon ask, ms. */
  async #look<T>(
    owner: string | undefined,
    port: MessagePort,
    work: (history: StoreHistory, timeMs: number | undefined) => T | Promise<T>,
  ): Promise<T> {
    if (this.#isEnding) throw new BusError('BUS_CLOSED', 'the history of this bus is closed');
    this.#history ??= this.#open();
    const share = this.#turns.share(owner ?? port);
    const look = this.#history.then((history) => {
      const began = performance.now();
      const found = work(history, lookMs(share));
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

/** What a request asks for behind a page that was found for it. */
function restOf(request: PageRequest, { count, records, next }: Page): PageRequest {
  const { limit, limitBytes, reverse } = request;
  return {
    ...request,
    ...(reverse ? { until: next } : { after: next }),
    limit: limit - count,
    ...(limitBytes === undefined ? {} : { limitBytes: limitBytes - records.byteLength }),
  };
}

/** Whether more events have gone than a page tells that has some, which lie before them. */
function isCutOff(next: Page, found: Page): boolean {
  return found.count > 0 && goneThrough(next) > goneThrough(found);
}

function goneThrough({ goneThrough, prunedThrough }: Page): number {
  return Math.max(goneThrough ?? 0, prunedThrough);
}

/** A page, and the one behind it. */
function joined(page: Page, next: Page): Page {
  const records = new Uint8Array(page.records.byteLength + next.records.byteLength);
  records.set(new Uint8Array(page.records));
  records.set(new Uint8Array(next.records), page.records.byteLength);
  return {
    ...next,
    records: records.buffer,
    count: page.count + next.count,
    prunedThrough: Math.max(page.prunedThrough, next.prunedThrough),
    goneThrough: Math.max(goneThrough(page), goneThrough(next)),
  };
}

/** How long a look may take: one that nobody waits for, undefined, as long as the history likes. */
function lookMs({ hasBusyOthers, hasOthers }: WorkShare): number | undefined {
  if (hasBusyOthers) return WORK_PIECE_MS;
  return hasOthers ? WORK_SLICE_MS : undefined;
}

/** A look that waits for an archive takes the thread's time in pieces, and no more than a slice of it at once. */
async function charged<T>(look: Promise<T>, share: WorkShare, began: number): Promise<T> {
  try {
    return await look;
  } finally {
    share.charge(Math.min(performance.now() - began, WORK_SLICE_MS));
  }
}
