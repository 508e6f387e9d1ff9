import type { DeadEvent } from '../protocol/consumers.js';
import type { DeadEntry } from './consumer-shapes.js';

/** A dead event of a shard, as users see it. */
export function deadEvent(shard: number, { diedAt, ...entry }: DeadEntry): DeadEvent {
  return { ...entry, shard, diedAt: new Date(diedAt).toISOString() };
}
