/** History on a broker, for a reader thread: the `HistoryModule` of `BrokerStore`. */
import type { StoreHistory } from '../../store/log-store.js';
import { StreamHistory } from '../../store/shared/stream-history.js';
import { BrokerLink } from './broker-link.js';
import type { BrokerAddress } from './messages.js';

export function openHistory(options: unknown): StoreHistory {
  const link = new BrokerLink(options as BrokerAddress);
  return new StreamHistory({
    bounds: (shard) => link.call(shard, { call: 'bounds' }),
    fetch: (shard, after, until, limit) => link.call(shard, { call: 'fetch', after, until, limit }),
    close: () => link.close(),
  });
}
