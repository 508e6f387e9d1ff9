import type { ShardControl } from '../../link/shard-control.js';
import type { OpenStore } from '../../store/log-store.js';
import type { ParsedBusOptions } from '../bus-options.js';
import { type ShardHost, ShardSupervisor } from '../shard-supervisor.js';

/** Given as a URL, because the desks' threads import it. */
const DESK_LOG = new URL('../../store/desk/open-desk-log.js', import.meta.url).href;

export interface DeskMemory {
  /** Of the shards, whose heads the desks follow. */
  readonly shards: readonly ShardControl[];
  readonly desks: readonly ShardControl[];
  readonly gates: SharedArrayBuffer;
}

/** True if the store's consumers are served by threads of their own; see docs/adr/0086. */
export function hasDeskThreads({ consumerJournals, history }: OpenStore): boolean {
  return consumerJournals !== undefined && history !== undefined;
}

/** The threads that serve consumers, one for each shard. */
export function deskThreads(
  { consumerJournals: journal, history }: OpenStore,
  { commitBatchEvents, publishWaitMs }: ParsedBusOptions,
  { shards, desks, gates }: DeskMemory,
  host: ShardHost,
): ShardSupervisor[] {
  return desks.map((control, shard) => {
    const settings = {
      commitBatchEvents,
      publishWaitMs,
      prunes: false,
      archive: undefined,
      gates,
      controls: desks.map(({ buffer }) => buffer),
      desk: undefined,
      log: {
        module: DESK_LOG,
        options: { journal, history, shardControl: shards[shard]!.buffer },
        settings: { dedupeWindowMs: 0, dedupeIdsMax: 0, retention: [] },
      },
    };
    return new ShardSupervisor(shard, control, settings, host);
  });
}
