/** History on NATS JetStream, for a reader thread: the `HistoryModule` of `natsStore`. */
import { setTimeout as afterMs } from 'node:timers/promises';
import { NATS_RETRY_MS } from '../../protocol/limits/nats.js';
import type { StoreHistory } from '../log-store.js';
import { StreamHistory } from '../shared/stream-history.js';
import { NatsLink } from './nats-link.js';
import { headOf, type NatsAddress } from './nats-stream.js';
import { StreamReader } from './reader.js';
import { Subjects, streamName } from './subjects.js';

export async function openHistory(options: unknown): Promise<StoreHistory> {
  const { settings, created } = options as NatsAddress;
  const { prefix } = settings;
  const link = await NatsLink.open(settings, `millrace ${prefix} history`, true);
  const readers = created.map(
    (_, shard) => new StreamReader(link, streamName(prefix, shard), new Subjects(prefix, shard)),
  );
  return new StreamHistory({
    async bounds(shard, headLeast) {
      for (;;) {
        const { first_seq: first, last_seq: head } = await headOf(link, streamName(prefix, shard));
        if (head >= headLeast) return { head, prunedThrough: Math.max(0, first - 1) };
        await afterMs(NATS_RETRY_MS);
      }
    },
    fetch: (shard, after, until, limit) =>
      readers[shard]!.read(after, until, limit === undefined ? {} : { limit }),
    close: () => link.close(),
  });
}
