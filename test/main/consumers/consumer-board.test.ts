import { describe, expect, it } from 'vitest';
import type { ConsumerEntry, OpenConsumerRequest } from '../../../src/link/consumer-shapes.js';
import { ConsumerBoard } from '../../../src/main/consumers/consumer-board.js';
import type { ConsumerBus } from '../../../src/main/consumers/consumer-bus.js';
import { parseConsumerOptions } from '../../../src/protocol/consumer-definition.js';
import type { ConsumerOptions } from '../../../src/protocol/consumers.js';
import { BusError } from '../../../src/protocol/errors.js';
import { shardsOf } from '../../../src/protocol/filter-shards.js';
import {
  CONSUMER_CHANGES_WAITING_MAX,
  CONSUMERS_MAX,
} from '../../../src/protocol/limits/consumers.js';
import { shardOf } from '../../../src/protocol/topic-hash.js';

const SHARDS = 2;

const AT_REST = {
  position: 30,
  floor: 30,
  head: 40,
  open: 0,
  isLevel: true,
  held: 0,
  ready: 0,
  leased: 0,
  waiting: 0,
  dead: 0,
  lettersDue: 0,
  lost: 0,
  expired: 0,
  redelivered: 0,
  acked: 0,
  oldestAgeMs: null,
  blocked: null,
  members: [],
};

/** A bus of two shards that does what the test says, and notes in their order the steps of changes. */
function rig(content?: string) {
  const steps: string[] = [];
  const told: [string, object][] = [];
  const reported: BusError[] = [];
  const starts: (readonly ConsumerEntry[] | undefined)[] = [undefined, undefined];
  const unread = new Set<number>();
  const failures: (BusError | undefined)[] = [undefined, undefined];
  const text = {
    file: 'consumers.json',
    content,
    read: () => text.content,
    write: (next: string) => {
      steps.push('write');
      text.content = next;
    },
  };
  const bus = {
    shardsOf: (filter) => shardsOf(filter, { shards: SHARDS, segments: 0 }),
    shardFailure: (shard) => failures[shard],
    startPositions: async (_, from) => (from === 'now' ? [10, 20] : [0, 0]),
    apply: async (shard, entries) => {
      steps.push(`apply ${shard}: ${entries().map(({ name }) => name)}`);
    },
    publish: (topic, type, payload) => told.push([`${topic} ${type}`, payload]),
    report: (error) => reported.push(error),
    shards: SHARDS,
    stateOf: async (shard) => ({ ...AT_REST, position: 30 + shard }),
    takeLetters: async () => [],
    lettersSent: async () => null,
    publishLetter: async () => null,
    stores: (topic) => !topic.startsWith('live.'),
  } satisfies ConsumerBus as ConsumerBus & Pick<ConsumerBus, 'apply' | 'startPositions'>;
  const hooks = bus as { -readonly [K in keyof ConsumerBus]: ConsumerBus[K] };
  const open = () => {
    const board = new ConsumerBoard(text, SHARDS, (shard, entries) => {
      if (entries === 'unread') unread.add(shard);
      else starts[shard] = entries;
    });
    board.start(bus);
    return board;
  };
  return {
    board: open(),
    again: open,
    bus: hooks,
    text,
    steps,
    told,
    reported,
    starts,
    unread,
    failures,
  };
}

function opening(name: string, options: Partial<ConsumerOptions> = {}): OpenConsumerRequest {
  const { definition, from, isUpdate } = parseConsumerOptions({ filter: 'orders.*', ...options });
  return { name, definition, from, isUpdate };
}

const lost = (shard: number) => new BusError('STORE_FAILED', `shard ${shard} was given up`);

describe('the list of consumers', () => {
  it('stores a new consumer, then hands it to every shard, then answers', async () => {
    const { board, steps, starts, told, text } = rig();
    const made = await board.open(opening('mailer'));
    expect(made).toMatchObject({ name: 'mailer', isPaused: false, round: 1 });
    expect(made).not.toHaveProperty('positions');
    expect(steps).toEqual(['write', 'apply 0: mailer', 'apply 1: mailer']);
    expect(starts.map((entries) => entries?.map(({ position }) => position))).toEqual([[10], [20]]);
    expect(JSON.parse(text.content!).consumers).toMatchObject([{ positions: [10, 20] }]);
    expect(told).toEqual([
      [
        '$sys.consumer.mailer.created consumer_created',
        { consumer: 'mailer', consumerId: made.id, definition: made.definition },
      ],
    ]);
    expect(await board.list(null)).toEqual([made]);
    expect(await board.list(['mailer', 'other'])).toEqual([made]);
    expect(await board.list([])).toEqual([]);
  });

  it('opens an existing consumer without a change, wherever the call would begin', async () => {
    const { board, steps } = rig();
    const made = await board.open(opening('mailer'));
    steps.length = 0;
    expect(await board.open(opening('mailer', { from: 'earliest' }))).toEqual(made);
    expect(await board.open(opening('mailer', { update: true }))).toEqual(made);
    expect(steps).toEqual([]);
  });

  it('refuses another definition, and takes it if asked', async () => {
    const { board, steps, told, starts } = rig();
    const made = await board.open(opening('mailer'));
    steps.length = 0;
    const other = { leaseMs: 1000, filter: 'orders.new' };
    await expect(board.open(opening('mailer', other))).rejects.toMatchObject({
      code: 'CONSUMER_EXISTS',
      details: { consumer: 'mailer', fields: ['filter', 'leaseMs'] },
    });
    expect(steps).toEqual([]);
    const changed = await board.open(opening('mailer', { ...other, update: true }));
    expect(changed).toMatchObject({ id: made.id, round: 1, definition: { leaseMs: 1000 } });
    expect(starts[0]).toMatchObject([{ id: made.id, round: 1, position: 10 }]);
    expect(told.at(-1)).toMatchObject([
      '$sys.consumer.mailer.changed consumer_changed',
      { fields: ['filter', 'leaseMs'] },
    ]);
  });

  it('changes the order and the priority where nothing is open, and begins a round there', async () => {
    const { board, bus, starts, text } = rig();
    const made = await board.open(opening('mailer', { filter: ['a', 'b'] }));
    const other = opening('mailer', { filter: ['a', 'b'], order: 'topic', update: true });
    const pauses: boolean[] = [];
    bus.apply = async (_, entries) => pauses.push(entries()[0]!.isPaused);
    const { stateOf } = bus;
    bus.stateOf = async (shard, id) => {
      // The shards lease nothing while they are asked.
      expect(pauses).toEqual([true, true]);
      return { ...(await stateOf(shard, id)), isLevel: shard === 0, open: shard };
    };
    await expect(board.open(other)).rejects.toMatchObject({
      code: 'CONSUMER_BUSY',
      details: { consumer: 'mailer', fields: ['order'], shard: 1, open: 1 },
    });
    expect(pauses).toEqual([true, true, false, false]);
    expect(await board.list(null)).toEqual([made]);
    expect(JSON.parse(text.content!).consumers).toMatchObject([{ paused: false, round: 1 }]);
    bus.stateOf = stateOf;
    pauses.length = 0;
    expect(await board.open(other)).toMatchObject({
      id: made.id,
      isPaused: false,
      round: 2,
      definition: { order: 'topic' },
    });
    expect(pauses).toEqual([true, true, false, false]);
    expect(starts.map((entries) => entries![0])).toMatchObject([
      { round: 2, position: 30, isPaused: false },
      { round: 2, position: 31 },
    ]);
    const prior = opening('mailer', { filter: ['a', 'b'], priority: ['a'], update: true });
    expect(await board.open(prior)).toMatchObject({ round: 3 });
  });

  it('pauses, resumes, moves and deletes', async () => {
    const { board, told, starts, steps } = rig();
    const { id } = await board.open(opening('mailer'));
    expect(await board.alter(id, { kind: 'pause' })).toMatchObject({ isPaused: true });
    expect(starts[1]).toMatchObject([{ isPaused: true, round: 1 }]);
    steps.length = 0;
    expect(await board.alter(id, { kind: 'pause' })).toMatchObject({ isPaused: true });
    expect(steps).toEqual([]);
    expect(await board.alter(id, { kind: 'resume' })).toMatchObject({ isPaused: false });
    expect(await board.alter(id, { kind: 'seek', from: 'earliest' })).toMatchObject({ round: 2 });
    expect(starts[1]).toMatchObject([{ round: 2, position: 0 }]);
    expect(await board.alter(id, { kind: 'delete' })).toBeNull();
    expect(starts).toEqual([[], []]);
    await expect(board.alter(id, { kind: 'pause' })).rejects.toMatchObject({
      code: 'CONSUMER_UNKNOWN',
    });
    expect(told.map(([what]) => what.split(' ')[0])).toEqual(
      ['created', 'paused', 'resumed', 'sought', 'deleted'].map(
        (one) => `$sys.consumer.mailer.${one}`,
      ),
    );
    // The name is free again, for another consumer.
    expect((await board.open(opening('mailer'))).id).not.toBe(id);
  });

  it('tells of the history that a cursor has missed', async () => {
    const { board, bus, told } = rig();
    const gap = { shard: 1, from: 3, to: 5, reason: 'rolled-back' } as const;
    bus.startPositions = async (_filter, _from, onGap) => {
      onGap(gap);
      return [1, 2];
    };
    const { id } = await board.open(opening('mailer', { from: { after: 'x' } }));
    await board.alter(id, { kind: 'seek', from: { after: 'x' } });
    const gaps = told.filter(([what]) => what.startsWith('$sys.consumer.mailer.gap'));
    expect(gaps.map(([, payload]) => payload)).toEqual(
      Array(2).fill({ consumer: 'mailer', consumerId: id, ...gap }),
    );
  });

  it('makes one change after the other, in the order of the calls', async () => {
    const { board, bus, steps, text } = rig();
    const { apply } = bus;
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    bus.apply = async (shard, entries) => {
      await gate;
      return apply(shard, entries);
    };
    const opened = ['a', 'b', 'a'].map((name) => board.open(opening(name)));
    await new Promise(setImmediate);
    expect(steps).toEqual(['write']);
    expect(JSON.parse(text.content!).consumers).toHaveLength(1);
    go();
    const [a, b, again] = await Promise.all(opened);
    expect(again).toEqual(a);
    expect(b!.id).not.toBe(a!.id);
    expect(steps.filter((step) => step === 'write')).toHaveLength(2);
    // A refusal does not stop those behind it.
    const refused = board.alter('nobody', { kind: 'pause' });
    const paused = board.alter(a!.id, { kind: 'pause' });
    await expect(refused).rejects.toMatchObject({ code: 'CONSUMER_UNKNOWN' });
    expect(await paused).toMatchObject({ isPaused: true });
  });

  it('asks for the list anew when a call is repeated to the next thread of a shard', async () => {
    const { board, bus } = rig();
    const asked: (() => readonly ConsumerEntry[])[] = [];
    bus.apply = async (_, entries) => asked.push(entries);
    await board.open(opening('a'));
    await board.open(opening('b'));
    expect(asked[0]!().map(({ name }) => name)).toEqual(['a', 'b']);
  });

  it('stays as it was if it cannot be written', async () => {
    const { board, text, steps, told, starts } = rig();
    const made = await board.open(opening('mailer'));
    steps.length = 0;
    told.length = 0;
    const { write } = text;
    text.write = () => {
      throw new BusError('STORE_FULL', 'no room');
    };
    await expect(board.open(opening('more'))).rejects.toMatchObject({ code: 'STORE_FULL' });
    await expect(board.alter(made.id, { kind: 'delete' })).rejects.toMatchObject({
      code: 'STORE_FULL',
    });
    expect([await board.list(null), steps, told]).toEqual([[made], [], []]);
    expect(starts[0]).toHaveLength(1);
    text.write = write;
    expect(await board.alter(made.id, { kind: 'delete' })).toBeNull();
  });

  it('is there again when the bus is opened again', async () => {
    const { board, again, starts } = rig();
    const made = await board.open(opening('mailer', { order: 'topic' }));
    const paused = await board.alter(made.id, { kind: 'pause' });
    starts.fill(undefined);
    expect(await again().list(null)).toEqual([paused]);
    expect(starts.map((entries) => entries?.map(({ position }) => position))).toEqual([[10], [20]]);
  });

  it('that is damaged is told, left alone and kept from the shards, until it is mended', async () => {
    const { board, reported, starts, unread, text, steps } = rig('{');
    const fault = { code: 'STORE_CORRUPT', message: 'consumers.json: it is not JSON' };
    expect(reported).toMatchObject([fault]);
    expect(starts).toEqual([undefined, undefined]);
    expect([...unread]).toEqual([0, 1]);
    await expect(board.list(null)).rejects.toMatchObject(fault);
    await expect(board.open(opening('mailer'))).rejects.toMatchObject(fault);
    expect(text.content).toBe('{');
    const other = rig();
    await other.board.open(opening('kept'));
    text.content = other.text.content;
    await board.open(opening('mailer'));
    expect(steps.slice(0, 2)).toEqual(['apply 0: kept', 'apply 1: kept']);
    expect((await board.list(null)).map(({ name }) => name)).toEqual(['kept', 'mailer']);
  });

  it('refuses a consumer whose events lie in a shard that was given up, and no other', async () => {
    const { board, bus, failures, steps } = rig();
    const topicIn = (shard: number) =>
      ['a', 'b', 'c', 'd', 'e', 'f'].find((topic) => shardOf(topic, SHARDS) === shard)!;
    const made = await board.open(opening('before'));
    failures[1] = lost(1);
    const { apply } = bus;
    bus.apply = (shard, entries) =>
      failures[shard] === undefined ? apply(shard, entries) : Promise.reject(failures[shard]);
    steps.length = 0;
    await expect(board.open(opening('all'))).rejects.toBe(failures[1]);
    await expect(board.open(opening('its', { filter: topicIn(1) }))).rejects.toBe(failures[1]);
    await expect(board.alter(made.id, { kind: 'seek', from: 'now' })).rejects.toBe(failures[1]);
    expect(steps).toEqual([]);
    await board.open(opening('other', { filter: topicIn(0) }));
    expect(await board.open(opening('before'))).toEqual(made);
    // The shard learns of it when the bus is opened again.
    expect(await board.alter(made.id, { kind: 'delete' })).toBeNull();
    expect((await board.list(null)).map(({ name }) => name)).toEqual(['other']);
  });

  it('passes on the error of a shard that works and could not take the list', async () => {
    const { board, bus } = rig();
    const broken = new BusError('STORE_CORRUPT', 'a state is damaged');
    bus.apply = async (shard) => {
      if (shard === 1) throw broken;
    };
    await expect(board.open(opening('mailer'))).rejects.toBe(broken);
  });

  it('refuses dead letters on a topic that the bus does not store', async () => {
    const { board, steps } = rig();
    const refused = { code: 'OPTION_INVALID', message: expect.stringContaining('deadLetter') };
    const lost = opening('mailer', { deadLetter: 'live.dead' });
    await expect(board.open(lost)).rejects.toMatchObject(refused);
    await board.open(opening('mailer', { deadLetter: 'dead' }));
    steps.length = 0;
    const update = opening('mailer', { deadLetter: 'live.dead', update: true });
    await expect(board.open(update)).rejects.toMatchObject(refused);
    expect(steps).toEqual([]);
  });

  it('tells in events what shards report, and has letters published that are due', async () => {
    const { board, bus, told } = rig();
    const { id } = await board.open(opening('mailer', { deadLetter: 'dead' }));
    told.length = 0;
    const asked: number[] = [];
    bus.takeLetters = async (shard) => {
      asked.push(shard);
      return [];
    };
    const dead = {
      id: 'e-1',
      sequence: 4,
      topic: 'orders.new',
      diedAt: 0,
      attempts: 5,
      cause: 'nak' as const,
      reason: 'no',
      letter: 'due' as const,
    };
    const quiet = { id, deadCount: 0, dead: [], gaps: [], lettersDue: false };
    const blocked = { reason: 'maxAhead' as const, sequence: 2, key: 'k' };
    board.takeNews(1, [
      { ...quiet, deadCount: 3, dead: [dead], gaps: [[1, 3]], blocked, lettersDue: true },
      { ...quiet, id: 'gone', deadCount: 1, dead: [dead] },
    ]);
    board.takeNews(0, [{ ...quiet, blocked: null }]);
    const of = { consumer: 'mailer', consumerId: id };
    expect(told).toEqual([
      [
        '$sys.consumer.mailer.gap consumer_gap',
        { ...of, shard: 1, from: 1, to: 3, reason: 'pruned' },
      ],
      ['$sys.consumer.mailer.blocked consumer_blocked', { ...of, ...blocked, shard: 1 }],
      [
        '$sys.consumer.mailer.dead consumer_dead',
        { ...of, ...dead, shard: 1, diedAt: '1970-01-01T00:00:00.000Z', untold: 2 },
      ],
      ['$sys.consumer.mailer.unblocked consumer_unblocked', { ...of, shard: 0 }],
    ]);
    expect(asked).toEqual([1]);
  });

  it('asks every shard for letters when the bus is opened, if any consumer has them', async () => {
    const { board, again, bus } = rig();
    const asked: number[] = [];
    bus.takeLetters = async (shard) => {
      asked.push(shard);
      return [];
    };
    await board.open(opening('quiet'));
    again();
    expect(asked).toEqual([]);
    await board.open(opening('mailer', { deadLetter: 'dead' }));
    again();
    expect(asked).toEqual([0, 1]);
  });

  it('writes nothing once the bus closes', async () => {
    const { board, bus, steps } = rig();
    const { startPositions } = bus;
    bus.startPositions = (...asked) => {
      board.stop();
      return startPositions(...asked);
    };
    const closed = { code: 'BUS_CLOSED' };
    await expect(board.open(opening('late'))).rejects.toMatchObject(closed);
    await expect(board.open(opening('later'))).rejects.toMatchObject(closed);
    expect(steps).toEqual([]);
  });

  it('has limits', async () => {
    const { board, text, again } = rig();
    await board.open(opening('mailer'));
    const { format, consumers } = JSON.parse(text.content!);
    const id = (n: number) => `01J9ZQ5H7M2V8X3K4N6P7${String(n).padStart(5, '0')}`;
    const many = Array.from({ length: CONSUMERS_MAX }, (_, n) => ({
      ...consumers[0],
      id: id(n),
      name: `c.${n}`,
    }));
    text.content = JSON.stringify({ format, consumers: many });
    const full = again();
    const exceeded = { code: 'LIMIT_EXCEEDED' };
    await expect(full.open(opening('more'))).rejects.toMatchObject(exceeded);
    expect(await full.open(opening('c.1'))).toMatchObject({ id: id(1) });
    const waiting = Array.from({ length: CONSUMER_CHANGES_WAITING_MAX + 1 }, () =>
      full.alter(id(1), { kind: 'resume' }),
    );
    await expect(waiting.at(-1)).rejects.toMatchObject(exceeded);
    await Promise.all(waiting.slice(0, -1));
    expect(await full.alter(id(1), { kind: 'pause' })).toMatchObject({ isPaused: true });
  });

  it('is refused by a store that keeps none', async () => {
    const board = new ConsumerBoard(undefined, SHARDS, () => {});
    board.start(rig().bus);
    const refused = { code: 'OPTION_INVALID' };
    await expect(board.list(null)).rejects.toMatchObject(refused);
    await expect(board.open(opening('mailer'))).rejects.toMatchObject(refused);
  });
});
