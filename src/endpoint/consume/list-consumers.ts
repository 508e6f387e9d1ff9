import type { ListedConsumer } from '../../link/consumer-shapes.js';
import type { ConsumerInfo } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import { CONSUMERS_AT_ONCE } from '../../protocol/limits/consumers.js';
import { consumerInfo } from './consumer-info.js';
import { ConsumerShards, type ControlHost } from './consumer-shards.js';

/** All consumers of the bus, by name; one that is deleted meanwhile is left out. */
export async function listConsumers(host: ControlHost): Promise<ConsumerInfo[]> {
  return list(null, host, infoOf);
}

/** About how much the consumers of these names have to do; without those that are not there or do not answer. */
export async function pendingOf(
  names: readonly string[],
  host: ControlHost,
): Promise<ReadonlyMap<string, number>> {
  const infos = await list(names, host, (consumer) =>
    infoOf(consumer, host).catch(() => undefined),
  );
  return new Map(infos.map(({ name, pending }) => [name, pending]));
}

async function list(
  names: readonly string[] | null,
  host: ControlHost,
  infoOf: (consumer: ListedConsumer, host: ControlHost) => Promise<ConsumerInfo | undefined>,
): Promise<ConsumerInfo[]> {
  const { consumers } = await host.main.call('consumers', { names });
  const found: ConsumerInfo[] = [];
  for (let at = 0; at < consumers.length; at += CONSUMERS_AT_ONCE) {
    const some = consumers.slice(at, at + CONSUMERS_AT_ONCE);
    const infos = await Promise.all(some.map((consumer) => infoOf(consumer, host)));
    found.push(...infos.filter((info) => info !== undefined));
  }
  return found;
}

async function infoOf(
  consumer: ListedConsumer,
  host: ControlHost,
): Promise<ConsumerInfo | undefined> {
  try {
    return consumerInfo(consumer, await new ConsumerShards(consumer, host).states(), host.epoch);
  } catch (error) {
    if (error instanceof BusError && error.code === 'CONSUMER_UNKNOWN') return undefined;
    throw error;
  }
}
