/**
 * Deliveries of a shard without a thread, against plain lists of what each subscription wants. Subscriptions begin now, in
 * history, or read it themselves first; credit comes and goes; delivery rings are small and read late. Each gets every
 * stored event that it wants, once and in order, and each ephemeral one or the word that it was dropped; never more than
 * it has credit for; and none that has expired.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CONTROL_CREDIT,
  CONTROL_GENERATION,
  CREDIT_BYTES_COUNT,
  CREDIT_EVENTS_COUNT,
  CREDIT_LENGTH,
  CREDIT_SUBSCRIPTION,
  DELIVERY_EVENT,
  DELIVERY_STATE,
  EVENT_SEQUENCE,
  EVENT_SUBSCRIPTION_IDS,
  EVENT_SUBSCRIPTIONS,
  eventRecordOffset,
  STATE_BODY,
  STATE_DROPPED,
  STATE_STATE,
} from '../../src/link/link-records.js';
import { ShardCounter } from '../../src/link/shard-control.js';
import type { SubscribeRequest } from '../../src/link/subscription-calls.js';
import type { ParsedFilter } from '../../src/protocol/filter.js';
import { EVENT_FLAG_PERSIST, EventRecordView } from '../../src/record/event-record.js';
import type { LinkSubscription } from '../../src/shards/routes.js';
import { ShardEnd } from '../../src/shards/shard-end.js';
import { LIVE } from '../../src/shards/shard-subscription.js';
import { makeShard, subscribeRequest, TestLink } from './support.js';

const MUCH = 1_000_000;

interface Published {
  readonly id: string;
  readonly topic: string;
  readonly type: string;
  readonly isStored: boolean;
}

interface Watched {
  readonly number: number;
  readonly end: number;
  readonly filter: ParsedFilter;
  readonly got: Published[];
  /** The events that it is to get; undefined as long as it reads history itself. */
  wanted: Published[] | undefined;
  credit: number;
  told: number;
  /** Ephemeral events that came while it read history itself. */
  missed: number;
}

/** A shard with two links; the test works the endpoints' ends. */
class Rig {
  readonly made = makeShard();
  readonly links = [new TestLink(4096, 'e0'), new TestLink(2048, 'e1')];
  readonly ends = this.links.map(({ end }) => {
    const { shard } = this.made;
    const shardEnd = new ShardEnd(end, (subscription) =>
      shard.noteDropped(subscription as LinkSubscription),
    );
    shard.add(shardEnd);
    return shardEnd;
  });
  /** Its acks are always read, so that all its publishes are taken in their order. */
  readonly #publisher = new TestLink(65_536, 'publisher');
  readonly watched: Watched[] = [];
  readonly stored: Published[] = [];
  readonly #byId = new Map<string, Published>();
  #ids = 0;

  constructor() {
    this.made.join(this.#publisher);
  }

  watch(end: number, filter: ParsedFilter, rest: Partial<SubscribeRequest>): Watched {
    const number = this.watched.length + 1;
    this.turn();
    this.links[end]!.call('subscribe', subscribeRequest(number, [], { ...rest, filter }));
    this.turn();
    const after = typeof rest.start === 'number' ? rest.start : this.stored.length;
    const one: Watched = {
      ...{ number, end, filter, got: [], credit: rest.creditEvents!, told: 0, missed: 0 },
      wanted: rest.start === 'replay' ? undefined : this.wantedBy(filter, after),
    };
    this.watched.push(one);
    return one;
  }

  resume(one: Watched, position: number): void {
    const { number: subscription } = one;
    this.links[one.end]!.call('resume', { subscription, position, notifyGap: true });
    this.turn();
    one.wanted ??= this.wantedBy(one.filter, position);
  }

  wantedBy({ topics, types }: ParsedFilter, after: number): Published[] {
    const isWanted = ({ topic, type }: Published): boolean =>
      topics.some((one) => one === topic || (one === 'a.*' && topic.startsWith('a.'))) &&
      types?.includes(type) !== false;
    return this.stored.slice(after).filter(isWanted);
  }

  publish(topic: string, type: string, isStored: boolean, expiry: number): void {
    const one = { id: `${++this.#ids}`, topic, type, isStored };
    const flags = isStored ? EVENT_FLAG_PERSIST : 0;
    this.#publisher.publish({ ...one, flags, expiry });
    this.#byId.set(one.id, one);
    if (isStored) this.stored.push(one);
    if (expiry > 0) {
      if (isStored) this.stored[this.stored.length - 1] = { ...one, topic: 'expired' };
      return;
    }
    for (const watched of this.watched) {
      const { filter } = watched;
      const isWanted =
        filter.topics.some(
          (pattern) => pattern === topic || (pattern === 'a.*' && topic !== 'b'),
        ) && filter.types?.includes(type) !== false;
      if (isWanted && watched.wanted !== undefined) watched.wanted.push(one);
      else if (isWanted && !isStored) watched.missed++;
    }
  }

  grant(one: Watched, events: number): void {
    this.links[one.end]!.control(CONTROL_CREDIT, CREDIT_LENGTH, (bytes, offset) => {
      bytes.writeInt32LE(1, offset + CONTROL_GENERATION);
      bytes.writeInt32LE(one.number, offset + CREDIT_SUBSCRIPTION);
      bytes.writeInt32LE(events, offset + CREDIT_EVENTS_COUNT);
      bytes.writeInt32LE(events * 10, offset + CREDIT_BYTES_COUNT);
    });
    one.credit += events;
  }

  turn(): void {
    this.made.turn();
    this.#publisher.acks();
  }

  read(): void {
    for (const [end, link] of this.links.entries()) {
      link.read((type, bytes, offset, length) => {
        if (type === DELIVERY_STATE) this.#hear(end, bytes, offset, length);
        if (type !== DELIVERY_EVENT) return;
        const count = bytes.readInt32LE(offset + EVENT_SUBSCRIPTIONS);
        const { id } = new EventRecordView().wrap(bytes, offset + eventRecordOffset(count));
        const event = this.#byId.get(id)!;
        expect(bytes.readDoubleLE(offset + EVENT_SEQUENCE) > 0).toBe(event.isStored);
        for (let i = 0; i < count; i++) {
          const number = bytes.readInt32LE(offset + EVENT_SUBSCRIPTION_IDS + 4 * i);
          const one = this.watched[number - 1]!;
          expect(one.end).toBe(end);
          one.got.push(event);
          expect(one.got.length).toBeLessThanOrEqual(one.credit);
        }
      });
    }
  }

  #hear(end: number, bytes: Buffer, offset: number, length: number): void {
    const one = this.watched[bytes.readInt32LE(offset) - 1]!;
    expect(one.end).toBe(end);
    const state = bytes.readInt32LE(offset + STATE_STATE);
    const body: unknown = JSON.parse(bytes.toString('utf8', offset + STATE_BODY, offset + length));
    if (state === STATE_DROPPED) one.told += (body as { count: number }).count;
  }

  /** Turns and reads until nothing is left to do. */
  settle(): void {
    for (let quiet = 0; quiet < 3; ) {
      const isWorking = this.made.shard.hasWork();
      this.turn();
      this.read();
      quiet = isWorking ? 0 : quiet + 1;
    }
  }
}

const filter: fc.Arbitrary<ParsedFilter> = fc.record(
  {
    topics: fc.constantFrom(['a.*'], ['b'], ['a.x', 'b'], ['a.*', 'a.x', 'b']),
    types: fc.constantFrom(['t'], ['t', 'u']),
  },
  { requiredKeys: ['topics'] },
);
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant('watch' as const),
      end: fc.nat(1),
      filter,
      creditEvents: fc.constantFrom(0, 1, 5, MUCH),
      maxBuffer: fc.constantFrom(1, 3, 1000),
      start: fc.constantFrom('now' as const, 'replay' as const, 0, 2),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      is: fc.constant('publish' as const),
      topic: fc.constantFrom('a.x', 'a.y', 'b'),
      type: fc.constantFrom('t', 'u'),
      isStored: fc.boolean(),
      expiry: fc.constantFrom(0, 0, 5),
    }),
  },
  { weight: 5, arbitrary: fc.record({ is: fc.constantFrom('turn' as const, 'read' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      is: fc.constantFrom('grant' as const, 'resume' as const),
      which: fc.nat(20),
      count: fc.integer({ min: 1, max: 40 }),
    }),
  },
);

describe('the deliveries of a shard', () => {
  it('property: are what each subscription wants, whenever it has credit and room', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
        const rig = new Rig();
        for (const one of steps) {
          if (one.is === 'turn') rig.turn();
          else if (one.is === 'read') rig.read();
          else if (one.is === 'publish') {
            rig.publish(one.topic, one.type, one.isStored, one.expiry);
            rig.turn();
          } else if (one.is === 'watch') {
            const { end, creditEvents, maxBuffer, start } = one;
            const first = typeof start === 'number' ? Math.min(start, rig.stored.length) : start;
            rig.settle();
            const rest = { creditEvents, creditBytes: MUCH, maxBuffer, start: first };
            rig.watch(end, one.filter, rest);
          } else if (one.is === 'grant' || one.is === 'resume') {
            const watched = rig.watched[one.which];
            if (watched === undefined) continue;
            if (one.is === 'grant') rig.grant(watched, one.count);
            else rig.resume(watched, Math.min(one.count, rig.stored.length));
          }
        }
        rig.settle();
        for (const { got, wanted, credit, missed } of rig.watched) {
          // One that has had credit all the time waits for nothing.
          if (credit < MUCH || wanted === undefined || missed > 0) continue;
          expect(got.filter((one) => one.isStored)).toEqual(wanted.filter((one) => one.isStored));
        }
        for (const one of rig.watched) {
          rig.grant(one, MUCH);
          rig.turn();
          rig.resume(one, 0);
        }
        rig.settle();
        let delivered = 0;
        let dropped = 0;
        for (const { number, end, got, wanted, told, missed } of rig.watched) {
          const isStored = (event: Published): boolean => event.isStored;
          expect(got.filter(isStored)).toEqual(wanted!.filter((one) => one.isStored));
          // Of ephemeral events it gets those that it is not told to have lost, in their order among the others.
          const left = wanted!.filter((one) => got.includes(one));
          expect(got).toEqual(left);
          // Those that came while it read history itself are not among the wanted ones.
          expect(told - (wanted!.length - got.length)).toBe(missed);
          const subscription = rig.ends[end]!.subscriptions.get(number)!;
          expect([subscription.mode, subscription.queued, subscription.dropped]).toEqual([
            LIVE,
            0,
            told,
          ]);
          expect(rig.made.shard.lagOf(subscription)).toBe(0);
          delivered += got.length;
          dropped += told;
        }
        const { counters } = rig.made.control;
        expect(counters[ShardCounter.delivered]).toBe(delivered);
        expect(counters[ShardCounter.dropped]).toBe(dropped);
        expect(counters[ShardCounter.subscriptions]).toBe(rig.watched.length);
        expect(rig.made.shard.hasWork()).toBe(false);
      }),
      { numRuns: 40 },
    );
  });
});
