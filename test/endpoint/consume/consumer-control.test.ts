import { describe, expect, it } from 'vitest';
import { ConsumerControl } from '../../../src/endpoint/consume/consumer-control.js';
import type {
  ConsumerShardState,
  DeadEntry,
  ShardMember,
} from '../../../src/link/consumer-shapes.js';
import type { EventHandler } from '../../../src/protocol/bus-api.js';
import { parseConsumerOptions } from '../../../src/protocol/consumer-definition.js';
import { BusError } from '../../../src/protocol/errors.js';
import { CONSUMER_PAGE_MAX, REDRIVE_IDS_MAX } from '../../../src/protocol/limits/consumers.js';

const ID = '01J9ZQ5H7M2V8X3K4N6P7R8S9T';
const { definition } = parseConsumerOptions({ filter: 'orders.*' });
const LISTED = { id: ID, name: 'mailer', definition, isPaused: false, round: 1, createdAt: 0 };

type Answer = (request: never, shard: number) => unknown;

/** An endpoint with three shards whose calls the test answers. */
function rig(answers: Record<string, Answer> = {}) {
  const calls: [string, unknown, number | 'main'][] = [];
  const listeners = new Map<
    string,
    { handler: EventHandler; isOver: boolean; fail: (error: unknown) => void }
  >();
  const reported: BusError[] = [];
  const answer = async (name: string, request: unknown, at: number | 'main') => {
    calls.push([name, request, at]);
    return answers[name]!(request as never, Number(at));
  };
  const host = {
    ends: [0, 1, 2].map((shard) => ({
      shard,
      call: (name: string, request: () => unknown) => answer(name, request(), shard),
    })),
    main: { call: (name: string, request: unknown) => answer(name, request, 'main') },
    closed: undefined as BusError | undefined,
    assertOpen: () => {
      if (host.closed !== undefined) throw host.closed;
    },
    hasSystemEvents: true,
    subscribe: (topic: string, handler: EventHandler) => {
      let fail: (error: unknown) => void = () => {};
      const closed = new Promise<void>((_, reject) => {
        fail = reject;
      });
      const one = { handler, isOver: false, fail };
      listeners.set(topic, one);
      return { closed, unsubscribe: async () => void (one.isOver = true) };
    },
    report: (error: BusError) => void reported.push(error),
  };
  const hear = (topic: string, payload: object) =>
    listeners.get(topic)!.handler({ payload } as Parameters<EventHandler>[0]);
  const control = new ConsumerControl({ id: ID, name: 'mailer' }, host as never);
  return { control, host, calls, hear, listeners, reported };
}

const STATE: ConsumerShardState = {
  position: 10,
  floor: 8,
  head: 10,
  open: 2,
  isLevel: false,
  held: 0,
  ready: 1,
  leased: 1,
  waiting: 0,
  dead: 0,
  lettersDue: 0,
  lost: 0,
  expired: 0,
  redelivered: 0,
  acked: 5,
  oldestAgeMs: null,
  blocked: null,
  members: [],
};
const member = (endpoint: string, inFlight: number, more: Partial<ShardMember> = {}) => ({
  member: 1,
  endpoint,
  inFlight,
  concurrency: 4,
  isDetached: false,
  since: 60_000,
  ...more,
});
const entry = (sequence: number): DeadEntry => ({
  id: `e-${sequence}`,
  sequence,
  topic: 'orders.new',
  diedAt: 0,
  attempts: 5,
  cause: 'nak',
  reason: 'no',
  letter: 'published',
});

describe('info', () => {
  it('adds up the shards', async () => {
    const states: ConsumerShardState[] = [
      { ...STATE, members: [member('a', 2, { name: 'one' }), member('b', 1, { member: 2 })] },
      {
        ...STATE,
        head: 30,
        blocked: { reason: 'maxAhead', sequence: 9, key: 'k' },
        oldestAgeMs: 7,
        members: [member('a', 3, { name: 'one' })],
      },
      {
        ...STATE,
        held: 4,
        waiting: 3,
        dead: 2,
        lettersDue: 1,
        lost: 6,
        expired: 7,
        oldestAgeMs: 5,
      },
    ];
    const { control } = rig({
      consumers: () => ({ consumers: [LISTED] }),
      consumerState: (_, shard) => states[shard],
    });
    const shard = { position: 10, floor: 8, head: 10, lag: 0 };
    const since = '1970-01-01T00:01:00.000Z';
    const joined = { concurrency: 4, isDetached: false, since };
    expect(await control.info()).toEqual({
      name: 'mailer',
      definition,
      paused: false,
      createdAt: '1970-01-01T00:00:00.000Z',
      members: [
        { name: 'one', endpoint: 'a', inFlight: 5, ...joined },
        { endpoint: 'b', inFlight: 1, ...joined },
      ],
      pending: 26,
      inFlight: 3,
      waiting: 3,
      held: 4,
      dead: 2,
      lettersDue: 1,
      lost: 6,
      expired: 7,
      oldestAgeMs: 7,
      redelivered: 0,
      acked: 15,
      blocked: { shard: 1, reason: 'maxAhead', sequence: 9, key: 'k' },
      shards: [
        { shard: 0, ...shard },
        { shard: 1, ...shard, head: 30, lag: 20 },
        { shard: 2, ...shard },
      ],
    });
  });

  it('is refused for a consumer that is gone, though another has its name', async () => {
    const unknown = { code: 'CONSUMER_UNKNOWN', details: { consumer: 'mailer' } };
    const other = { ...LISTED, id: ID.replace('9', '8') };
    const replaced = rig({ consumers: () => ({ consumers: [other] }) });
    await expect(replaced.control.info()).rejects.toMatchObject(unknown);
    const gone = () => {
      throw new BusError('CONSUMER_UNKNOWN', `there is no consumer ${ID}`);
    };
    const deleted = rig({ consumers: () => ({ consumers: [LISTED] }), consumerState: gone });
    await expect(deleted.control.info()).rejects.toMatchObject(unknown);
    await expect(rig({ alterConsumer: gone }).control.pause()).rejects.toMatchObject(unknown);
  });
});

describe('pages', () => {
  const sequences = [[1, 2, 3], [], [4, 5]];
  const pageOf = (shard: number, after: number, limit: number) => {
    const rest = sequences[shard]!.filter((sequence) => sequence > after);
    const some = rest.slice(0, limit);
    return { some, next: some.length < rest.length ? some.at(-1)! : null };
  };

  it.each([1, 2, 3, 4, 5, 6])(
    'of %i go over all shards in their order, with no event twice',
    async (limit) => {
      const { control } = rig({
        consumerDead: (request: { after: number; limit: number }, shard) => {
          const { some, next } = pageOf(shard, request.after, request.limit);
          return { events: some.map(entry), next };
        },
      });
      const found: string[] = [];
      for (let after: string | undefined, pages = 0; pages < 10; pages++) {
        const page = await control.dead({ limit, ...(after === undefined ? {} : { after }) });
        expect(page.events.length).toBeLessThanOrEqual(limit);
        found.push(...page.events.map(({ shard, sequence }) => `${shard}:${sequence}`));
        after = page.next;
        if (after === undefined) break;
      }
      expect(found).toEqual(['0:1', '0:2', '0:3', '2:4', '2:5']);
    },
  );

  it('of open events say when a lease or a wait ends, and when an attempt failed', async () => {
    const open = { sequence: 7, state: 'leased', attempts: 1, losses: 0, member: 'one' };
    const { control } = rig({
      consumerOpen: (_, shard) => ({
        events:
          shard === 1
            ? [
                { ...open, untilInMs: 5000 },
                { ...open, state: 'ready', failure: { cause: 'nak', reason: 'no', agoMs: 7000 } },
              ]
            : [],
        next: null,
      }),
    });
    const before = Date.now();
    const { events, next } = await control.open();
    expect(next).toBeUndefined();
    expect(events).toMatchObject([
      { shard: 1, ...open },
      { shard: 1, state: 'ready' },
    ]);
    expect(Date.parse(events[0]!.until!) - before).toBeGreaterThanOrEqual(5000);
    expect(events[1]).not.toHaveProperty('until');
    const { cause, reason, at } = events[1]!.lastFailure!;
    expect({ cause, reason }).toEqual({ cause: 'nak', reason: 'no' });
    expect(Date.parse(at) - before).toBeGreaterThanOrEqual(-7000);
    expect(events[1]).not.toHaveProperty('failure');
  });

  it.each([
    [{ limit: 0 }, 'limit'],
    [{ limit: CONSUMER_PAGE_MAX + 1 }, 'limit'],
    [{ after: 7 }, 'after'],
    [{ after: '!' }, 'after'],
    [{ after: 'YQ' }, 'after'],
    [{ before: '' }, 'before'],
  ])('refuse %j', async (options, path) => {
    const { control, calls } = rig();
    for (const call of ['open', 'heldKeys', 'dead'] as const) {
      await expect(control[call](options as never)).rejects.toMatchObject({
        code: 'OPTION_INVALID',
        details: { faults: [{ path }] },
      });
    }
    expect(calls).toEqual([]);
  });
});

describe('redrive', () => {
  it('goes through all dead events of every shard, in steps', async () => {
    const { control, calls } = rig({
      consumerRedrive: ({ after }: { after: number }, shard) =>
        shard === 1 && after === 0
          ? { redriven: [entry(1)], next: 5, isBusy: false }
          : { redriven: [entry(after + 1)], next: null, isBusy: false },
    });
    const { redriven, ...rest } = await control.redrive({ dryRun: true });
    expect(redriven.map(({ shard, sequence }) => [shard, sequence])).toEqual([
      [0, 1],
      [1, 1],
      [1, 6],
      [2, 1],
    ]);
    expect(redriven[0]).toMatchObject({ id: 'e-1', diedAt: '1970-01-01T00:00:00.000Z' });
    expect(rest).toEqual({ unknown: [], isComplete: true });
    const request = { consumer: ID, sequences: null, after: 0, limit: CONSUMER_PAGE_MAX };
    expect(calls[0]).toEqual(['consumerRedrive', { ...request, isDry: true }, 0]);
  });

  it('finds events by their ids, and names those that are unknown', async () => {
    const asked: [number, readonly number[]][] = [];
    const { control } = rig({
      consumerFindDead: ({ ids, after }: { ids: string[]; after: number }, shard) => {
        if (shard === 0) return { found: [], next: null };
        const found = after === 0 ? [entry(shard)] : [];
        return { found: found.filter(({ id }) => ids.includes(id)), next: after === 0 ? 9 : null };
      },
      consumerRedrive: ({ sequences }: { sequences: number[] }, shard) => {
        asked.push([shard, sequences]);
        return { redriven: sequences.map(entry), next: null, isBusy: false };
      },
    });
    const { redriven, unknown } = await control.redrive({ ids: ['e-1', 'x', 'e-2', 'e-1'] });
    expect(asked.sort()).toEqual([
      [1, [1]],
      [2, [2]],
    ]);
    expect(redriven.map(({ id }) => id).sort()).toEqual(['e-1', 'e-2']);
    expect(unknown).toEqual(['x']);
  });

  it('says that it is not complete where too many are open', async () => {
    const { control } = rig({
      consumerRedrive: () => ({
        redriven: [entry(1)],
        next: 4,
        isBusy: true,
      }),
    });
    expect(await control.redrive()).toMatchObject({ isComplete: false, unknown: [] });
  });

  it.each([
    [{ dryRun: 1 }, 'dryRun'],
    [{ ids: 'x' }, 'ids'],
    [{ ids: [1] }, 'ids'],
    [{ ids: Array(REDRIVE_IDS_MAX + 1).fill('x') }, 'ids'],
  ])('refuses wrong options', async (options, path) => {
    await expect(rig().control.redrive(options as never)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      details: { faults: [{ path }] },
    });
  });
});

describe('changes', () => {
  it('go to the opener’s thread', async () => {
    const { control, calls } = rig({ alterConsumer: () => ({ consumer: null }) });
    await control.pause();
    await control.resume();
    await control.seek({ last: 5 });
    await control.delete();
    expect(calls.map(([name, request, at]) => [name, request, at])).toEqual(
      [
        { kind: 'pause' },
        { kind: 'resume' },
        { kind: 'seek', from: { last: 5 } },
        { kind: 'delete' },
      ].map((change) => ['alterConsumer', { id: ID, change }, 'main']),
    );
    await expect(control.seek('soon' as never)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    expect(calls).toHaveLength(4);
  });

  it('skip one event, which has to be open', async () => {
    const { control, calls } = rig({
      consumerSkip: ({ sequence }: { sequence: number }) => ({ isFound: sequence === 7 }),
    });
    await control.skip({ shard: 1, sequence: 7 });
    expect(calls).toEqual([['consumerSkip', { consumer: ID, sequence: 7 }, 1]]);
    await expect(control.skip({ shard: 1, sequence: 8 })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      details: { shard: 1, sequence: 8 },
    });
    for (const wrong of [
      { shard: 3, sequence: 1 },
      { shard: 0 },
      { shard: 0, sequence: -1 },
      null,
    ]) {
      await expect(control.skip(wrong as never)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    }
  });

  it('and everything else are refused once the bus is closed', async () => {
    const { control, host, calls } = rig();
    host.closed = new BusError('BUS_CLOSED', 'the bus is closed');
    const closed = { code: 'BUS_CLOSED' };
    for (const call of ['info', 'open', 'dead', 'pause', 'resume', 'delete', 'redrive'] as const) {
      await expect(control[call]()).rejects.toMatchObject(closed);
    }
    await expect(control.seek('now')).rejects.toMatchObject(closed);
    await expect(control.skip({ shard: 0, sequence: 1 })).rejects.toMatchObject(closed);
    expect(() => control.on('dead', () => {})).toThrow(expect.objectContaining(closed));
    expect(calls).toEqual([]);
  });
});

describe('listeners', () => {
  const of = { consumer: 'mailer', consumerId: ID };

  it('hear what the bus tells of this consumer, and of no other of its name', () => {
    const { control, hear, listeners } = rig();
    const heard: unknown[] = [];
    expect(control.on('dead', (dead) => heard.push(dead))).toBe(control);
    control.on('dead', (dead) => heard.push(dead.id));
    control.on('gap', (gap) => heard.push(gap));
    control.on('blocked', (blocked) => heard.push(blocked));
    expect([...listeners.keys()]).toEqual(
      ['dead', 'gap', 'blocked'].map((notice) => `$sys.consumer.mailer.${notice}`),
    );
    hear('$sys.consumer.mailer.dead', { ...of, id: 'e-1' });
    hear('$sys.consumer.mailer.dead', { ...of, consumerId: 'other', id: 'e-2' });
    hear('$sys.consumer.mailer.gap', { ...of, shard: 0, from: 1, to: 2 });
    hear('$sys.consumer.mailer.blocked', { ...of, shard: 0, reason: 'paused' });
    expect(heard).toEqual([
      { id: 'e-1' },
      'e-1',
      { shard: 0, from: 1, to: 2 },
      { shard: 0, reason: 'paused' },
    ]);
  });

  it('of errors hear of letters that cannot be published, and of the end of their hearing', async () => {
    const { control, hear, listeners, reported } = rig();
    control.on('dead', () => {});
    const given = new BusError('STORE_FAILED', 'shard 0 was given up');
    listeners.get('$sys.consumer.mailer.dead')!.fail(given);
    await new Promise(setImmediate);
    expect(reported).toMatchObject([{ code: 'STORE_FAILED', cause: given }]);
    const heard: BusError[] = [];
    control.on('error', (error) => heard.push(error));
    const error = { code: 'PAYLOAD_TOO_LARGE', message: 'too large' };
    hear('$sys.consumer.mailer.letter_failed', { ...of, shard: 0, sequence: 1, error });
    listeners.get('$sys.consumer.mailer.letter_failed')!.fail(given);
    await new Promise(setImmediate);
    expect(heard).toMatchObject([error, { code: 'STORE_FAILED' }]);
    expect(heard[0]).toBeInstanceOf(BusError);
    expect(reported).toHaveLength(1);
  });

  it('end with the consumer', async () => {
    const { control, listeners } = rig({ alterConsumer: () => ({ consumer: null }) });
    control.on('dead', () => {});
    await control.delete();
    expect([...listeners.values()].map(({ isOver }) => isOver)).toEqual([true]);
  });

  it('are refused where they would never be called', () => {
    const { control, host } = rig();
    const refused = expect.objectContaining({ code: 'OPTION_INVALID' });
    expect(() => control.on('died' as 'dead', () => {})).toThrow(refused);
    expect(() => control.on('dead', 1 as never)).toThrow(refused);
    host.hasSystemEvents = false;
    expect(() => control.on('dead', () => {})).toThrow(refused);
  });
});
