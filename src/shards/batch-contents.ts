import type { RingPosition } from '../store/shard-log.js';
import { AckRuns } from './ack-runs.js';
import { BatchEvents } from './batch-events.js';
import type { ShardEnd } from './shard-end.js';

/** What a batch holds besides its events, and what it counts. Only the shard's loop touches this. */
export class BatchContents extends BatchEvents {
  /** An event, or a repeat of a stored one, asked to survive power loss and is not flushed yet. */
  synced = false;
  /** Publishes in the batch, duplicates included. */
  handled = 0;
  /** Of the records that were taken from rings. */
  byteCount = 0;
  /** Events appended to the log. */
  appended = 0;
  ephemeral = 0;
  duplicates = 0;
  /** Publishes that were refused because they would have waited for a `block` subscription longer than they may. */
  overdue = 0;
  /** Publishes that were refused by their terms, or by a shared log for themselves. */
  conflicts = 0;
  readonly runs: AckRuns;
  /** How far the links' rings count as taken once the batch is stored. */
  readonly positions: RingPosition[] = [];
  /** The links whose ring memory the batch holds. */
  readonly links: ShardEnd[] = [];

  constructor(isOfShared: boolean) {
    super();
    this.runs = new AckRuns(isOfShared);
  }

  /** Gives the ring memory back and empties the batch. */
  release(): void {
    for (const link of this.links) link.releasePublishes();
    this.links.length = 0;
    this.runs.clear();
    this.positions.length = 0;
    this.clearDeliveries();
    this.synced = false;
    this.handled = 0;
    this.byteCount = 0;
    this.appended = 0;
    this.ephemeral = 0;
    this.duplicates = 0;
    this.overdue = 0;
    this.conflicts = 0;
  }
}
