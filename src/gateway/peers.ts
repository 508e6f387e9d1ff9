import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import type { EndpointGateways } from '../endpoint/gateways.js';
import { internalsOf } from '../endpoint/internals.js';
import { BusError } from '../protocol/errors.js';
import { GATEWAYS_ANSWER_MS } from '../protocol/limits/gateway.js';
import type { ConnectionInfo, ConnectionList } from '../protocol/operations.js';
import type { Clients } from './clients.js';

/**
 * The connections of all gateways of the bus. The main thread asks each of them; where it does not answer in time, or
 * the endpoint is one that the user made, this gateway's own are all that is known. A gateway has one; one thread uses
 * it.
 */
export class Peers {
  readonly #clients: Clients;
  readonly #gateways: EndpointGateways | undefined;
  readonly #leave: () => void;
  #asked: ReturnType<EndpointGateways['allConnections']> | undefined;

  constructor(endpoint: BusEndpoint, clients: Clients) {
    this.#clients = clients;
    this.#gateways = internalsOf(endpoint)?.gateways;
    const asked = {
      connections: () => JSON.stringify(clients.list()),
      disconnect: (id: string) => clients.disconnect(id),
    };
    this.#leave = this.#gateways?.add(asked) ?? (() => {});
  }

  close(): void {
    this.#leave();
  }

  /** The oldest first. @throws BusError `BUS_CLOSED` */
  async connections(): Promise<ConnectionList> {
    const answer = await inTime(this.#askAll());
    if (answer === undefined) return { connections: this.#clients.list(), complete: false };
    const connections = answer.lists.flatMap((list) => JSON.parse(list) as ConnectionInfo[]);
    connections.sort((a, b) => (a.id < b.id ? -1 : 1));
    return { connections, complete: answer.isComplete };
  }

  /**
   * Cuts a connection; false if there is none with this id.
   *
   * @throws BusError `TIMEOUT` if a gateway has not answered that may have it; `BUS_CLOSED`
   */
  async disconnect(id: string): Promise<boolean> {
    if (this.#clients.disconnect(id)) return true;
    const answer = await inTime(this.#gateways?.disconnectAnywhere(id));
    if (answer?.isFound) return true;
    if (answer?.isComplete || this.#gateways === undefined) return false;
    const message =
      'a gateway of the bus has not answered: if the connection is one of its own, it may still be cut';
    throw new BusError('TIMEOUT', message, { details: { timeoutMs: GATEWAYS_ANSWER_MS } });
  }

  /** Those who ask at the same time share one answer, so that a silent main thread is asked once. */
  #askAll(): ReturnType<EndpointGateways['allConnections']> | undefined {
    this.#asked ??= this.#gateways?.allConnections().finally(() => {
      this.#asked = undefined;
    });
    return this.#asked;
  }
}

/** `undefined` if the main thread has not answered in time. */
async function inTime<T>(answer: Promise<T> | undefined): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), GATEWAYS_ANSWER_MS);
  });
  try {
    return answer === undefined ? undefined : await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
