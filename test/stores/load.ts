import { setTimeout as afterMs } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Bus } from '../../src/main/bus.js';
import type { Event, PublishAck } from '../../src/protocol/event.js';
import { type Collector, gather } from '../bus/support/collector.js';
import { expectSameHistory } from '../bus/support/oracle.js';
import { until } from '../bus/support/wait.js';

const TOPICS = 5;
const AT_ONCE = 40;

interface Numbered {
  readonly from: string;
  readonly n: number;
}

/** A node that publishes without a pause, and keeps its acks. */
export class Load {
  readonly acks: PublishAck[] = [];
  readonly refusals: unknown[] = [];
  readonly #bus: Bus;
  readonly #name: string;
  readonly #hasIds: boolean;
  readonly #ended: Promise<void>;
  #isEnding = false;

  /** @param options `hasIds`: its events have ids of its own */
  constructor(bus: Bus, name: string, { hasIds = false } = {}) {
    this.#bus = bus;
    this.#name = name;
    this.#hasIds = hasIds;
    this.#ended = this.#run();
  }

  /** Waits until so many more events are acknowledged than are by now. */
  async more(count: number): Promise<void> {
    const wanted = this.acks.length + count;
    await until(`${wanted} acks of ${this.#name}`, () => this.acks.length >= wanted, 50_000);
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#ended;
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#isEnding; n += AT_ONCE) {
      const batch = Array.from({ length: AT_ONCE }, (_, i) => this.#publish(n + i));
      await Promise.all(batch);
      await afterMs(1);
    }
  }

  async #publish(n: number): Promise<void> {
    const payload: Numbered = { from: this.#name, n };
    const topic = `t.${this.#name}.${n % TOPICS}`;
    try {
      const id = this.#hasIds ? { id: `${this.#name}-${n}` } : {};
      this.acks.push(await this.#bus.publish({ topic, type: 'counted', payload, ...id }));
    } catch (error) {
      this.refusals.push(error);
    }
  }
}

/**
 * Nothing acknowledged is lost or there twice, events stand where their acks say, each topic has its publisher's order, and
 * the subscriptions got the same.
 */
export async function expectKept(
  bus: Bus,
  loads: readonly Load[],
  live: readonly Collector[],
): Promise<void> {
  for (const load of loads) expect(load.refusals).toEqual([]);
  const acks = loads.flatMap((load) => load.acks);
  // A node learns of what others have published when the broker tells it.
  for (const collector of live) await collector.count(acks.length);
  const stored = await gather(bus.read({ topic: '*' }));
  expectSameHistory(stored, acks, 'stored');
  expectOrder(stored);
  for (const collector of live) {
    expectSameHistory(collector.events, acks, 'live');
    expectOrder(collector.events);
    expect(collector.gaps).toEqual([]);
  }
}

function expectOrder(events: readonly Event[]): void {
  const last = new Map<string, number>();
  for (const { topic, payload } of events) {
    const { n } = payload as Numbered;
    expect(n, topic).toBeGreaterThan(last.get(topic) ?? -1);
    last.set(topic, n);
  }
}
