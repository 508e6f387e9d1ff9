import { type Event, payloadText } from 'millrace/client';
import { REPLAY_EVENTS_MAX, SAMPLE_MAX } from './bounds.js';
import { isMasked } from './masked.js';

/** What a dry run has counted. Pure. */
export interface DryRun {
  readonly events: number;
  /** Of the payloads as JSON. */
  readonly bytes: number;
  readonly first: Event | undefined;
  readonly last: Event | undefined;
  readonly sample: readonly Event[];
  /** There are more events than one replay takes. */
  readonly isCut: boolean;
  /** Events with values that the server has masked: their copies hold the mask. */
  readonly masked: number;
  /** For each shard, the sequence of the last event. The replay ends there, so it never meets its own copies. */
  readonly ends: ReadonlyMap<number, number>;
}

export const NOTHING_COUNTED: DryRun = {
  events: 0,
  bytes: 0,
  first: undefined,
  last: undefined,
  sample: [],
  isCut: false,
  masked: 0,
  ends: new Map(),
};

const utf8 = new TextEncoder();

/** Counts one more event: of each shard they have to come in the order of their sequences. */
export function countedWith(run: DryRun, event: Event): DryRun {
  if (run.events >= REPLAY_EVENTS_MAX) return { ...run, isCut: true };
  const { shard, sequence = 0 } = event;
  const text = payloadText(event);
  return {
    events: run.events + 1,
    bytes: run.bytes + utf8.encode(text).length,
    first: run.first ?? event,
    last: event,
    sample: run.sample.length < SAMPLE_MAX ? [...run.sample, event] : run.sample,
    isCut: false,
    masked: run.masked + (isMasked(text) ? 1 : 0),
    ends: new Map(run.ends).set(shard, sequence),
  };
}

/** Takes the events that a dry run has counted out of those that are read again, and knows when all have passed. */
export class CountedRange {
  readonly #ends: ReadonlyMap<number, number>;
  /** The shards of which more events of the range may come. */
  readonly #open: Set<number>;

  constructor({ ends }: DryRun) {
    this.#ends = ends;
    this.#open = new Set(ends.keys());
  }

  /** Whether the event belongs to the range. */
  passes({ shard, sequence = 0 }: Event): boolean {
    const end = this.#ends.get(shard) ?? -1;
    if (sequence >= end) this.#open.delete(shard);
    return sequence <= end;
  }

  /** Every shard has come to its end. */
  get isOver(): boolean {
    return this.#open.size === 0;
  }
}
