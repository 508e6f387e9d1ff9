import type { Drained } from '../../async-context/drain-in-handler.js';
import type { NoticeHost } from '../../handout/consume/consumer-notices.js';
import type { ConsumerRun } from '../../handout/consume/run.js';
import type { Dispatcher } from '../../handout/dispatcher.js';
import { assertConsumerName, parseConsumerOptions } from '../../protocol/consumer-definition.js';
import type { Consumer, ConsumerInfo, ConsumerOptions } from '../../protocol/consumers.js';
import type { BusError } from '../../protocol/errors.js';
import type { ServerFrame } from '../../protocol/wire.js';
import type { Requests } from '../requests.js';
import { wireFrom } from '../subscribe-options.js';
import { ClientConsumer, type ConsumerHost } from './client-consumer.js';
import type { RemoteDelivery } from './remote-delivery.js';
import { type MembersHost, RemoteMembers } from './remote-members.js';

/** The consumers that a client has opened, and its members of them. */

export interface ConsumersHost extends MembersHost, Omit<NoticeHost, 'hasSystemEvents'> {
  /** Connects a lazy client. @throws BusError if the client is closed or has failed */
  wake(): void;
}

export class ClientConsumers implements ConsumerHost {
  readonly members: RemoteMembers;
  readonly turns: Dispatcher;
  /** The server's bus may have none; then the listeners hear nothing. */
  readonly hasSystemEvents = true;
  readonly runs = new Set<ConsumerRun<RemoteDelivery>>();
  readonly #host: ConsumersHost;

  constructor(host: ConsumersHost) {
    this.#host = host;
    this.turns = host.turns;
    this.members = new RemoteMembers(host);
  }

  /** Opens a consumer, or makes it. A call without `update` is repeated over the next connection if need be. */
  async open<P>(name: string, options: ConsumerOptions<P> | undefined): Promise<Consumer<P>> {
    assertConsumerName(name);
    const payload = JSON.stringify({ name, options: options && wireOptions(options) });
    const requests = this.requests();
    const answer =
      options?.update === true
        ? await requests.order('consumer', payload)
        : await requests.ask('consumer', payload);
    return new ClientConsumer<P>(answer.consumer!, this);
  }

  async list(): Promise<ConsumerInfo[]> {
    const { consumers = [] } = await this.requests().ask('consumers', '{}');
    return [...consumers];
  }

  requests(): Requests {
    this.#host.wake();
    return this.#host.requests;
  }

  readonly subscribe: NoticeHost['subscribe'] = (topic, handler) =>
    this.#host.subscribe(topic, handler);

  report(error: BusError): void {
    this.#host.report(error);
  }

  /** The handlers at work, for a wait that must not wait for its own caller. */
  get drained(): readonly Drained[] {
    return [...this.runs].flatMap(({ drained }) => drained);
  }

  /** Resolves when the handlers that are at work now have ended, and all that members have said is decided. */
  async handled(): Promise<void> {
    const { settler, waiters } = this.members;
    const atWork = [...this.runs].flatMap((run) => [...run.atWork]);
    await waiters.when(() => atWork.every(({ state }) => state === 'over'));
    const said = settler.all();
    await waiters.when(() => said.every(({ outcome }) => outcome !== undefined));
  }

  /** False if the frame is not about members. @throws BusError `MESSAGE_INVALID` */
  take(frame: ServerFrame): boolean {
    return this.members.take(frame);
  }

  connected(): void {
    this.members.connected();
  }

  lost(): void {
    this.members.lost();
  }

  /** The client closes: sends what is settled, as long as there is a connection. */
  flush(): void {
    this.members.settler.flush();
  }

  /** A client that had given up connects again. */
  revive(): void {
    this.members.settler.revive();
  }

  end(error: BusError): void {
    this.members.end(error);
  }
}

function wireOptions<P>(options: ConsumerOptions<P>): object {
  const { definition, from } = parseConsumerOptions(options);
  return { ...options, filter: definition.filter, from: wireFrom(from) };
}
