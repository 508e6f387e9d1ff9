import type { ShardControl } from '../../link/shard-control.js';
import { BusError } from '../../protocol/errors.js';
import { OWNER_GIVEN_UP_MS } from '../../protocol/limits/relay.js';
import type { ConsumerBrokerAddress, OpenStore } from '../../store/log-store.js';
import { threadModule } from '../../threads/packed.js';
import type { ParsedBusOptions } from '../bus-options.js';
import { type ShardHost, ShardSupervisor, type ThreadSettings } from '../shard-supervisor.js';
import type { KeepList } from './shard-lists.js';
import { SharedConsumers } from './shared/shared-consumers.js';

/** Given as a URL, because the desks' threads import it. */
const DESK_LOG = threadModule('store/desk/open-desk-log').href;
/** Started by URL, so that main imports nothing of the relays. */
const RELAY_THREAD = threadModule('relay/relay-thread');

export interface DeskMemory {
  /** Of the shards, whose heads the desks follow. */
  readonly shards: readonly ShardControl[];
  readonly desks: readonly ShardControl[];
  readonly gates: SharedArrayBuffer;
}

/** The durable consumers of a bus on a broker, and the threads that serve them or relay to the node that does. */
export function consumersOnBroker(
  broker: ConsumerBrokerAddress,
  store: OpenStore,
  options: ParsedBusOptions,
  memory: DeskMemory,
  host: ShardHost & { readonly keep: KeepList },
): { readonly consumers: SharedConsumers; readonly desks: readonly ShardSupervisor[] } {
  const consumers = new SharedConsumers(broker, {
    shards: store.shards,
    keep: host.keep,
    replaceThreads: () => {
      for (const desk of desks) void desk.replace();
    },
    warn: (error) => host.onWarning(error),
  });
  const desks = deskThreads(store, options, memory, consumers, {
    ...host,
    onTried: (shard, why) => {
      const isServed = consumers.role === 'desk';
      const what = isServed ? 'be served here' : 'be reached where they are served';
      const message = `the consumers of shard ${shard} could not ${what}: ${why}`;
      const error = new BusError('STORE_FAILED', message, { details: { shard, reason: why } });
      if (isServed) consumers.giveUp(error);
      host.onWarning(error);
      return OWNER_GIVEN_UP_MS;
    },
    onMeantEnd: (_, { code }) => {
      if (code === 'CONFLICT') consumers.doubt();
    },
  });
  return { consumers, desks };
}

/** The threads that serve consumers, or relay to the node that does, one for each shard. */
function deskThreads(
  { consumerBroker: broker, history }: OpenStore,
  { commitBatchEvents, publishWaitMs }: ParsedBusOptions,
  { shards, desks, gates }: DeskMemory,
  consumers: Pick<SharedConsumers, 'role'>,
  host: ShardHost,
): ShardSupervisor[] {
  const controls = desks.map(({ buffer }) => buffer);
  const shared = { commitBatchEvents, publishWaitMs, prunes: false, gates, controls };
  const none = { archive: undefined, desk: undefined };
  const settings = { dedupeWindowMs: 0, dedupeIdsMax: 0, retention: [] };
  return desks.map((control, shard) => {
    const settingsNow = (): ThreadSettings => {
      if (consumers.role === 'relay') {
        const log = { module: '', options: { broker }, settings };
        return { ...shared, ...none, thread: RELAY_THREAD, log };
      }
      const memory = { shardControl: shards[shard]!.buffer, control: control.buffer };
      const options = { broker, history, ...memory };
      return { ...shared, ...none, log: { module: DESK_LOG, options, settings } };
    };
    return new ShardSupervisor(shard, control, settingsNow, host);
  });
}
