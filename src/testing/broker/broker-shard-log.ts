/** A shard's log on a broker: the `ShardLogModule` of `BrokerStore`. */
import { setTimeout as afterMs } from 'node:timers/promises';
import type { ShardLog, ShardLogOpening, TopicSummary } from '../../store/shard-log.js';
import type {
  AppendedEntries,
  LogStream,
  NewEntry,
  StreamEntry,
  StreamFollower,
  StreamState,
} from '../../store/shared/log-stream.js';
import { openSharedLog } from '../../store/shared/shared-shard-log.js';
import { BrokerLink } from './broker-link.js';
import type { BrokerAddress } from './messages.js';

/** The pause before the broker is asked again, ms. */
const RETRY_MS = 50;

export function openShardLog(opening: ShardLogOpening): Promise<ShardLog> {
  const { shard, options } = opening;
  return openSharedLog(new BrokerLogStream(shard, options as BrokerAddress), opening);
}

class BrokerLogStream implements LogStream {
  readonly judges = { expect: false, groups: false };
  readonly #shard: number;
  readonly #link: BrokerLink;
  #follower: StreamFollower | undefined;

  constructor(shard: number, address: BrokerAddress) {
    this.#shard = shard;
    this.#link = new BrokerLink(address, (news) => {
      if (news.shard === shard) this.#follower?.onEntries(news.entries);
    });
  }

  async join(headLeast: number, _isFirst: boolean, follower: StreamFollower): Promise<StreamState> {
    this.#follower = follower;
    for (;;) {
      const state = await this.#link.call<StreamState>(this.#shard, { call: 'join' });
      if (state.head >= headLeast) return state;
      await afterMs(RETRY_MS);
    }
  }

  append(events: readonly NewEntry[]): Promise<AppendedEntries> {
    return this.#link.call(this.#shard, { call: 'append', events });
  }

  fetch(after: number, until: number): Promise<readonly StreamEntry[]> {
    return this.#link.call(this.#shard, { call: 'fetch', after, until });
  }

  /** The broker removes nothing. */
  async topics(): Promise<readonly TopicSummary[]> {
    return [];
  }

  async close(): Promise<void> {
    this.#link.close();
  }
}
