/** How far a subscription is in one shard's log, and how much of that shard's credit it holds. */

export interface ShardProgress {
  readonly shard: number;
  /**
   * `none`: the shard was not asked yet. `unneeded`: no event of the shard can match the filter, so it is not asked.
   * `shard`: the shard sends. `history`: this endpoint reads history.
   */
  mode: 'none' | 'unneeded' | 'shard' | 'history';
  /** All matching events up to this sequence have arrived in the local queue. */
  received: number;
  /** The user has consumed all matching events up to this sequence. */
  consumed: number;
  /** Committed events arrive at once, so the link's watermark holds for this subscription too. */
  isLive: boolean;
  hasBeenLive: boolean;
  /** The newest event of each topic comes first, and then those behind them. */
  beginsWithNewest: boolean;
  /** Events of this shard that are queued or handed out. */
  pending: number;
  /** Events among `pending` that hold credit, and their bytes. */
  credited: number;
  creditedBytes: number;
  /** Bytes of the events among `pending` that came from history and hold no credit. */
  historyBytes: number;
  /** Credit of consumed events that is not given back yet. */
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
    beginsWithNewest: false,
    pending: 0,
    credited: 0,
    creditedBytes: 0,
    historyBytes: 0,
    owedEvents: 0,
    owedBytes: 0,
  };
}

/** True if the shard has the subscription or was asked to take it. */
export function isAsked({ mode }: ShardProgress): boolean {
  return mode === 'shard' || mode === 'history';
}

/**
 * The sequence up to which all events were consumed or did not match. `watermark`: how far the link's live
 * subscriptions have received everything.
 */
export function positionOf(progress: ShardProgress, watermark: number): number {
  if (progress.pending > 0) return progress.consumed;
  if (!progress.isLive) return progress.received;
  return Math.max(progress.received, watermark);
}
