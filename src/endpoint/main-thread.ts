/**
 * The thread that opened the bus, as an endpoint sees it: it serves a few calls and notifies of changes to the shards.
 * The opener's endpoint calls it directly, an attached worker over a port.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { AnswerOf, NameOf, RequestOf } from '../link/calls.js';
import {
  type CallContext,
  type Caller,
  PortCaller,
  PortServer,
  type ToServer,
} from '../link/port-calls.js';
import { BusError, type ErrorData } from '../protocol/errors.js';
import type { BackupProgress } from '../store/backup.js';

export interface MainCallContext extends CallContext {
  /** The progress callback of a backup. Only the opener's is called: functions cannot be sent between threads. */
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined;
}

export interface MainThread extends Caller<'main', MainCallContext> {
  /** Called once the endpoint has left. */
  close(): void;
}

/** Notices that main sends to an endpoint unasked, and the calls that it makes to the endpoint's gateways. */
export interface EndpointListener {
  readonly gateways: Caller<'gateway'>;
  /** The thread that one of its links leads to was replaced; `port` is the new end of the link. */
  onRelink(link: number, port: MessagePort, generation: number): void;
  /** The shard, or the thread that serves a shard's consumers, at the end of this link was given up. */
  onShardFailed(link: number, error: BusError): void;
  /** A thread that reads history has ended. An attachment that was not taken up did not hear its port close. */
  onReaderEnded(thread: number): void;
  /** The bus is closing: it accepts no more publishes, and still acknowledges those that it has accepted. */
  onClosing(): void;
  /** The shards have ended. */
  onClosed(): void;
}

/** The notices as messages between threads. */
export type MainNotice =
  | {
      readonly notice: 'relink';
      readonly shard: number;
      readonly port: MessagePort;
      readonly generation: number;
    }
  | { readonly notice: 'failed'; readonly shard: number; readonly error: ErrorData }
  | { readonly notice: 'reader-ended'; readonly thread: number }
  | { readonly notice: 'closing' }
  | { readonly notice: 'closed' };

/** The attached worker's side of the port. */
export class MainConnection implements MainThread {
  /** The bus was closed before the worker attached. */
  readonly isClosed: boolean;
  readonly #port: MessagePort;
  readonly #calls: PortCaller<'main'>;
  /** Notices sent since the attachment was made, as shards may have been replaced since. */
  readonly #early: MainNotice[] = [];

  constructor(port: MessagePort) {
    this.#port = port;
    this.#calls = new PortCaller(port);
    for (let said = receiveMessageOnPort(port); said; said = receiveMessageOnPort(port)) {
      this.#early.push(said.message as MainNotice);
    }
    this.isClosed = this.#early.some(({ notice }) => notice === 'closed');
  }

  /** Passes main's notices and calls to the listener from now on, beginning with the earlier notices. */
  connect(listener: EndpointListener): void {
    for (const notice of this.#early.splice(0)) pass(notice, listener);
    const { gateways } = listener;
    const server = new PortServer<'gateway'>(this.#port, {
      listConnections: (request) => gateways.call('listConnections', request),
      disconnect: (request) => gateways.call('disconnect', request),
      question: (request, context) => gateways.call('question', request, context),
    });
    this.#port.on('message', (message: MainNotice | ToServer) => {
      if ('notice' in message) pass(message, listener);
      else if (!this.#calls.take(message)) server.take(message);
    });
    this.#port.unref();
    // The port closes when the thread that opened the bus has ended, and its shards with it.
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
    case 'reader-ended':
      listener.onReaderEnded(message.thread);
      break;
    case 'closing':
      listener.onClosing();
      break;
    case 'closed':
      listener.onClosed();
  }
}
