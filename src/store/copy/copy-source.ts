import { BusError } from '../../protocol/errors.js';
import type { FilledEvent } from '../filling.js';

/** A history that is copied. It stays as it was when it was opened, but for what retention removes. */
export interface CopySource {
  readonly shards: number;
  readonly shardBy: { readonly segments: number } | undefined;
  /** The epoch. */
  readonly history: string;
  /** About how many events there are: removed ones count. */
  readonly total: number;
  /**
   * All events of a shard from the first on, in pieces, up to the head that the source had when it was opened.
   * @throws BusError `STORE_CORRUPT`, `STORE_FAILED`
   */
  events(shard: number): AsyncIterable<readonly FilledEvent[]>;
  close(): Promise<void>;
}

/** @throws BusError `OPTION_INVALID` if a history has something besides events, by its name */
export function assertEventsOnly(place: string, counts: readonly (readonly [number, string])[]) {
  const others = counts.flatMap(([count, what]) => (count === 0 ? [] : [`${what}: ${count}`]));
  if (others.length === 0) return;
  throw new BusError(
    'OPTION_INVALID',
    `${place} has more than events (${others.join(', ')}), which a copy does not take along: ` +
      '--events-only leaves it behind',
    { details: { place, others } },
  );
}
