/** How far a subscription is in one shard's log, and what it holds of that shard's credit. */

export interface ShardProgress {
  readonly shard: number;
  /**
   * The shard was not asked yet; it can have no event that the filter wants, and is not asked; it sends; or this endpoint reads
   * history.
   */
  mode: 'none' | 'unneeded' | 'shard' | 'history';
  /** All that matched up to here has arrived in the local queue. */
  received: number;
  /** All that matched up to here was handed to the user. */
  consumed: number;
  /** Whatever is committed arrives at once, so `received` is also the link's watermark. */
  isLive: boolean;
  hasBeenLive: boolean;
  /** Events of this shard in the local queue, those of them that hold credit, and their bytes. */
  pending: number;
  credited: number;
  creditedBytes: number;
  /** Bytes of those that came from history and hold none. */
  historyBytes: number;
  owedEvents: number;
  owedBytes: number;
}

export function newProgress(shard: number): ShardProgress {
  return {
    shard,
    mode: 'none',
    received: 0,
    consumed: 0,
    isLive: false,
    hasBeenLive: false,
    pending: 0,
    credited: 0,
    creditedBytes: 0,
    historyBytes: 0,
    owedEvents: 0,
    owedBytes: 0,
  };
}

/** The shard has the subscription, or is about to. */
export function isAsked({ mode }: ShardProgress): boolean {
  return mode === 'shard' || mode === 'history';
}

/** All up to here was consumed, or did not match. `watermark`: how far a live subscription has received without an event. */
export function positionOf(progress: ShardProgress, watermark: number): number {
  if (progress.pending > 0) return progress.consumed;
  if (!progress.isLive) return progress.received;
  return Math.max(progress.received, watermark);
}
