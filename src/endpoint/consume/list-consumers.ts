import type { ConsumerShardState, ListedConsumer } from '../../link/consumer-shapes.js';
import type { ConsumerInfo } from '../../protocol/consumers.js';
import { CONSUMERS_AT_ONCE } from '../../protocol/limits/consumers.js';
import { ITSELF } from '../asker.js';
import { consumerInfo } from './consumer-info.js';
import type { ControlHost, ShardAsker } from './consumer-shards.js';

/** All consumers of the bus, by name; one that is deleted meanwhile is left out. */
export async function listConsumers(host: ControlHost): Promise<ConsumerInfo[]> {
  const { consumers } = await host.main.call('consumers', { names: null });
  const infos: ConsumerInfo[] = [];
  for await (const info of consumerInfos(consumers, host)) infos.push(info);
  return infos;
}

/**
 * About how much the consumers of these names have to do; without those that are not there. Every shard is asked about each
 * of them: where one does not answer, there is no sum.
 *
 * @throws BusError `BUS_CLOSED`, the failure of a shard
 */
export async function pendingOf(
  names: readonly string[],
  host: ControlHost,
): Promise<ReadonlyMap<string, number>> {
  const { consumers } = await host.main.call('consumers', { names });
  const found = new Map<string, number>();
  for await (const { name, pending } of consumerInfos(consumers, host)) found.set(name, pending);
  return found;
}

/**
 * What the shards say of these consumers, in their order; one that is deleted meanwhile is left out. Each shard is asked
 * for some of them at a time.
 *
 * @throws BusError `BUS_CLOSED`, the failure of a shard
 */
export async function* consumerInfos(
  consumers: readonly ListedConsumer[],
  host: ControlHost,
  asker: ShardAsker = ITSELF,
): AsyncGenerator<ConsumerInfo> {
  for (let at = 0; at < consumers.length; at += CONSUMERS_AT_ONCE) {
    const some = consumers.slice(at, at + CONSUMERS_AT_ONCE);
    const byShard = await asker.askInTurn(() => statesOf(some, host));
    for (const [index, consumer] of some.entries()) {
      const states = byShard.map((states) => states[index] ?? null);
      if (states.every((state) => state !== null)) yield consumerInfo(consumer, states, host.epoch);
    }
  }
}

async function statesOf(
  consumers: readonly ListedConsumer[],
  host: ControlHost,
): Promise<(readonly (ConsumerShardState | null)[])[]> {
  host.assertOpen();
  const request = { consumers: consumers.map(({ id }) => id) };
  const answers = await Promise.all(
    host.ends.map((end) => end.call('consumerStates', () => request)),
  );
  return answers.map(({ states }) => states);
}
