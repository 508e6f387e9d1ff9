import type { AnswerOf, Handlers, NameOf, RequestOf } from '../link/calls.js';
import type { CallContext, Caller } from '../link/port-calls.js';
import type { DefinitionInfo } from '../protocol/operations.js';
import type { MainThread } from './main-thread.js';

/**
 * The gateways that run over one endpoint, and the way to those of all others: the main thread knows the endpoints that
 * have a gateway, and asks each of them.
 */

/** A gateway, as far as others may ask it. Neither call waits for anything. */
export interface AskedGateway {
  /** Its connections, as the JSON text of an array of `ConnectionInfo`. */
  connections(): string;
  /** Cuts the connection; false if it is none of this gateway. */
  disconnect(id: string): boolean;
}

type Answerer = (
  question: RequestOf<'question'>,
  signal: AbortSignal | undefined,
) => Promise<AnswerOf<'question'>>;

export class EndpointGateways implements Caller<'gateway'> {
  readonly #main: MainThread;
  readonly #answer: Answerer;
  readonly #open = new Set<AskedGateway>();
  readonly #handlers: Handlers<'gateway', CallContext | undefined> = {
    question: (request, context) => this.#answer(request, context?.signal),
    listConnections: () => ({ lists: [...this.#open].map((gateway) => gateway.connections()) }),
    disconnect: ({ id }) => ({
      isFound: [...this.#open].some((gateway) => gateway.disconnect(id)),
    }),
  };

  /** @param answer has a responder of this endpoint answer a question */
  constructor(main: MainThread, answer: Answerer) {
    this.#main = main;
    this.#answer = answer;
  }

  /** Lets others ask the gateway, until the returned function is called. */
  add(gateway: AskedGateway): () => void {
    this.#open.add(gateway);
    this.#announce();
    return () => {
      this.#open.delete(gateway);
      this.#announce();
    };
  }

  /** Answers a call of the main thread. */
  async call<N extends NameOf<'gateway'>>(
    name: N,
    request: RequestOf<N>,
    context?: CallContext,
  ): Promise<AnswerOf<N>> {
    return this.#handlers[name](request, context);
  }

  /** The connections of all gateways of the bus. */
  allConnections(): Promise<AnswerOf<'allConnections'>> {
    return this.#main.call('allConnections', {});
  }

  disconnectAnywhere(id: string): Promise<AnswerOf<'disconnectAnywhere'>> {
    return this.#main.call('disconnectAnywhere', { id });
  }

  /** The topics with which the bus was opened. */
  async definitions(): Promise<readonly DefinitionInfo[]> {
    return (await this.#main.call('definitions', {})).definitions;
  }

  #announce(): void {
    // The call fails only where the bus has ended, and then nobody asks any more.
    this.#main.call('announceGateways', { gateways: this.#open.size }).catch(() => {});
  }
}
