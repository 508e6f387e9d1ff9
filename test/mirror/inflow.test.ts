import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import { Inflow } from '../../src/mirror/inflow.js';
import type { RemoteBus } from '../../src/mirror/mirror-options.js';
import { PositionFile } from '../../src/mirror/position.js';
import type { Event } from '../../src/protocol/event.js';
import { openTestBus, temporaryDirectory } from '../bus/support/open.js';
import { until } from '../bus/support/wait.js';

/** A remote bus of two shards, `a` and `b`, whose subscription hands out what it is told. */
class Remote {
  readonly froms: unknown[] = [];
  cursor = 'c0';
  #hand: (event: Event) => unknown = () => {};
  #caughtUp: () => void = () => {};

  get bus(): RemoteBus {
    const subscribe = (
      _: unknown,
      handler: (event: Event) => unknown,
      options: { from: unknown },
    ) => {
      this.#hand = handler;
      this.froms.push(options.from);
      const remote = this;
      const subscription = {
        get cursor() {
          return remote.cursor;
        },
        closed: new Promise<void>(() => {}),
        unsubscribe: async () => {},
        on(name: string, listener: () => void) {
          if (name === 'caughtUp') remote.#caughtUp = listener;
          return subscription;
        },
      };
      return subscription;
    };
    return { subscribe } as unknown as RemoteBus;
  }

  give(...names: string[]): void {
    for (const name of names) {
      this.#hand(eventOf(name));
      this.cursor = `c-${name}`;
    }
  }

  catchUp(): void {
    this.#caughtUp();
  }
}

function eventOf(name: string): Event {
  const [topic = '', number] = [name[0], Number(name.slice(1))];
  const timestamp = new Date(1e12 + number).toISOString();
  return {
    ...{ id: name, topic, type: 't', source: 's', payload: name, timestamp },
    ...{ sequence: number, shard: topic === 'a' ? 0 : 1 },
  } as unknown as Event;
}

async function begun(dir: string, log: Bus) {
  const remote = new Remote();
  const failures: unknown[] = [];
  const inflow = await Inflow.start({
    ...{ remote: remote.bus, log, topics: ['*'], name: 'm', onGap: () => {} },
    file: new PositionFile(join(dir, 'position.json'), 'hub', ['*']),
    onFailure: (error) => failures.push(error),
  });
  return { remote, inflow, failures };
}

async function namesIn(log: Bus): Promise<string[]> {
  const names: string[] = [];
  for await (const { id } of log.read({ topic: '*' })) names.push(id);
  return names;
}

it('keeps the position from which known events are still to come', async () => {
  const dir = temporaryDirectory();
  const log = await openTestBus({ shards: 1, dedupeWindowMs: 0 });
  const first = await begun(dir, log);
  first.remote.give('a1', 'a2', 'b1');
  await until('they are stored', async () => (await namesIn(log)).length === 3);
  // The process is killed: nothing is noted.
  expect(existsSync(join(dir, 'position.json'))).toBe(false);

  const second = await begun(dir, log);
  second.remote.give('a1', 'a2', 'a3');
  await until('one is new', async () => (await namesIn(log)).length === 4);
  await second.inflow.end();
  expect(existsSync(join(dir, 'position.json'))).toBe(false);

  const third = await begun(dir, log);
  expect(third.remote.froms).toEqual(['earliest']);
  third.remote.give('b1', 'a1', 'b2', 'a2', 'a3', 'a4');
  await until('two are new', () => third.inflow.stored === 2);
  expect(await namesIn(log)).toEqual(['a1', 'a2', 'b1', 'a3', 'b2', 'a4']);
  await third.inflow.end();
  const file = JSON.parse(readFileSync(join(dir, 'position.json'), 'utf8'));
  expect(file).toMatchObject({ cursor: 'c-a4', head: 6 });

  const fourth = await begun(dir, log);
  expect(fourth.remote.froms).toEqual([{ after: 'c-a4' }]);
  expect([first, second, third, fourth].flatMap(({ failures }) => failures)).toEqual([]);
});

it('waits for no known event any more when it has caught up', async () => {
  const dir = temporaryDirectory();
  const log = await openTestBus({ shards: 1, dedupeWindowMs: 0 });
  const first = await begun(dir, log);
  first.remote.give('a1', 'b1');
  await until('they are stored', async () => (await namesIn(log)).length === 2);

  // The remote bus has removed b1 meanwhile.
  const second = await begun(dir, log);
  second.remote.give('a1', 'a2');
  second.remote.catchUp();
  await until('one is new', () => second.inflow.stored === 1);
  await second.inflow.end();
  const file = JSON.parse(readFileSync(join(dir, 'position.json'), 'utf8'));
  expect(file).toMatchObject({ cursor: 'c-a2', head: 3 });
});
