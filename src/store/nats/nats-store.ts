import { threadModule } from '../../threads/packed.js';
import type { LogStore, OpenStore, StoreRequest } from '../log-store.js';
import { withinOpening } from '../shared/opening.js';
import { OpenSharedStore } from '../shared/shared-store.js';
import { ensureConsumerStream } from './consumers/consumer-stream.js';
import { placeOf } from './nats-faults.js';
import { fillNats } from './nats-filling.js';
import { NatsLink } from './nats-link.js';
import { type NatsSettings, type NatsStoreOptions, natsSettings } from './nats-options.js';
import type { NatsAddress } from './nats-stream.js';
import { assertJetStream, openHistory } from './opening.js';
import { streamReach } from './streams.js';
import { streamName } from './subjects.js';

/** Given as URLs, because other threads import them. */
const SHARD_LOG = threadModule('store/nats/nats-shard-log').href;
const HISTORY = threadModule('store/nats/nats-history').href;
const CONSUMERS = threadModule('store/nats/consumers/nats-consumers').href;

/**
 * A store on NATS JetStream, which several nodes share: one stream for each shard. Needs the packages
 * `@nats-io/transport-node` and `@nats-io/jetstream`, and nats-server 2.9 or later.
 *
 * @param options the servers, and how the streams are to be
 * @throws BusError `OPTION_INVALID`
 */
export function natsStore(options: NatsStoreOptions): LogStore {
  const settings = natsSettings(options);
  const open = (request: StoreRequest): Promise<OpenStore> =>
    withinOpening(placeOf(settings), openStore(settings, request), (late) => late?.close([]));
  return { name: 'on NATS', open, fill: (request) => fillNats(settings, request) };
}

async function openStore(settings: NatsSettings, request: StoreRequest): Promise<OpenStore> {
  const link = await NatsLink.open(settings, `millrace ${settings.prefix}`, false);
  try {
    await assertJetStream(link);
    const charter = await openHistory(link, settings, request);
    const { epoch, shards, shardBy, created, replicas } = charter;
    await ensureConsumerStream(link, settings, replicas);
    const options: NatsAddress = { settings, epoch, created };
    const streams = created.map((_, shard) => streamName(settings.prefix, shard));
    link.patienceMs = Number.POSITIVE_INFINITY;
    return new OpenSharedStore({
      shards,
      shardBy,
      epoch,
      // A server acknowledges before it flushes.
      durability: replicas > 1 ? 'replicated' : 'written',
      shardLog: SHARD_LOG,
      historyModule: HISTORY,
      options,
      consumerBroker: { module: CONSUMERS, options },
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
