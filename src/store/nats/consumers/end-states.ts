/**
 * Ends the states of durable consumers in shards whose stream was made anew: they name places of a history that is gone. The
 * consumers stay, and begin with the first event of the new one.
 */
import type { VersionedText } from '../../consumer-broker.js';
import { type KeptConsumer, readConsumerList, writeConsumerList } from '../../consumer-list.js';
import type { NatsLink } from '../nats-link.js';
import { streamInfo } from '../streams.js';
import { consumerStream } from './consumer-stream.js';
import { NatsConsumers } from './nats-consumers.js';
import type { NatsJournal } from './nats-journal.js';

/** What was stored of consumers at a moment. */
export interface StoredStates {
  readonly list: VersionedText;
  /** Those of the shards that were made anew; none where no stream keeps them. */
  readonly journals: readonly StoredJournal[];
}

interface StoredJournal {
  readonly journal: NatsJournal;
  /** The sequence of its last message. */
  readonly last: number;
}

/** @param anew the shards whose stream was made anew */
export async function storedStates(
  link: NatsLink,
  prefix: string,
  anew: readonly number[],
): Promise<StoredStates> {
  const broker = new NatsConsumers(link, prefix);
  const list = await broker.text('list').read();
  const stream = await streamInfo(link, consumerStream(prefix));
  const kept = stream === undefined ? [] : anew.map((shard) => broker.journal(shard));
  const journals = kept.map(async (journal) => ({ journal, last: await journal.last() }));
  return { list, journals: await Promise.all(journals) };
}

/**
 * Ends what was stored of the shards `anew`, of `count` in all, unless something was stored since. A node that goes on serving the
 * old history is fenced: the list first, so that it finds the new one when it takes the journals again.
 * @returns false: something was stored since
 */
export async function endStates(
  link: NatsLink,
  prefix: string,
  { list, journals }: StoredStates,
  { anew, count }: { readonly anew: readonly number[]; readonly count: number },
): Promise<boolean> {
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
  if (version === undefined) return false;
  for (const { journal, last } of journals) if (!(await journal.beginAnew(last))) return false;
  return true;
}

function begunAnew(
  { isFromCursor: _, ...consumer }: KeptConsumer,
  shards: readonly number[],
): KeptConsumer {
  const { positions } = consumer;
  return { ...consumer, positions: positions.map((at, n) => (shards.includes(n) ? 0 : at)) };
}
