/** History on NATS JetStream, for a reader thread: the `HistoryModule` of `natsStore`. */
import { setTimeout as afterMs } from 'node:timers/promises';
import { NATS_RETRY_MS } from '../../protocol/limits/nats.js';
import type { StoreHistory } from '../log-store.js';
import { StreamHistory } from '../shared/stream-history.js';
import { NatsLink } from './nats-link.js';
import type { NatsAddress } from './nats-stream.js';
import { StreamReader } from './reader.js';
import { streamReach } from './streams.js';
import { Subjects, streamName } from './subjects.js';

export async function openHistory(options: unknown): Promise<StoreHistory> {
  const { settings, created } = options as NatsAddress;
  const { prefix } = settings;
  const link = await NatsLink.open(settings, `millrace ${prefix} history`, true);
  const subjects = created.map((_, shard) => new Subjects(prefix, shard));
  const readers = subjects.map(
    (of, shard) => new StreamReader(link, streamName(prefix, shard), of),
  );
  return new StreamHistory({
    async bounds(shard, headLeast) {
      for (;;) {
        const reach = await streamReach(link, streamName(prefix, shard));
        if (reach.head >= headLeast) return reach;
        await afterMs(NATS_RETRY_MS);
      }
    },
    fetch(shard, after, until, limit, topics) {
      const filter = topics === undefined ? undefined : subjects[shard]!.ofPattern(topics[0]!);
      const options = limit === undefined ? { filter } : { filter, limit };
      return readers[shard]!.read(after, until, options);
    },
    hasHoles: true,
    // A consumer of the oldest servers has one filter.
    filters: (topics) => topics.length === 1 && topics[0] !== '*',
    close: () => link.close(),
  });
}
