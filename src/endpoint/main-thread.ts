/**
 * The thread that opened the bus, as an endpoint sees it: it serves a few calls, and it says what becomes of the shards. The
 * opener's endpoint calls it directly, an attached worker over a port.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { AnswerOf, NameOf, RequestOf } from '../link/calls.js';
import { type CallContext, type Caller, PortCaller } from '../link/port-calls.js';
import { BusError, type ErrorData } from '../protocol/errors.js';
import type { BackupProgress } from '../store/backup.js';

export interface MainCallContext extends CallContext {
  /** Of a backup. Functions do not cross threads, so the opener's alone is called. */
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined;
}

export interface MainThread extends Caller<'main', MainCallContext> {
  /** The endpoint has left. */
  close(): void;
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

/** The same as it crosses threads. */
export type MainNotice =
  | {
      readonly notice: 'relink';
      readonly shard: number;
      readonly port: MessagePort;
      readonly generation: number;
    }
  | { readonly notice: 'failed'; readonly shard: number; readonly error: ErrorData }
  | { readonly notice: 'closing' }
  | { readonly notice: 'closed' };

/** The attached worker's side of the port. */
export class MainConnection implements MainThread {
  /** Main has said that the bus is closed. */
  readonly isClosed: boolean;
  readonly #port: MessagePort;
  readonly #calls: PortCaller<'main'>;
  /** Said since the attachment was made: shards may have been replaced. */
  readonly #early: MainNotice[] = [];

  constructor(port: MessagePort) {
    this.#port = port;
    this.#calls = new PortCaller(port);
    for (let said = receiveMessageOnPort(port); said; said = receiveMessageOnPort(port)) {
      this.#early.push(said.message as MainNotice);
    }
    this.isClosed = this.#early.some(({ notice }) => notice === 'closed');
  }

  /** From now on the listener hears what main says; first of all what it has said before. */
  connect(listener: EndpointListener): void {
    for (const notice of this.#early.splice(0)) pass(notice, listener);
    this.#port.on('message', (message: MainNotice) => {
      if (!this.#calls.take(message)) pass(message, listener);
    });
    this.#port.unref();
    // The thread that opened the bus is gone, and so are the shards.
    this.#port.on('close', () => {
      this.#calls.fail(
        new BusError('BUS_CLOSED', 'the bus that this worker was attached to is closed'),
      );
      listener.onClosed();
    });
  }

  call<N extends NameOf<'main'>>(
    name: N,
    request: RequestOf<N>,
    context?: CallContext,
  ): Promise<AnswerOf<N>> {
    return this.#calls.call(name, request, context);
  }

  close(): void {
    this.#port.close();
  }
}

function pass(message: MainNotice, listener: EndpointListener): void {
  switch (message.notice) {
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
