/**
 * Ends the states of durable consumers in shards whose stream was made anew: they name places of a history that is gone. The
 * consumers stay, and begin with the first event of the new one.
 */
import type { VersionedText } from '../../consumer-broker.js';
import { type KeptConsumer, readConsumerList, writeConsumerList } from '../../consumer-list.js';
import type { NatsLink } from '../nats-link.js';
import { streamInfo } from '../streams.js';
import { consumerStream, journalSubject } from './consumer-stream.js';
import { NatsConsumers } from './nats-consumers.js';

/** What was stored of consumers at a moment. */
export interface StoredStates {
  /** The last sequence of the stream of journals; 0: there is no stream. */
  readonly last: number;
  readonly list: VersionedText;
}

export async function storedStates(link: NatsLink, prefix: string): Promise<StoredStates> {
  const stream = await streamInfo(link, consumerStream(prefix));
  const list = await new NatsConsumers(link, prefix).text('list').read();
  return { last: stream?.state.last_seq ?? 0, list };
}

/**
 * Ends what was stored of the shards `anew`, of `count` in all, and nothing that came later.
 * @returns false: the list of consumers is another one by now
 */
export async function endStates(
  link: NatsLink,
  prefix: string,
  { last, list }: StoredStates,
  { anew, count }: { readonly anew: readonly number[]; readonly count: number },
): Promise<boolean> {
  for (const shard of last === 0 ? [] : anew) {
    const until = { filter: journalSubject(prefix, shard), seq: last + 1 };
    await link.soon(() => link.manager.streams.purge(consumerStream(prefix), until));
  }
  const file = 'the list of consumers on NATS';
  const read = (): string | undefined => list.text;
  const consumers = readConsumerList({ file, read }, count);
  if (consumers.length === 0) return true;
  let version: number | undefined;
  const write = async (text: string): Promise<void> => {
    version = await new NatsConsumers(link, prefix).text('list').replace(list.version, text);
  };
  const begun = consumers.map((consumer) => begunAnew(consumer, anew));
  await writeConsumerList({ file, read, write }, begun);
  return version !== undefined;
}

function begunAnew(
  { isFromCursor: _, ...consumer }: KeptConsumer,
  shards: readonly number[],
): KeptConsumer {
  const { positions } = consumer;
  return { ...consumer, positions: positions.map((at, n) => (shards.includes(n) ? 0 : at)) };
}
