/**
 * What an endpoint needs of the thread that opened the bus: history, which reader threads read, and the
 * meaning of cursors. The opener's endpoint calls it directly, an attached worker over a port.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { BusError, type ErrorData } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';
import type { BackupProgress, BackupResult } from '../store/backup.js';
import type { ResolvedCursor } from '../store/cursor-positions.js';
import type { Page, PageRequest } from '../store/page.js';
import type { PatternTotals, PruneRequest, PruneStep } from '../store/pruning.js';
import { OpenCalls } from './open-calls.js';
import type { PruneServices } from './prune.js';

export interface MainServices extends PruneServices {
  /** The next page of a shard's history. */
  page(shard: number, request: PageRequest): Promise<Page>;
  /** The last sequence that was recorded before a time, in ms since 1970. */
  positionAt(shard: number, timeMs: number): Promise<number>;
  /** @throws BusError `CURSOR_INVALID`, `CURSOR_EXPIRED` */
  resolveCursor(cursor: string): Promise<ResolvedCursor>;
  backup(dir: string, onProgress?: (progress: BackupProgress) => void): Promise<BackupResult>;
  /** Gives the backup up that is under way. */
  abortBackup(): Promise<void>;
  /** The endpoint has left every shard; resolves when main has crossed it off. */
  left(): Promise<void>;
}

/** What main tells an endpoint of its own accord. */
export interface EndpointListener {
  /** A shard's thread was replaced; `port` is the new end of the link. */
  onRelink(shard: number, port: MessagePort, generation: number): void;
  onShardFailed(shard: number, error: BusError): void;
  /** The bus closes: nothing more is accepted, what was is still acknowledged. */
  onClosing(): void;
  /** The shards have ended. */
  onClosed(): void;
}

type ServiceCall =
  | { readonly call: 'page'; readonly shard: number; readonly request: PageRequest }
  | { readonly call: 'positionAt'; readonly shard: number; readonly timeMs: number }
  | { readonly call: 'resolveCursor'; readonly cursor: string }
  | { readonly call: 'totals'; readonly shard: number; readonly pattern: string }
  | { readonly call: 'pruneStep'; readonly shard: number; readonly request: PruneRequest }
  | { readonly call: 'backup'; readonly dir: string }
  | { readonly call: 'abortBackup' }
  | { readonly call: 'left' };

type FromEndpoint = ServiceCall & { readonly id: number };

type FromMain =
  | { readonly tell: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly tell: 'refusal'; readonly id: number; readonly error: ErrorData }
  | {
      readonly tell: 'relink';
      readonly shard: number;
      readonly port: MessagePort;
      readonly generation: number;
    }
  | { readonly tell: 'failed'; readonly shard: number; readonly error: ErrorData }
  | { readonly tell: 'closing' }
  | { readonly tell: 'closed' };

/** The attached worker's side. */
export class ServicesProxy implements MainServices {
  /** Main has said that the bus is closed. */
  readonly isClosed: boolean;
  readonly #port: MessagePort;
  readonly #calls = new OpenCalls();
  /** Said since the attachment was made: shards may have been replaced. */
  readonly #early: FromMain[] = [];
  #isLost = false;

  constructor(port: MessagePort) {
    this.#port = port;
    for (let said = receiveMessageOnPort(port); said; said = receiveMessageOnPort(port)) {
      this.#early.push(said.message as FromMain);
    }
    this.isClosed = this.#early.some(({ tell }) => tell === 'closed');
  }

  /** From now on the listener hears what main says; first of all what it has said before. */
  connect(listener: EndpointListener): void {
    for (const message of this.#early.splice(0)) this.#onMessage(message, listener);
    this.#port.on('message', (message: FromMain) => this.#onMessage(message, listener));
    this.#port.unref();
    // The thread that opened the bus is gone, and so are the shards.
    this.#port.on('close', () => {
      this.#isLost = true;
      this.#calls.rejectAll(gone());
      listener.onClosed();
    });
  }

  page(shard: number, request: PageRequest): Promise<Page> {
    return this.#call({ call: 'page', shard, request });
  }

  positionAt(shard: number, timeMs: number): Promise<number> {
    return this.#call({ call: 'positionAt', shard, timeMs });
  }

  resolveCursor(cursor: string): Promise<ResolvedCursor> {
    return this.#call({ call: 'resolveCursor', cursor });
  }

  totals(shard: number, pattern: string): Promise<PatternTotals> {
    return this.#call({ call: 'totals', shard, pattern });
  }

  pruneStep(shard: number, request: PruneRequest): Promise<PruneStep> {
    return this.#call({ call: 'pruneStep', shard, request });
  }

  backup(dir: string): Promise<BackupResult> {
    return this.#call({ call: 'backup', dir });
  }

  abortBackup(): Promise<void> {
    return this.#call({ call: 'abortBackup' });
  }

  async left(): Promise<void> {
    if (this.#isLost) return;
    await this.#call({ call: 'left' });
    this.#port.close();
  }

  #call<T>(call: ServiceCall): Promise<T> {
    if (this.#isLost) return Promise.reject(gone());
    return this.#calls.open<T>((id) => {
      this.#port.postMessage({ ...call, id } satisfies FromEndpoint);
    });
  }

  #onMessage(message: FromMain, listener: EndpointListener): void {
    switch (message.tell) {
      case 'answer':
        this.#calls.resolve(message.id, message.value);
        break;
      case 'refusal':
        this.#calls.reject(message.id, BusError.from(message.error));
        break;
      case 'relink':
        listener.onRelink(message.shard, message.port, message.generation);
        break;
      case 'failed':
        listener.onShardFailed(message.shard, BusError.from(message.error));
        break;
      case 'closing':
        listener.onClosing();
        break;
      case 'closed':
        listener.onClosed();
    }
  }
}

/** Main's side: serves one attached worker. */
export class ServicesAdapter implements EndpointListener {
  readonly #port: MessagePort;
  readonly #onLeft: () => void;

  /** `onLeft` is called when the worker has left, and again when its port closes: it may have died. */
  constructor(port: MessagePort, services: MainServices, onLeft: () => void) {
    this.#port = port;
    this.#onLeft = onLeft;
    port.on('message', (message: FromEndpoint) => void this.#serve(message, services));
    port.unref();
    port.on('close', onLeft);
  }

  onRelink(shard: number, port: MessagePort, generation: number): void {
    this.#tell({ tell: 'relink', shard, port, generation }, [port]);
  }

  onShardFailed(shard: number, error: BusError): void {
    this.#tell({ tell: 'failed', shard, error: error.toJSON() });
  }

  onClosing(): void {
    this.#tell({ tell: 'closing' });
  }

  onClosed(): void {
    this.#tell({ tell: 'closed' });
    // What was told before still arrives.
    this.#port.close();
  }

  async #serve(message: FromEndpoint, services: MainServices): Promise<void> {
    const { id } = message;
    try {
      if (message.call === 'left') this.#onLeft();
      this.#tell({ tell: 'answer', id, value: await answer(message, services) });
    } catch (error) {
      this.#tell({ tell: 'refusal', id, error: errorData(error) });
    }
  }

  #tell(message: FromMain, transferList: MessagePort[] = []): void {
    this.#port.postMessage(message, transferList);
  }
}

function answer(message: FromEndpoint, services: MainServices): Promise<unknown> | undefined {
  switch (message.call) {
    case 'page':
      return services.page(message.shard, message.request);
    case 'positionAt':
      return services.positionAt(message.shard, message.timeMs);
    case 'resolveCursor':
      return services.resolveCursor(message.cursor);
    case 'totals':
      return services.totals(message.shard, message.pattern);
    case 'pruneStep':
      return services.pruneStep(message.shard, message.request);
    case 'backup':
      return services.backup(message.dir);
    case 'abortBackup':
      return services.abortBackup();
    case 'left':
      return undefined;
  }
}

function errorData(error: unknown): ErrorData {
  if (error instanceof BusError) return error.toJSON();
  return { code: 'STORE_FAILED', message: messageOf(error) };
}

function gone(): BusError {
  return new BusError('BUS_CLOSED', 'the bus that this worker was attached to is closed');
}
