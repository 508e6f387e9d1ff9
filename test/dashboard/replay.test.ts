import type { Event, EventInput, PublishAck } from 'millrace/client';
import { describe, expect, it } from 'vitest';
import { Replay, type ReplayClient } from '../../src/dashboard/screens/publish/replay.js';
import { replaySettingsOf } from '../../src/dashboard/screens/publish/replay-plan.js';

const SETTINGS = replaySettingsOf(new URLSearchParams('topic=*&to=copies'));
const FAST = { rate: 5000, durability: 'written' } as const;
const SHARDS = 2;

/** A log of two shards, to which a replay can be pointed. Its cursors hold the sequences, `1,4`. */
class FakeBus implements ReplayClient {
  readonly log: Event[] = [];
  readonly copies: EventInput[] = [];
  /** Called before an event is handed out and before a publish; a rejection is the answer. */
  onRead: (event: Event) => void = () => {};
  onPublish: () => void = () => {};
  #sequence = 0;

  append(topic: string, id = `e${this.log.length}`): Event {
    const sequence = ++this.#sequence;
    const event = { ...EVENT, topic, id, shard: sequence % SHARDS, sequence };
    this.log.push(event);
    return event;
  }

  async *read({ after = '0,0' }: { after?: string }): AsyncGenerator<never> {
    const positions = after.split(',').map(Number);
    // As the client does it: what is appended meanwhile is read as well.
    for (let index = 0; index < this.log.length; index++) {
      const event = this.log[index]!;
      const { shard, sequence = 0 } = event;
      if (sequence <= positions[shard]!) continue;
      positions[shard] = sequence;
      this.onRead(event);
      yield { ...event, cursor: positions.join(',') } as never;
    }
  }

  async get(_topic: unknown, id: string, { source }: { source?: string } = {}): Promise<never> {
    const isIt = (event: Event) => event.id === id && (source ?? event.source) === event.source;
    return this.log.findLast(isIt) as never;
  }

  async publishMany(inputs: readonly EventInput[]): Promise<PublishAck[]> {
    this.onPublish();
    return inputs.map((input) => {
      const duplicate = this.copies.some(({ id }) => id === input.id);
      if (!duplicate) {
        this.copies.push(input);
        this.append(input.topic, input.id);
      }
      return { duplicate } as PublishAck;
    });
  }

  get copied(): unknown[] {
    return this.copies.map(({ attributes }) => attributes?.replayedFrom);
  }
}

const EVENT: Event = {
  id: 'e',
  topic: 'a',
  type: 't',
  source: 's',
  timestamp: '2026-01-31T12:00:00.000Z',
  shard: 0,
  payload: null,
};

function busOf(count: number): FakeBus {
  const bus = new FakeBus();
  for (let n = 0; n < count; n++) bus.append('a');
  return bus;
}

describe('a replay', () => {
  it('ends where its dry run ended, and neither meets its own copies nor what came later', async () => {
    const bus = busOf(9);
    const replay = new Replay();
    await replay.count(bus, SETTINGS);
    bus.append('a', 'later');
    bus.onPublish = () => void bus.append('a');
    await replay.publish(bus, FAST);
    expect(replay.state.value).toEqual({ kind: 'done' });
    expect(bus.copied).toEqual(Array.from({ length: 9 }, (_, n) => `e${n}`));
  });

  it('copies no later event in the place of one that is gone, and says how many were copied', async () => {
    const bus = busOf(9);
    const replay = new Replay();
    await replay.count(bus, SETTINGS);
    bus.log.splice(0, 3);
    bus.append('a', 'later');
    await replay.publish(bus, FAST);
    expect(bus.copied).toEqual(['e3', 'e4', 'e5', 'e6', 'e7', 'e8']);
    expect([replay.state.value.kind, replay.published.value]).toEqual(['done', 6]);
  });

  it('gives an event the same copy again after a failure, though others are gone meanwhile', async () => {
    const bus = busOf(4);
    const replay = new Replay();
    await replay.count(bus, SETTINGS);
    // The copies are stored, and the answer is lost.
    const { publishMany } = bus;
    bus.publishMany = async (inputs) => {
      await publishMany.call(bus, inputs);
      throw new Error('the answer was lost');
    };
    await replay.publish(bus, FAST);
    expect(replay.state.value).toEqual({ kind: 'failed', reason: 'the answer was lost' });
    bus.publishMany = publishMany;
    bus.log.splice(0, 1);
    await replay.publish(bus, FAST);
    expect(bus.copied).toEqual(['e0', 'e1', 'e2', 'e3']);
    expect([replay.published.value, replay.duplicates.value]).toEqual([3, 3]);
  });

  it('publishes nothing after a dry run that was cancelled or has failed', async () => {
    const bus = busOf(5);
    const replay = new Replay();
    bus.onRead = ({ id }) => {
      if (id === 'e3') replay.stop();
    };
    await replay.count(bus, SETTINGS);
    expect([replay.state.value.kind, replay.isOf(SETTINGS)]).toEqual(['idle', false]);
    bus.onRead = ({ id }) => {
      if (id === 'e3') throw new Error('no');
    };
    await replay.count(bus, SETTINGS);
    expect(replay.state.value).toEqual({ kind: 'uncounted', reason: 'no' });
    expect([replay.isOf(SETTINGS), replay.dryRun.value.events]).toEqual([false, 0]);
    await replay.publish(bus, FAST);
    expect([replay.mayPublish, bus.copies]).toEqual([false, []]);
  });

  it('counts the events of which the copies would hold a mask', async () => {
    const bus = busOf(2);
    bus.log[1] = { ...bus.log[1]!, payload: { card: '[redacted]' } };
    const replay = new Replay();
    await replay.count(bus, SETTINGS);
    expect(replay.dryRun.value).toMatchObject({ events: 2, masked: 1 });
  });

  it('begins no dry run and loses no settings while copies are published', async () => {
    const bus = busOf(3);
    const replay = new Replay();
    await replay.count(bus, SETTINGS);
    let counting: Promise<void> | undefined;
    bus.onPublish = () => {
      counting = replay.count(bus, { ...SETTINGS, target: 'elsewhere' });
    };
    await replay.publish(bus, FAST);
    await counting;
    expect(replay.isOf(SETTINGS)).toBe(true);
    expect(bus.copied).toEqual(['e0', 'e1', 'e2']);
  });

  it('finds one event by its id and source', async () => {
    const bus = busOf(2);
    bus.log.push({ ...bus.append('a', 'one'), source: 'other' });
    const settings = { ...SETTINGS, id: 'one', sources: ['nobody', 's'] };
    const replay = new Replay();
    await replay.count(bus, settings);
    expect(replay.dryRun.value.sample).toMatchObject([{ id: 'one', source: 's' }]);
    await replay.publish(bus, FAST);
    expect(bus.copies).toHaveLength(1);
  });
});
