/** A subscription's queue in a shard, through any calls, against a plain list: what is queued, dropped and told. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  STATE_DROPPED,
  STATE_ENDED,
  STATE_LAGGING,
  STATE_LIVE,
} from '../../src/link/link-records.js';
import { SUBSCRIBER_BUFFER_BYTES_MAX } from '../../src/protocol/limits/shards.js';
import type { QueuedEvent } from '../../src/shards/queued-events.js';
import {
  CATCHING_UP,
  LIVE,
  QUEUED,
  REPLAYING,
  ShardSubscription,
  type SubscriptionLink,
} from '../../src/shards/shard-subscription.js';
import { subscribeRequest } from './support.js';

const POLICIES = ['drop-oldest', 'drop-newest', 'disconnect', 'catch-up', 'conflate', 'block'];
const NUMBER = 7;

type Told = { readonly state: number; readonly body: object } | 'has drops';

/** A link that notes what it is told. */
function listening() {
  const told: Told[] = [];
  const link: SubscriptionLink = {
    state: (subscription, state, body) => {
      expect(subscription).toBe(NUMBER);
      told.push({ state, body });
    },
    noteDropped: () => void told.push('has drops'),
  };
  return { told, link };
}

function subscriptionOf(overflow: string, maxBuffer = 3, rest = {}) {
  const { told, link } = listening();
  const request = subscribeRequest(NUMBER, ['a'], {
    maxBuffer,
    ...({ overflow } as object),
    ...rest,
  });
  return { told, subscription: new ShardSubscription(link, request) };
}

const event = (sequence: number, topic = 'a', bytes = 10): QueuedEvent => {
  const record = { length: bytes } as Buffer;
  return { topic, sequence, record, expiry: 0, queuedAt: 1000 + sequence };
};

/** The same in plain words. */
class Model {
  queue: QueuedEvent[] = [];
  mode = LIVE;
  ended = false;
  position = 0;
  behindSince: number | undefined;
  slow = 0;
  dropped = 0;
  unreported = 0;
  readonly told: Told[] = [];

  constructor(
    readonly overflow: string,
    readonly maxBuffer: number,
  ) {}

  get #bytes(): number {
    return this.queue.reduce((sum, { record }) => sum + record.length, 0);
  }

  get #isFull(): boolean {
    return this.queue.length >= this.maxBuffer || this.#bytes >= SUBSCRIBER_BUFFER_BYTES_MAX;
  }

  get seen() {
    const { mode, queue, behindSince } = this;
    const waiting = [0, queue[0]?.queuedAt ?? 0, behindSince, undefined];
    const isHolding = this.overflow === 'block' && mode <= QUEUED;
    const left = this.#bytes >= SUBSCRIBER_BUFFER_BYTES_MAX ? 0 : this.maxBuffer - queue.length;
    return {
      ...{ mode, ended: this.ended, position: this.position, slow: this.slow },
      ...{ dropped: this.dropped, queued: queue.length, first: queue[0] },
      waitingSince: waiting[mode],
      room: isHolding ? Math.max(0, left) : Number.POSITIVE_INFINITY,
    };
  }

  enqueue(one: QueuedEvent, before: number): void {
    if (this.mode === LIVE) {
      this.slow++;
      this.mode = QUEUED;
      this.told.push({ state: STATE_LAGGING, body: { position: before } });
    }
    const isReplacing =
      this.overflow === 'conflate' && this.queue.some(({ topic }) => topic === one.topic);
    if (isReplacing) {
      this.queue = this.queue.filter(({ topic }) => topic !== one.topic);
      this.drop(1);
    } else if (this.overflow !== 'block' && this.#isFull) {
      if (this.overflow === 'drop-newest') {
        this.drop(1);
        return;
      }
      if (this.overflow === 'disconnect') {
        this.end('SLOW_CONSUMER', before);
        return;
      }
      const stored = [...this.queue, one].find(({ sequence }) => sequence > 0);
      if (this.overflow === 'catch-up' && stored !== undefined) {
        this.fallBehind(stored.sequence - 1);
        this.drop(one.sequence === 0 ? 1 : 0);
        return;
      }
      this.queue.shift();
      this.drop(1);
    }
    this.queue.push(one);
  }

  fallBehind(position: number): void {
    this.behindSince = this.queue.find(({ sequence }) => sequence > 0)?.queuedAt;
    const ephemeral = this.queue.filter(({ sequence }) => sequence === 0).length;
    this.queue = [];
    this.mode = CATCHING_UP;
    this.position = position;
    this.drop(ephemeral);
  }

  meetHole(position: number): void {
    if (this.mode > QUEUED) return;
    if (this.mode === LIVE) this.told.push({ state: STATE_LAGGING, body: { position } });
    const first = this.queue.find(({ sequence }) => sequence > 0);
    this.fallBehind(first === undefined ? position : first.sequence - 1);
  }

  goLive(position: number): void {
    this.mode = LIVE;
    this.told.push({ state: STATE_LIVE, body: { position } });
  }

  end(code: string, position: number): void {
    this.ended = true;
    this.queue = [];
    this.told.push({
      state: STATE_ENDED,
      body: { code, message: expect.any(String) as string, position },
    });
  }

  notify(): number {
    const count = this.unreported;
    this.unreported = 0;
    if (!this.ended) this.told.push({ state: STATE_DROPPED, body: { count } });
    return count;
  }

  drop(count: number): void {
    if (count === 0) return;
    if (this.unreported === 0) this.told.push('has drops');
    this.dropped += count;
    this.unreported += count;
  }
}

const PLAIN = ['shift', 'hole', 'miss', 'notify', 'live', 'replay'] as const;

type Step =
  | { readonly is: 'event'; readonly isStored: boolean; readonly topic: string; bytes: number }
  | { readonly is: (typeof PLAIN)[number] }
  | { readonly is: 'retain'; readonly topic: string };

const topic = fc.constantFrom('a', 'b', 'c', 'd');
const bytes = fc.constantFrom(10, SUBSCRIBER_BUFFER_BYTES_MAX / 2);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        is: fc.constant('event' as const),
        isStored: fc.boolean(),
        topic,
        bytes,
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        is: fc.constantFrom(...PLAIN),
      }),
    },
    { weight: 1, arbitrary: fc.record({ is: fc.constant('retain' as const), topic }) },
  ),
  { maxLength: 40 },
);

describe('the queue of a subscription', () => {
  it.each(POLICIES)(
    'property: of the policy %s holds, drops and tells what the policy says',
    (policy) => {
      fc.assert(
        fc.property(steps, fc.integer({ min: 1, max: 4 }), (all, maxBuffer) => {
          const { subscription, told } = subscriptionOf(policy, maxBuffer);
          const model = new Model(policy, maxBuffer);
          let sequence = 0;
          for (const step of all) {
            if (subscription.ended) break;
            if (step.is === 'event') {
              if (model.mode > QUEUED) continue;
              const before = sequence;
              const one = event(step.isStored ? ++sequence : 0, step.topic, step.bytes);
              subscription.enqueue(one, before);
              model.enqueue(one, before);
            } else if (step.is === 'shift') {
              subscription.shift();
              model.queue.shift();
            } else if (step.is === 'hole') {
              subscription.meetHole(sequence);
              model.meetHole(sequence);
            } else if (step.is === 'miss') {
              subscription.missEphemeral();
              model.drop(1);
            } else if (step.is === 'notify') {
              expect(subscription.notifyDropped()).toBe(model.notify());
            } else if (step.is === 'live') {
              if (model.queue.length > 0) continue;
              subscription.goLive(sequence);
              model.goLive(sequence);
            } else if (step.is === 'replay') {
              if (model.mode !== CATCHING_UP) continue;
              subscription.mode = REPLAYING;
              model.mode = REPLAYING;
            } else if (step.is === 'retain') {
              subscription.retain((one) => one.topic !== step.topic);
              model.queue = model.queue.filter((one) => one.topic !== step.topic);
            }
            const { mode, ended, position, slow, dropped, queued, waitingSince, room } =
              subscription;
            const seen = { mode, ended, position, slow, dropped, queued, waitingSince, room };
            expect({ ...seen, first: subscription.peek() }).toEqual(model.seen);
            expect(told).toEqual(model.told);
          }
        }),
        { numRuns: 150 },
      );
    },
  );

  it('tells nobody of drops once the subscription has ended, and says who was too slow', () => {
    const { subscription, told } = subscriptionOf('disconnect', 1, { name: 'reader' });
    subscription.missEphemeral();
    subscription.enqueue(event(5), 4);
    subscription.enqueue(event(6), 5);
    expect(told.at(-1)).toMatchObject({
      state: STATE_ENDED,
      body: { code: 'SLOW_CONSUMER', message: expect.stringContaining('reader') as string },
    });
    const { length } = told;
    expect(subscription.notifyDropped()).toBe(1);
    expect(told).toHaveLength(length);
  });
});

describe('a subscription', () => {
  it('has credit as long as there is some of both kinds', () => {
    const { subscription } = subscriptionOf('catch-up', 3, { creditEvents: 2, creditBytes: 100 });
    expect(subscription.hasCredit).toBe(true);
    subscription.spend(60);
    expect([subscription.creditEvents, subscription.creditBytes]).toEqual([1, 40]);
    expect(subscription.hasCredit).toBe(true);
    subscription.creditBytes = 0;
    expect(subscription.hasCredit).toBe(false);
    subscription.creditBytes = 40;
    subscription.creditEvents = 0;
    expect(subscription.hasCredit).toBe(false);
  });

  it('has what its request says, and nothing behind it', () => {
    const client = { kind: 'browser' } as unknown as NonNullable<
      ReturnType<typeof subscribeRequest>['client']
    >;
    const { subscription } = subscriptionOf('block', 9, { since: 12, name: 'n', client });
    expect(subscription).toMatchObject({ number: NUMBER, since: 12, name: 'n', client });
    expect(subscription).toMatchObject({ overflow: 'block', maxBuffer: 9, gapsNotified: 0 });
    expect(subscription).toMatchObject({ prunedSeen: -1, ended: false, predicate: undefined });
    expect(subscription.waitingSince).toBe(0);
  });
});
