import type { ListedConsumer } from '../../link/consumer-shapes.js';
import type { ConsumerInfo } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import { CONSUMERS_AT_ONCE } from '../../protocol/limits/consumers.js';
import { consumerInfo } from './consumer-info.js';
import { ConsumerShards, type ControlHost } from './consumer-shards.js';

/** All consumers of the bus, by name; one that is deleted meanwhile is left out. */
export async function listConsumers(host: ControlHost): Promise<ConsumerInfo[]> {
  const { consumers } = await host.main.call('consumers', { names: null });
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
