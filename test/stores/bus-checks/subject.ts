import { expect, onTestFinished } from 'vitest';
import type { Bus, BusOptions } from '../../../src/main/bus.js';
import type { LogStore } from '../../../src/store/log-store.js';
import { openBus } from '../../bus/support/millrace.js';
import { until } from '../../bus/support/wait.js';

/** A place in a store with nothing in it. */
export interface BusPlace {
  /** Makes a store for one more node, or for one that is opened again. */
  connect(): LogStore;
  dispose?(): void | Promise<void>;
}

/** A broker of a test's own, which may end and come again. */
export interface MortalBroker {
  readonly place: BusPlace;
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** A store that `busChecks` are for, and what it promises. */
export interface BusSubject {
  /** Whether several buses have it open at once. */
  readonly isShared: boolean;
  /** What the acks of its buses say. */
  readonly durability: 'synced' | 'written';
  /** The terms of publishes that it judges; it refuses the others by name. */
  readonly judges: readonly ('expect' | 'atomic')[];
  /** Of the messages that refuse `prune`, and `retention` by a pattern; undefined: it takes both. */
  readonly refusesPrune?: string;
  readonly refusesRetention?: string;
  /** How often the threads of its buses are killed. */
  readonly killRuns: number;
  place(shards: number): BusPlace;
  /** A place that keeps so many events of one shard, and the options of the buses on it; undefined: it keeps all. */
  keeping?(events: number): { readonly place: BusPlace; readonly options: BusOptions };
  mortal?(): Promise<MortalBroker>;
}

export interface Nodes {
  readonly one: Bus;
  /** The same bus as `one`, where only one may have the store open. */
  readonly other: Bus;
  /** One more node, or the one bus, opened again. */
  later(): Promise<Bus>;
}

type Options = Omit<BusOptions, 'dir' | 'store'>;

/** The nodes of a fresh place. They are closed after the test. */
export function nodes(subject: BusSubject, shards = 1, options: Options = {}): Promise<Nodes> {
  return nodesAt(subject, subject.place(shards), { ...options, shards });
}

export async function nodesAt(
  { isShared }: BusSubject,
  place: BusPlace,
  options: Options,
): Promise<Nodes> {
  const open: Bus[] = [];
  onTestFinished(async () => {
    await Promise.all(open.map((bus) => bus.close()));
    await place.dispose?.();
  });
  const more = async (): Promise<Bus> => {
    const bus = await openBus({ ...options, store: place.connect() });
    open.push(bus);
    return bus;
  };
  const one = await more();
  const other = isShared ? await more() : one;
  const later = async (): Promise<Bus> => {
    if (!isShared) await one.close();
    return more();
  };
  return { one, other, later };
}

export const input = (n: number, from = 'node', topics = 5) => ({
  topic: `t.${n % topics}`,
  type: 'counted',
  payload: { n, from },
});

export const inputs = (count: number, from: string) =>
  Array.from({ length: count }, (_, n) => input(n, from));

/** Waits until a node counts as many events in its topics: those of other nodes come a moment later. */
export async function untilCounted(bus: Bus, expected: Readonly<Record<string, number>>) {
  const counts = async () => {
    const topics = await bus.topics();
    return Object.fromEntries(topics.map(({ name, events }) => [name, events]));
  };
  await until('all events are counted', async () => {
    const now = await counts();
    return Object.entries(expected).every(([name, events]) => now[name] === events);
  });
  expect(await counts()).toEqual(expected);
}
