import { BusError } from '../../protocol/errors.js';
import { NATS_OPEN_MS } from '../../protocol/limits/nats.js';
import { SHARDS_MAX } from '../../protocol/limits/shards.js';
import { messageOf } from '../../protocol/thrown.js';
import type { LogStore, OpenStore, StoreRequest } from '../log-store.js';
import { assertShards, OpenSharedStore } from '../shared/shared-store.js';
import { type Charter, newCharter, readCharter, writeCharter } from './charter.js';
import { apiFaultOf, nameOf, withoutJetStream } from './nats-faults.js';
import { NatsLink } from './nats-link.js';
import { type NatsSettings, type NatsStoreOptions, natsSettings } from './nats-options.js';
import type { NatsAddress } from './nats-stream.js';
import { countStreams, ensureBucket, ensureStream, streamReach } from './streams.js';
import { streamName } from './subjects.js';

/** Given as URLs, because other threads import them. */
const SHARD_LOG = new URL('./nats-shard-log.js', import.meta.url).href;
const HISTORY = new URL('./nats-history.js', import.meta.url).href;

/**
 * A store on NATS JetStream, which several nodes share: one stream for each shard. Needs the packages
 * `@nats-io/transport-node` and `@nats-io/jetstream`, and nats-server 2.9 or later.
 *
 * @param options the servers, and how the streams are to be
 * @throws BusError `OPTION_INVALID`
 */
export function natsStore(options: NatsStoreOptions): LogStore {
  const settings = natsSettings(options);
  return { name: 'on NATS', open: (request) => openStore(settings, request) };
}

async function openStore(settings: NatsSettings, request: StoreRequest): Promise<OpenStore> {
  const link = await NatsLink.open(settings, `millrace ${settings.prefix}`, false);
  try {
    await assertJetStream(link);
    const charter = await openHistory(link, settings, request);
    const { epoch, shards, shardBy, created, replicas } = charter;
    const options: NatsAddress = { settings, epoch, created };
    const streams = created.map((_, shard) => streamName(settings.prefix, shard));
    return new OpenSharedStore({
      shards,
      shardBy,
      epoch,
      // A server acknowledges before it flushes.
      durability: replicas > 1 ? 'replicated' : 'written',
      shardLog: SHARD_LOG,
      historyModule: HISTORY,
      options,
      heads: async () => {
        const reaches = await Promise.all(streams.map((stream) => streamReach(link, stream)));
        return reaches.map(({ head }) => head);
      },
      close: () => link.close(),
    });
  } catch (error) {
    await link.close();
    throw error;
  }
}

async function assertJetStream(link: NatsLink): Promise<void> {
  const isDisabled = (error: unknown): boolean =>
    nameOf(error) === 'JetStreamNotEnabled' || apiFaultOf(error) !== undefined;
  try {
    await link.insist('JetStream', () => link.manager.getAccountInfo(), isDisabled, NATS_OPEN_MS);
  } catch (error) {
    if (!isDisabled(error) && !/no responders|jetstream/i.test(messageOf(error))) throw error;
    throw withoutJetStream(messageOf(error));
  }
}

type Opened = Charter & {
  readonly created: readonly string[];
  /** The least number of servers that have an event. */
  readonly replicas: number;
};

/** Takes the history that is there, or begins one; streams that were made anew begin a new epoch. */
async function openHistory(
  link: NatsLink,
  settings: NatsSettings,
  request: StoreRequest,
): Promise<Opened> {
  const { prefix } = settings;
  const wanted = wantedShards(settings, request);
  await ensureBucket(link, settings);
  for (;;) {
    const stored = await readCharter(link, prefix);
    if (stored === undefined) {
      const there = wanted ?? (await countStreams(link, prefix, SHARDS_MAX));
      const shards = there === 0 ? request.defaultShards : there;
      await writeCharter(link, prefix, newCharter(shards, request.shardBy), 0);
      continue;
    }
    const { charter, revision } = stored;
    assertShards(`the store ${prefix} on NATS`, wanted, charter.shards);
    const { created, replicas } = await streamsOf(link, settings, charter.shards);
    const kept = charter.created;
    if (kept !== undefined && isSame(kept, created)) return { ...charter, created, replicas };
    const { epoch } = kept === undefined ? charter : newCharter(charter.shards, charter.shardBy);
    const next = { ...charter, epoch, created };
    if (await writeCharter(link, prefix, next, revision)) return { ...next, replicas };
  }
}

function wantedShards({ shards, prefix }: NatsSettings, request: StoreRequest): number | undefined {
  if (shards === undefined || request.shards === undefined || shards === request.shards) {
    return shards ?? request.shards;
  }
  throw new BusError(
    'OPTION_INVALID',
    `natsStore: shards: the store ${prefix} has to have ${shards}, and the bus ${request.shards}: say it once`,
  );
}

async function streamsOf(link: NatsLink, settings: NatsSettings, shards: number) {
  const numbers = Array.from({ length: shards }, (_, shard) => shard);
  const infos = await Promise.all(numbers.map((shard) => ensureStream(link, settings, shard)));
  return {
    created: infos.map(({ created }) => created),
    replicas: Math.min(...infos.map(({ config }) => config.num_replicas)),
  };
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((created, at) => created === other[at]);
}
