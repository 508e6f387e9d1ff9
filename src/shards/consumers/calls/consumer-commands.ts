/** Serves the calls about durable consumers. Only the shard's loop touches this. */
import type { AnswerOf, NameOf, RequestOf } from '../../../link/calls.js';
import type { CONSUMER_CALLS } from '../../../link/consumer-calls.js';
import type {
  ConsumerJoinAnswer,
  ConsumerJoinRequest,
  ConsumerShardState,
  OfConsumer,
  OnlyAs,
} from '../../../link/consumer-shapes.js';
import { assertStill } from '../../../link/consumer-still.js';
import type { Shard } from '../../shard.js';
import type { ShardEnd } from '../../shard-end.js';
import { consumerUnknown, type Desk } from '../desk.js';
import type { DeskConsumer } from '../desk-consumer.js';
import { dueLetters, noteSent } from './letters.js';
import { heldKeysPage, openPage, stateOf } from './questions.js';
import { Redriving } from './redriving.js';
import { seekPreview } from './seek-preview.js';
import { WhenLooked, WhenStored } from './when-stored.js';

type ConsumerCall = Extract<keyof typeof CONSUMER_CALLS, NameOf<'shard'>>;

export type ConsumerHandlers = {
  [N in ConsumerCall]: (
    request: RequestOf<N>,
    link: ShardEnd,
  ) => AnswerOf<N> | WhenStored<AnswerOf<N>> | WhenLooked<AnswerOf<N>>;
};

export class ConsumerCommands {
  readonly #shard: Shard;

  constructor(shard: Shard) {
    this.#shard = shard;
  }

  readonly handlers: ConsumerHandlers = {
    applyConsumers: ({ entries }) => {
      this.#shard.applyConsumers(entries);
      return null;
    },
    consumerJoin: (request, link) => this.#join(request, link),
    consumerLeave: ({ member, how }, link) => {
      const { desk } = this.#shard;
      const found = desk?.members.find(link, member);
      if (desk !== undefined && found !== undefined) desk.members.leave(found, how, desk.now());
      return null;
    },
    consumerLook: ({ member }) =>
      this.#shard.desk === undefined ? null : new WhenLooked(null, member),
    consumersClaimed: (_, link) => {
      this.#shard.desk?.claims.claimed(link);
      return null;
    },
    consumerState: ({ consumer }) => this.#of(consumer, stateOf),
    consumerStates: ({ consumers }) => ({ states: consumers.map((id) => this.#stateOf(id)) }),
    consumerOpen: (request) =>
      this.#of(request.consumer, (desk, consumer) => openPage(desk, consumer, request)),
    consumerHeldKeys: (request) =>
      this.#of(request.consumer, (desk, consumer) => heldKeysPage(desk, consumer, request)),
    consumerDead: (request) =>
      this.#of(request.consumer, (desk, consumer) => desk.entries.page(consumer, request)),
    consumerFindDead: (request) =>
      this.#of(request.consumer, (desk, consumer) => desk.entries.find(consumer, request)),
    consumerRedrive: (request) =>
      this.#ofStill(request, ({ store, events, entries }, consumer) => {
        const answer = new Redriving(store, events, entries).redrive(consumer, request);
        return request.isDry ? answer : new WhenStored(answer);
      }),
    consumerSeekPreview: (request) =>
      this.#of(request.consumer, (desk, consumer) => seekPreview(desk, consumer, request)),
    consumerSkip: (request) =>
      this.#ofStill(request, (_, { machine, dead }) => {
        const { sequence } = request;
        const isFound = machine.skip(sequence);
        if (isFound) dead.over(sequence);
        return new WhenStored({ isFound });
      }),
    takeLetters: (request) => {
      const { desk } = this.#shard;
      if (desk === undefined) return { letters: [] };
      const { store, events, roster, onDamage } = desk;
      return { letters: dueLetters(store, events, roster.byId, request, onDamage) };
    },
    lettersSent: (letters) => {
      const { desk } = this.#shard;
      if (desk === undefined) return null;
      noteSent(desk.roster.byId, letters);
      return new WhenStored(null);
    },
  };

  #join(request: ConsumerJoinRequest, link: ShardEnd): ConsumerJoinAnswer {
    const { delivered: position } = this.#shard;
    return this.#of(request.consumer, (desk, consumer) => {
      const kept = desk.members.join(consumer, request, link, desk.now());
      return { position, kept };
    });
  }

  /** Null if there is no such consumer. */
  #stateOf(id: string): ConsumerShardState | null {
    const { desk } = this.#shard;
    const consumer = desk?.roster.byId.get(id);
    return desk === undefined || consumer === undefined ? null : stateOf(desk, consumer);
  }

  /** @throws BusError `CONSUMER_UNKNOWN`, `CONFLICT` */
  #ofStill<T>(
    { consumer: id, onlyAs }: OfConsumer & OnlyAs,
    use: (desk: Desk, consumer: DeskConsumer) => T,
  ): T {
    return this.#of(id, (desk, consumer) => {
      const { name } = consumer.entry;
      if (onlyAs !== undefined) assertStill(name, { id, definition: onlyAs }, consumer.entry);
      return use(desk, consumer);
    });
  }

  /** @throws BusError `CONSUMER_UNKNOWN` */
  #of<T>(id: string, use: (desk: Desk, consumer: DeskConsumer) => T): T {
    const { desk } = this.#shard;
    if (desk === undefined) throw consumerUnknown(id);
    return use(desk, desk.consumer(id));
  }
}
