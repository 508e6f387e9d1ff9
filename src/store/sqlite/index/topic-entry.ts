import { AS_PRUNED_THROUGH, topicChecksum } from './topic-rows.js';

/** A topic with its totals, in the writer's memory. `TopicTable` holds them all. */
export interface TopicEntry {
  readonly id: number;
  readonly name: string;
  events: number;
  bytes: number;
  /** 0: unknown. After pruning it is looked up on demand. */
  firstSequence: number;
  lastSequence: number;
  firstAt: number;
  lastAt: number;
  /** All that was up to here is gone: nothing of the topic is left there, or in the index. */
  goneThrough: number;
  /** Up to `goneThrough`: what readers that come too late are told of as a gap. */
  prunedThrough: number;
  /** The sequence up to which the table's row counts. */
  through: number;
  isDirty: boolean;
  /** The batch that last changed the entry, and the totals before that batch. */
  batch: number;
  readonly before: TopicTotals;
  /** Indexes of the retention rules whose pattern matches. */
  rules: readonly number[];
}

/** An event that is removed from its topic. */
export interface Uncounted {
  readonly sequence: number;
  readonly bytes: number;
  /** No older event of the topic is left. */
  readonly isOldest: boolean;
  /** With `isOldest`: the topic's oldest event afterwards, where that is known. */
  readonly next?: At | undefined;
}

export interface At {
  readonly sequence: number;
  readonly recordedAt: number;
}

export interface TopicTotals {
  through: number;
  goneThrough: number;
  prunedThrough: number;
  events: number;
  bytes: number;
  firstSequence: number;
  lastSequence: number;
  firstAt: number;
  lastAt: number;
  wasDirty: boolean;
}

export function newEntry(id: number, name: string, rules: readonly number[]): TopicEntry {
  const none = { events: 0, bytes: 0, firstSequence: 0, lastSequence: 0, firstAt: 0, lastAt: 0 };
  const through = { goneThrough: 0, prunedThrough: 0, through: 0 };
  const before = { ...none, ...through, wasDirty: false };
  return { id, name, ...none, ...through, isDirty: false, batch: 0, before, rules };
}

/** Notes the totals as they are before a batch. */
export function takeTotals(entry: TopicEntry): void {
  const { before } = entry;
  before.through = entry.through;
  before.goneThrough = entry.goneThrough;
  before.prunedThrough = entry.prunedThrough;
  before.events = entry.events;
  before.bytes = entry.bytes;
  before.firstSequence = entry.firstSequence;
  before.lastSequence = entry.lastSequence;
  before.firstAt = entry.firstAt;
  before.lastAt = entry.lastAt;
  before.wasDirty = entry.isDirty;
}

/** Reverts the totals to those before the batch. */
export function putTotalsBack(entry: TopicEntry): void {
  const { before } = entry;
  entry.through = before.through;
  entry.goneThrough = before.goneThrough;
  entry.prunedThrough = before.prunedThrough;
  entry.events = before.events;
  entry.bytes = before.bytes;
  entry.firstSequence = before.firstSequence;
  entry.lastSequence = before.lastSequence;
  entry.firstAt = before.firstAt;
  entry.lastAt = before.lastAt;
  entry.isDirty = before.wasDirty;
}

/** What the topic's row has in `gone_through`. */
export function storedGoneThrough({ goneThrough, prunedThrough }: TopicEntry): number {
  return goneThrough === prunedThrough ? AS_PRUNED_THROUGH : goneThrough;
}

/** The checksum of the topic's row, in which everything up to `through` is counted. */
export function checksumOfEntry(entry: TopicEntry, through: number): number {
  return topicChecksum({
    id: entry.id,
    name: entry.name,
    events: entry.events,
    bytes: entry.bytes,
    first_sequence: entry.firstSequence,
    last_sequence: entry.lastSequence,
    first_at: entry.firstAt,
    last_at: entry.lastAt,
    pruned_through: entry.prunedThrough,
    gone_through: storedGoneThrough(entry),
    through,
  });
}
