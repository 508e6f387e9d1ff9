import { BusError } from '../../protocol/errors.js';
import { COPY_PROGRESS_EVENTS } from '../../protocol/limits/store.js';
import { shardOf } from '../../protocol/topic-hash.js';
import { EventRecordView } from '../../record/event-record.js';
import type { StoreFilling } from '../filling.js';
import type { CopySource } from './copy-source.js';
import { merged } from './feed.js';
import { Lane } from './lane.js';

/**
 * Copies all events of a source into a store that is being filled, and compares both sides at the end. A copy that was
 * interrupted goes on from what the destination has. See docs/adr/0087.
 */
export interface CopyOptions {
  readonly from: CopySource;
  readonly to: StoreFilling;
  /** Events recorded after this, ms since 1970, by a clock that was ahead, count as recorded then. Default: no limit. */
  readonly recordedUntil?: number;
  readonly onProgress?: (progress: CopyProgress) => void;
}

export interface CopyProgress {
  readonly step: 'copied' | 'compared';
  readonly events: number;
  /** Approximate: removed events count. */
  readonly total: number;
}

export interface CopyResult {
  /** How many the destination has now. */
  readonly events: number;
  /** How many of them an interrupted copy had left there. */
  readonly found: number;
  /** By shard of the destination, its last sequence. */
  readonly heads: readonly number[];
}

/** @throws BusError `OPTION_INVALID`, `STORE_CORRUPT`, `STORE_FULL`, `STORE_FAILED`, `PAYLOAD_TOO_LARGE` */
export async function copyEvents(options: CopyOptions): Promise<CopyResult> {
  const { to } = options;
  const found = sum(to.heads);
  const heads = await walk(options, 'copied', to.heads);
  const settled = await to.settle();
  assertHeads(heads, settled);
  await walk(options, 'compared', heads);
  await to.end();
  return { events: sum(heads), found, heads };
}

/** Gives each event of the source to its shard of the destination, in order. @returns the heads of the destination */
async function walk(
  { from, to, recordedUntil, onProgress }: CopyOptions,
  step: CopyProgress['step'],
  heads: readonly number[],
): Promise<number[]> {
  const segments = to.shardBy?.segments ?? 0;
  const view = new EventRecordView();
  const lanes: Lane[] = [];
  let events = 0;
  try {
    for (const [shard, head] of heads.entries()) {
      lanes.push(await Lane.open(to, shard, head, step === 'compared'));
    }
    for await (const event of merged(from, recordedUntil)) {
      const { topic } = view.wrap(event.bytes, 0);
      await lanes[shardOf(topic, to.shards, segments)]!.take(event);
      if (++events % COPY_PROGRESS_EVENTS === 0) onProgress?.({ step, events, total: from.total });
    }
    await Promise.all(lanes.map((lane) => lane.end()));
    onProgress?.({ step, events, total: events });
    return lanes.map(({ head }) => head);
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
  }
}

function assertHeads(heads: readonly number[], settled: readonly number[]): void {
  const shard = heads.findIndex((head, at) => head !== settled[at]);
  if (shard < 0) return;
  throw new BusError(
    'STORE_FAILED',
    `shard ${shard} of the destination ends with event ${settled[shard]}, and ${heads[shard]} were copied: ` +
      'somebody else writes to it',
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
