import { expect, it } from 'vitest';
import type { Principal } from '../../../src/auth/principal.js';
import type * as internals from '../../../src/endpoint/internals.js';
import type * as auditing from '../../../src/gateway/audit.js';
import type * as budgets from '../../../src/gateway/budget/budgets.js';
import type { ConsumerAsker } from '../../../src/gateway/consumers/consumer-asker.js';
import type * as gatewayConsumers from '../../../src/gateway/consumers/gateway-consumers.js';
import type { Bus } from '../../../src/main/bus.js';
import type { ConsumerOptions } from '../../../src/protocol/consumers.js';
import { matchesPattern } from '../../../src/protocol/topic.js';
import { openTestBus } from '../../bus/support/open.js';

/**
 * A consumer that another client makes or changes between the check of grants and the act for which they were checked.
 * The grants have to hold for what the act changes.
 */
const dist = (path: string): string => new URL(`../../../dist/${path}`, import.meta.url).href;
const { internalsOf }: typeof internals = await import(dist('endpoint/internals.js'));
const { GatewayConsumers }: typeof gatewayConsumers = await import(
  dist('gateway/consumers/gateway-consumers.js')
);
const { Audit }: typeof auditing = await import(dist('gateway/audit.js'));
const { Budgets }: typeof budgets = await import(dist('gateway/budget/budgets.js'));

/** May read `open.…` alone, and take from every consumer. */
const principal = {
  id: 'p',
  name: 'p',
  mayConsume: () => true,
  mayAdminister: () => false,
  mayPublish: () => true,
  beyondSubscribe: (patterns: readonly string[]) =>
    patterns.find((pattern) => !matchesPattern('open.*', pattern)),
} as unknown as Principal;

const asker = {
  principal,
  address: 'here',
  budget: new Budgets().open(principal, 'here'),
  rates: { administer: () => {}, query: () => {} },
} as unknown as ConsumerAsker;

const OPEN: ConsumerOptions = { filter: 'open.a', update: true };
const SECRET: ConsumerOptions = { filter: 'secret.a', update: true };

/** `meanwhile` runs after what there is was looked up, the first `times` times. */
async function rig(meanwhile: (bus: Bus) => Promise<unknown>, times = 1) {
  const bus = await openTestBus({ shards: 1 });
  const clients = internalsOf(bus)!.consumers!;
  const consumers = new GatewayConsumers(bus, new Audit(() => {}));
  let left = times;
  const after = async <T>(found: T): Promise<T> => {
    if (left-- > 0) await meanwhile(bus);
    return found;
  };
  const { list, open } = clients;
  clients.list = async (names) => after(await list.call(clients, names));
  clients.open = async (name, options, onlyOver) => {
    const found = await open.call(clients, name, options, onlyOver);
    return options === undefined ? after(found) : found;
  };
  const filter = async (): Promise<unknown> => {
    const [worker] = await list.call(clients, ['worker']);
    return worker?.definition.filter.topics;
  };
  return { bus, consumers, filter };
}

it('is not taken from those who made it meanwhile', async () => {
  const { consumers, filter } = await rig((bus) => bus.consumer('worker', SECRET));
  await expect(consumers.make(asker, 'worker', OPEN)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  expect(await filter()).toEqual(['secret.a']);
});

it('is not taken from those who changed it meanwhile', async () => {
  const { bus, consumers, filter } = await rig((bus) => bus.consumer('worker', SECRET));
  await bus.consumer('worker', { filter: 'open.b' });
  await expect(consumers.make(asker, 'worker', OPEN)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  expect(await filter()).toEqual(['secret.a']);
});

it('is changed where the grants hold for what it has become, and is not called new', async () => {
  const { consumers, filter } = await rig((bus) =>
    bus.consumer('worker', { filter: 'open.b', update: true }),
  );
  expect(await consumers.make(asker, 'worker', OPEN)).toMatchObject({ isNew: false });
  expect(await filter()).toEqual(['open.a']);
});

it('is not deleted, moved or paused by who may not manage what it has become', async () => {
  for (const change of [
    { kind: 'delete' },
    { kind: 'pause' },
    { kind: 'seek', from: 'earliest' },
  ] as const) {
    const { bus, consumers, filter } = await rig((bus) => bus.consumer('worker', SECRET));
    await bus.consumer('worker', { filter: 'open.b' });
    const altered = consumers.alter(asker, 'worker', change);
    await expect(altered).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await filter()).toEqual(['secret.a']);
    expect(await (await bus.consumer('worker')).info()).toMatchObject({ paused: false });
  }
});

it('has no event skipped or redriven by who may not manage what it has become', async () => {
  for (const act of ['skip', 'redrive', 'dry run'] as const) {
    const { bus, consumers } = await rig((bus) => bus.consumer('worker', SECRET));
    const worker = await bus.consumer('worker', { filter: 'open.b', from: 'earliest' });
    const ack = await bus.publish({ topic: 'open.b', type: 'x', payload: null });
    if (act !== 'skip') {
      for await (const delivery of worker.deliveries()) {
        await delivery.term('no');
        break;
      }
    }
    const place = { shard: ack.shard, sequence: ack.sequence };
    const acted =
      act === 'skip'
        ? consumers.alter(asker, 'worker', { kind: 'skip', ...place })
        : consumers.redrive(asker, 'worker', { dryRun: act === 'dry run' });
    await expect(acted).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const { dead, pending } = await worker.info();
    expect([dead, pending]).toEqual(act === 'skip' ? [0, 1] : [1, 0]);
  }
});

it('is given up where others are faster every time', async () => {
  let n = 0;
  const { consumers } = await rig(
    (bus) => bus.consumer('worker', { filter: `open.n${n++}`, update: true }),
    Number.POSITIVE_INFINITY,
  );
  const made = consumers.make(asker, 'worker', OPEN);
  await expect(made).rejects.toMatchObject({ code: 'CONSUMER_BUSY' });
});
