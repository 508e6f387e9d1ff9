import type { Principal } from '../../auth/principal.js';
import type { Settled } from '../../endpoint/internals.js';
import type { WireOutcome, WireSettlement } from '../../protocol/consumer-frames.js';
import { BusError } from '../../protocol/errors.js';
import { CONSUMER_CONCURRENCY_MAX } from '../../protocol/limits/consumers.js';
import { optionInvalid } from '../../protocol/options.js';
import type { ClientFrame, Result } from '../../protocol/wire.js';
import { CONSUMER_REQUEST_SCHEMAS } from '../../protocol/wire-consumers.js';
import type { ConsumerAsker } from '../consumers/consumer-asker.js';
import type { Alteration } from '../consumers/consumer-changes.js';
import type { GatewayConsumers, PageKind } from '../consumers/gateway-consumers.js';
import { assertMayConsume } from '../consumers/permitted.js';
import { errorData } from '../error-data.js';
import type { EventTexts } from '../event-texts.js';
import { singly } from '../pages.js';
import { cursorBefore } from '../permissions.js';
import type { PublishLane } from '../publish-lane.js';
import { ClientMembers } from './client-members.js';
import { deliveryText } from './delivery-frames.js';
import { frameText } from './frames.js';
import { sendList } from './list-frames.js';
import type { Outbound } from './outbound.js';

/** Answers the requests about durable consumers on one connection. */

type ConsumerType = keyof typeof CONSUMER_REQUEST_SCHEMAS;

export type ConsumerFrame = Extract<ClientFrame, { type: ConsumerType }>;

export function isConsumerFrame(frame: ClientFrame): frame is ConsumerFrame {
  return Object.hasOwn(CONSUMER_REQUEST_SCHEMAS, frame.type);
}

type FrameOf<T extends ConsumerType> = Extract<ConsumerFrame, { type: T }>;

export class ConsumerRequests {
  readonly #consumers: GatewayConsumers;
  readonly #outbound: Outbound;
  readonly #members: ClientMembers;
  readonly #asker: () => ConsumerAsker;
  readonly #lane: PublishLane;
  #texts: EventTexts;
  /** Aborts with the connection: pulls that wait end. */
  readonly #gone = new AbortController();

  /** `asker` returns the client with its present grants: a token may be renewed while a request waits. */
  constructor(
    consumers: GatewayConsumers,
    asker: () => ConsumerAsker,
    outbound: Outbound,
    texts: EventTexts,
    lane: PublishLane,
  ) {
    this.#lane = lane;
    this.#consumers = consumers;
    this.#asker = asker;
    this.#outbound = outbound;
    this.#texts = texts;
    this.#members = new ClientMembers(consumers, outbound, texts);
  }

  renew(principal: Principal, texts: EventTexts): void {
    this.#texts = texts;
    this.#members.renew(principal, texts);
  }

  /** Ends pulls that wait: the connection takes no more requests. */
  stop(): void {
    this.#gone.abort();
  }

  /** The connection has ended; `died`: without a word to the client's side. */
  async close(end: 'left' | 'died'): Promise<void> {
    this.stop();
    await this.#members.close(end);
  }

  /** Rejects with the `BusError` of a refusal. */
  async answer(frame: ConsumerFrame): Promise<void> {
    switch (frame.type) {
      case 'consumer':
        return this.#consumer(frame);
      case 'consumers':
        return this.#list(frame);
      case 'consumerOpen':
        return this.#page('open', frame);
      case 'consumerDead':
        return this.#page('dead', frame);
      case 'consumerHeldKeys':
        return this.#page('heldKeys', frame);
      case 'seekPreview': {
        const { name, from } = frame.payload;
        const preview = await this.#consumers.seekPreview(this.#asker(), name, from);
        return this.#send(frame, { preview });
      }
      case 'alterConsumer': {
        const { name, change } = frame.payload;
        await this.#consumers.alter(this.#asker(), name, change as Alteration);
        return this.#send(frame, {});
      }
      case 'redrive': {
        const { name, ...options } = frame.payload;
        return this.#send(frame, await this.#consumers.redrive(this.#asker(), name, options));
      }
      case 'pull':
        return this.#pull(frame);
      case 'settle':
        return this.#settle(frame);
      case 'ackAndPublish':
        return this.#ackAndPublish(frame);
      case 'join':
        return this.#join(frame);
      case 'resize':
        return this.#resize(frame);
      case 'leave':
        return this.#leave(frame);
    }
  }

  async #consumer({ payload, requestId }: FrameOf<'consumer'>): Promise<void> {
    const { name, options } = payload;
    const asker = this.#asker();
    const consumer =
      options === undefined
        ? await this.#consumers.open(asker, name)
        : (await this.#consumers.make(asker, name, options)).consumer;
    this.#outbound.send(frameText('result', { consumer }, requestId));
  }

  async #list({ payload, requestId }: FrameOf<'consumers'>): Promise<void> {
    const asker = this.#asker();
    asker.rates.query();
    await asker.budget.query(async (turns) => {
      const pages = singly(this.#consumers.list(asker, payload?.names, turns));
      const list = { field: 'consumers', pages, textOf: JSON.stringify } as const;
      await sendList(this.#outbound, asker.budget.work, list, requestId);
    });
  }

  async #page(
    kind: PageKind,
    frame: FrameOf<'consumerOpen' | 'consumerHeldKeys' | 'consumerDead'>,
  ): Promise<void> {
    const { name, ...options } = frame.payload;
    this.#send(frame, { page: await this.#consumers.page(this.#asker(), kind, name, options) });
  }

  #send({ requestId }: ConsumerFrame, result: Result): void {
    this.#outbound.send(frameText('result', result, requestId));
  }

  async #pull({ payload, requestId }: FrameOf<'pull'>): Promise<void> {
    const { consumer, ...options } = payload;
    const { signal } = this.#gone;
    const asker = this.#asker();
    await this.#consumers.leases.pull(asker, consumer, options, signal, async (items) => {
      assertMayConsume(this.#asker().principal, consumer);
      const textOf = (one: (typeof items)[number]): string => deliveryText(one, this.#texts);
      const list = { field: 'deliveries', pages: [items], textOf } as const;
      if (await sendList(this.#outbound, asker.budget.work, list, requestId)) return;
      throw new BusError('ABORTED', 'the client has gone before it had its answer');
    });
  }

  async #settle({ payload, requestId }: FrameOf<'settle'>): Promise<void> {
    const asker = this.#asker();
    const settled = payload.settlements.map((one) => this.#settleOne(asker, one));
    const results = await Promise.all(
      settled.map((one) => one.then(asResult, (error: BusError) => refusal(error))),
    );
    this.#outbound.send(frameText('settled', { results }, requestId));
  }

  /** A lease that is out with this connection counts on its member; others are settled by their texts. */
  #settleOne(asker: ConsumerAsker, settlement: WireSettlement): Promise<Settled> {
    return this.#members.settle(settlement) ?? this.#consumers.leases.settleOne(asker, settlement);
  }

  async #ackAndPublish({ payload, requestId }: FrameOf<'ackAndPublish'>): Promise<void> {
    const asker = this.#asker();
    const { lease, events: _, ...options } = payload;
    const acks = await this.#consumers.leases.ackAndPublish(asker, payload, this.#lane, (events) =>
      this.#members.ackAndPublish(lease, events, options),
    );
    const cursor = cursorBefore(this.#asker().principal, acks);
    const answer = cursor === undefined ? { acks } : { acks, cursor };
    this.#outbound.send(frameText('published', answer, requestId));
  }

  async #join({ payload, requestId }: FrameOf<'join'>): Promise<void> {
    const member = await this.#members.join(this.#asker(), payload);
    try {
      assertMayConsume(this.#asker().principal, payload.consumer);
    } catch (error) {
      member.expel(error);
      throw error;
    }
    this.#outbound.send(frameText('joined', member.joined, requestId));
    member.announce();
  }

  async #resize({ payload, requestId }: FrameOf<'resize'>): Promise<void> {
    const { member: name, concurrency } = payload;
    const member = this.#members.find(name);
    if (concurrency < 1 || concurrency > CONSUMER_CONCURRENCY_MAX) {
      const fault = `has to be a whole number from 1 to ${CONSUMER_CONCURRENCY_MAX}, not ${concurrency}`;
      throw optionInvalid('resize', 'concurrency', fault);
    }
    member.member!.resize(concurrency);
    this.#outbound.send(frameText('joined', member.joined, requestId));
  }

  async #leave({ payload, requestId }: FrameOf<'leave'>): Promise<void> {
    const { member } = payload;
    await this.#members.leave(member);
    this.#outbound.send(frameText('left', { member }, requestId));
  }
}

function asResult(settled: Settled): WireOutcome {
  return settled;
}

function refusal(error: BusError): WireOutcome {
  const { code, message } = errorData(error);
  return { code, message };
}
