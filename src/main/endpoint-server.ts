/** The opener's side of its connection to an endpoint: over a port to an attached worker, directly to its own. */
import type { MessagePort } from 'node:worker_threads';
import type {
  EndpointListener,
  MainCallContext,
  MainNotice,
  MainThread,
} from '../endpoint/main-thread.js';
import type { AnswerOf, Handlers, NameOf, RequestOf } from '../link/calls.js';
import { PortCaller, PortServer } from '../link/port-calls.js';
import { BusError } from '../protocol/errors.js';

/** Serves one attached worker. */
export class EndpointServer implements EndpointListener {
  readonly gateways: PortCaller<'gateway'>;
  readonly #port: MessagePort;

  /** `onGone` is called when the port closes: the worker has left, or died. */
  constructor(port: MessagePort, handlers: Handlers<'main', MainCallContext>, onGone: () => void) {
    this.#port = port;
    this.gateways = new PortCaller<'gateway'>(port);
    const server = new PortServer<'main'>(port, handlers);
    port.on('message', (message) => {
      if (!this.gateways.take(message)) server.take(message);
    });
    port.unref();
    port.on('close', () => {
      server.close();
      this.gateways.fail(new BusError('BUS_CLOSED', 'the thread of the gateway has ended'));
      onGone();
    });
  }

  onRelink(shard: number, port: MessagePort, generation: number): void {
    this.#notify({ notice: 'relink', shard, port, generation }, [port]);
  }

  onShardFailed(shard: number, error: BusError): void {
    this.#notify({ notice: 'failed', shard, error: error.toJSON() });
  }

  onReaderEnded(thread: number): void {
    this.#notify({ notice: 'reader-ended', thread });
  }

  onClosing(): void {
    this.#notify({ notice: 'closing' });
  }

  onClosed(): void {
    this.#notify({ notice: 'closed' });
    // Messages sent before the close still arrive.
    this.#port.close();
  }

  #notify(notice: MainNotice, transferList: MessagePort[] = []): void {
    this.#port.postMessage(notice, transferList);
  }
}

/** Serves the opener's own endpoint, without a port in between. */
export class OwnThread implements MainThread {
  readonly #handlers: Handlers<'main', MainCallContext>;

  constructor(handlers: Handlers<'main', MainCallContext>) {
    this.#handlers = handlers;
  }

  async call<N extends NameOf<'main'>>(
    name: N,
    request: RequestOf<N>,
    context: MainCallContext = { signal: undefined },
  ): Promise<AnswerOf<N>> {
    return this.#handlers[name](request, context);
  }

  close(): void {}
}
