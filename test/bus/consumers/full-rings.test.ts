import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/main/bus.js';
import type { Delivery } from '../../../src/protocol/consumers.js';
import { gather } from '../support/collector.js';
import { fillCommandRing } from '../support/full-command-ring.js';
import { controls } from '../support/millrace.js';
import { openTestBus } from '../support/open.js';
import { Gate, until, within } from '../support/wait.js';
import { publishJobs, workerOf } from './support.js';

const blockingWorker = fileURLToPath(new URL('./support/blocking-worker.js', import.meta.url));

/** A delivery ring has room for about 20 leases. */
const RING_BYTES = 4096;

/** A member in a thread that can be made to read nothing. */
class BlockingMember {
  readonly begun: unknown[] = [];
  readonly #worker: Worker;
  readonly #words = new Int32Array(new SharedArrayBuffer(8));

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', ({ begun }) => {
      if (begun !== undefined) this.begun.push(begun);
    });
  }

  static async start(bus: Bus, concurrency: number): Promise<BlockingMember> {
    const { data: attachment, transferList } = bus.attachment();
    const worker = new Worker(blockingWorker, {
      workerData: { attachment, concurrency },
      transferList: [...transferList],
    });
    const member = new BlockingMember(worker);
    await once(worker, 'message');
    await until('the member has joined', async () => {
      const { members } = await (await bus.consumer('worker')).info();
      return members.some((one) => one.concurrency === concurrency);
    });
    return member;
  }

  async block(): Promise<void> {
    this.#worker.postMessage(this.#words);
    await until('the thread is blocked', () => Atomics.load(this.#words, 0) === 1);
  }

  goOn(): void {
    Atomics.store(this.#words, 1, 1);
    Atomics.notify(this.#words, 1);
  }

  finish(): void {
    this.#worker.postMessage('finish');
  }

  async close(): Promise<void> {
    const exited = once(this.#worker, 'exit');
    this.#worker.postMessage('close');
    await within('the worker ends', exited);
  }
}

const sorted = (payloads: readonly unknown[]) => [...(payloads as number[])].sort((a, b) => a - b);
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

describe('a full delivery ring', () => {
  it('of one member holds up no other, and loses nothing', async () => {
    const bus = await openTestBus({ shards: 1, ringBytes: RING_BYTES });
    const worker = await workerOf(bus, { deadLetter: 'dead.worker' });
    const blocked = await BlockingMember.start(bus, 200);
    await blocked.block();
    const seen: unknown[] = [];
    await bus.subscribe('jobs.*', ({ payload }) => void seen.push(payload)).ready;
    await publishJobs(bus, 200);
    await until('its events are leased', async () => (await worker.info()).inFlight === 200);
    const here: number[] = [];
    const run = worker.run(
      async (delivery) => {
        const payload = delivery.event.payload as number;
        here.push(payload);
        if (payload % 10 === 0) await delivery.term(`no ${payload}`);
      },
      { concurrency: 200 },
    );
    await publishJobs(bus, 1000, 200);
    await until('all others are handled', () => here.length === 1000);
    expect(sorted(here)).toEqual(upTo(1200).slice(200));
    await until('all letters are sent', async () => {
      const { dead, lettersDue } = await worker.info();
      return dead === 100 && lettersDue === 0;
    });
    expect(blocked.begun).toEqual([]);
    blocked.goOn();
    await until('its own have begun', () => blocked.begun.length === 200);
    blocked.finish();
    await until('nothing is open', async () => (await worker.info()).pending === 0);
    expect(sorted(blocked.begun)).toEqual(upTo(200));
    await until('the subscriber has all', () => seen.length === 1200);
    expect(await worker.info()).toMatchObject({ acked: 1100, redelivered: 0, dead: 100, lost: 0 });
    const letters = await gather(bus.read({ topic: 'dead.worker' }));
    expect(sorted(letters.map(({ payload }) => payload))).toEqual(
      upTo(1200).filter((n) => n >= 200 && n % 10 === 0),
    );
    await run.stop();
    await blocked.close();
  });

  it('gives a member its place back for a lease whose event was removed before there was room', async () => {
    const bus = await openTestBus({ shards: 1, ringBytes: RING_BYTES });
    const worker = await workerOf(bus);
    const concurrency = 200;
    const member = await BlockingMember.start(bus, concurrency);
    await member.block();
    await publishJobs(bus, concurrency);
    await until('all are leased', async () => (await worker.info()).inFlight === concurrency);
    await bus.prune({ pattern: 'jobs.*', maxEvents: 0 });
    member.goOn();
    await publishJobs(bus, concurrency, 1000);
    await until('it has begun as many as it may', () => member.begun.length === concurrency);
    member.finish();
    await until(
      'all are handled',
      () => member.begun.filter((n) => (n as number) >= 1000).length === concurrency,
    );
    await member.close();
  });
});

describe('a full command ring', () => {
  /** Settles all that is in hand while so many calls go out that the ring of commands has no room. */
  async function settleWithoutRoom(whenFull: (bus: Bus) => void): Promise<void> {
    const count = 900;
    const bus = await openTestBus({ shards: 1 });
    const worker = await workerOf(bus, { backoffMs: [0], deadLetter: 'dead.worker' });
    await publishJobs(bus, count);
    const hand: Delivery[] = [];
    const settled = new Gate();
    const again: number[] = [];
    const run = worker.run(
      async (delivery) => {
        if (delivery.attempt > 1) again.push(delivery.event.payload as number);
        else {
          hand.push(delivery);
          await settled.opened;
        }
      },
      { concurrency: count, prefetch: false },
    );
    await until('all have begun', () => hand.length === count);
    fillCommandRing(bus);
    const said = hand.map((delivery) => {
      const n = delivery.event.payload as number;
      if (n % 3 === 0) return delivery.ack();
      return n % 3 === 1
        ? delivery.nak({ reason: 'later' })
        : delivery.term(`${n}${'.'.repeat(1000)}`);
    });
    whenFull(bus);
    await within('all is confirmed', Promise.all(said));
    settled.open();
    await until('what was given back is handled', () => again.length === count / 3);
    await until('nothing is open', async () => (await worker.info()).pending === 0);
    expect(sorted(again)).toEqual(upTo(count).filter((n) => n % 3 === 1));
    const { events } = await worker.dead({ limit: 1000 });
    const reasons = events.map(({ reason }) => reason);
    expect(new Set(reasons)).toEqual(
      new Set(
        upTo(count)
          .filter((n) => n % 3 === 2)
          .map((n) => `${n}${'.'.repeat(1000)}`),
      ),
    );
    expect(events).toHaveLength(count / 3);
    await until('all letters are sent', async () => (await worker.info()).lettersDue === 0);
    expect(await gather(bus.read({ topic: 'dead.worker' }))).toHaveLength(count / 3);
    await run.stop();
  }

  it('delays what members say, and loses nothing of it', () => settleWithoutRoom(() => {}));

  it('loses nothing of what members say when the thread of the shard dies', () =>
    settleWithoutRoom((bus) => void controls(bus).killShard(0)));
});
