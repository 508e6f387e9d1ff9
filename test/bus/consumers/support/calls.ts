import type * as internals from '../../../../src/endpoint/internals.js';
import type { ShardCall } from '../../../../src/endpoint/links/control-sender.js';
import type { MainThread } from '../../../../src/endpoint/main-thread.js';
import type { AnswerOf, NameOf, RequestOf } from '../../../../src/link/calls.js';
import type { ListedConsumer } from '../../../../src/link/consumer-shapes.js';
import type { Bus } from '../../../../src/main/bus.js';
import { parseConsumerOptions } from '../../../../src/protocol/consumer-definition.js';
import type { ConsumerOptions } from '../../../../src/protocol/consumers.js';

/** The calls of an endpoint that no method of the bus makes by itself. */

const { internalsOf }: typeof internals = await import(
  /* @vite-ignore */ new URL('../../../../dist/endpoint/internals.js', import.meta.url).href
);

export function callMain<N extends NameOf<'main'>>(
  bus: Bus,
  name: N,
  request: RequestOf<N>,
): Promise<AnswerOf<N>> {
  return (bus as unknown as { readonly main: MainThread }).main.call(name, request);
}

export function callShard<N extends ShardCall>(
  bus: Bus,
  shard: number,
  name: N,
  request: RequestOf<N>,
): Promise<AnswerOf<N>> {
  return internalsOf(bus)!.callShard(shard, name, () => request);
}

/** Makes or opens a consumer, as `bus.consumer` does. */
export function listConsumer(
  bus: Bus,
  name: string,
  options: ConsumerOptions,
): Promise<ListedConsumer> {
  const { definition, from, isUpdate } = parseConsumerOptions(options);
  return callMain(bus, 'openConsumer', { name, definition, from, isUpdate });
}

/** Whether a shard knows the consumer: a member may join it. */
export async function knows(bus: Bus, shard: number, consumer: string): Promise<boolean> {
  const member = 1_000_000 + Math.floor(Math.random() * 1_000_000);
  const request = { member, consumer, concurrency: 1, isDetached: false, since: 0, leases: [] };
  try {
    await callShard(bus, shard, 'consumerJoin', request);
  } catch (error) {
    if ((error as { code?: string }).code === 'CONSUMER_UNKNOWN') return false;
    throw error;
  }
  await callShard(bus, shard, 'consumerLeave', { member, how: 'left' });
  return true;
}
