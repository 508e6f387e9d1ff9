/** All that an endpoint has of durable consumers: those its program holds, and those of a gateway's clients. */
import type { Drained } from '../../async-context/drain-in-handler.js';
import type { ConsumerRun } from '../../handout/consume/run.js';
import type { Dispatcher } from '../../handout/dispatcher.js';
import type { Consumer, ConsumerInfo, ConsumerOptions } from '../../protocol/consumers.js';
import type { BusError } from '../../protocol/errors.js';
import type { EndpointEnd } from '../links/endpoint-end.js';
import { ClientConsumers } from './client-consumers.js';
import { BusConsumer, type ConsumerHost } from './consumer.js';
import { endMembers, handlersOf, whenHandled } from './ending.js';
import { listConsumers, pendingOf } from './list-consumers.js';
import type { PublishWithAck } from './member.js';
import { Members } from './members.js';
import { openConsumer } from './open-consumer.js';

/** The endpoint, as this part sees it. */
export interface ConsumersEndpoint
  extends Omit<ConsumerHost, 'ends' | 'members' | 'runs' | 'turns'> {
  readonly ends: readonly EndpointEnd[];
  readonly publishWithAck: PublishWithAck;
}

export class EndpointConsumers {
  readonly members: Members;
  readonly clients: ClientConsumers;
  readonly #runs = new Set<ConsumerRun>();
  readonly #host: ConsumerHost;

  /** `segments`: how many first segments of a topic decide its shard; 0: all of it does. */
  constructor(endpoint: ConsumersEndpoint, turns: Dispatcher, segments: number) {
    const { ends, publishWithAck } = endpoint;
    this.members = new Members(ends, turns, publishWithAck, segments);
    this.#host = { ...endpoint, members: this.members, runs: this.#runs, turns };
    this.clients = new ClientConsumers(this.#host);
  }

  /** As `Bus.consumer`. */
  async open<P>(name: string, options?: ConsumerOptions<P>): Promise<Consumer<P>> {
    this.#host.assertOpen();
    return new BusConsumer<P>(await openConsumer(this.#host.main, name, options), this.#host);
  }

  /** As `Bus.consumers`. */
  async list(): Promise<ConsumerInfo[]> {
    this.#host.assertOpen();
    return listConsumers(this.#host);
  }

  /** About how much these consumers have to do, by name; without those that are not there. Rejects as a list does. */
  pendingOf(names: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return pendingOf(names, this.#host);
  }

  /** The handlers at work, for a wait that must not wait for its own caller. */
  get atWork(): Drained[] {
    return handlersOf(this.#runs);
  }

  /** Resolves when the handlers that are at work now have ended, and all that members have said is confirmed. */
  handled(): Promise<void> {
    return whenHandled(this.members, this.#runs);
  }

  /** Ends the members, whose handlers may still publish meanwhile. Takes no time if there are none. */
  async end(closed: BusError): Promise<void> {
    this.members.refuse(closed);
    await endMembers(this.members, this.#runs, closed);
  }
}
