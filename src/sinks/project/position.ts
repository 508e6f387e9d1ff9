import { BusError } from '../../protocol/errors.js';

/**
 * How far a projection has got, the text that is stored beside its rows. It tells of every event whether its effect is in
 * the rows already, whichever process applied it and however late a stale delivery of it comes. Pure.
 *
 * For each shard it has a `floor`, the sequences `ahead` of it that were applied, and those up to it that were not,
 * because they are dead for the consumer and may be redriven. The floor rises to the consumer's own floor: all events up
 * to there are done, so they never count as new again, and their sequences need not be kept.
 */

interface ShardPlace {
  floor: number;
  readonly ahead: Set<number>;
  readonly dead: Set<number>;
}

/** What the consumer said of itself: its floors by shard, and the sequences of its dead events. */
export interface Settled {
  readonly floors: ReadonlyMap<number, number>;
  readonly dead: ReadonlyMap<number, ReadonlySet<number>>;
}

interface PositionText {
  readonly version: 1;
  readonly epoch: string;
  readonly generation: number;
  readonly isResetting: boolean;
  readonly shards: readonly { shard: number; floor: number; ahead: number[]; dead: number[] }[];
}

export class Position {
  /** The history to which the sequences belong. */
  readonly epoch: string;
  /** How often the projection was reset. */
  readonly generation: number;
  /** The rows are empty, and the consumer is not yet known to be back at the earliest event. */
  readonly isResetting: boolean;
  readonly #shards = new Map<number, ShardPlace>();

  constructor(epoch: string, generation = 0, isResetting = false) {
    this.epoch = epoch;
    this.generation = generation;
    this.isResetting = isResetting;
  }

  /** @throws BusError `SINK_FAILED` for a text that `text` did not make */
  static parse(text: string): Position {
    try {
      const { version, epoch, generation, isResetting, shards } = JSON.parse(text) as PositionText;
      if (version !== 1) throw new Error(`its version is ${version}`);
      const position = new Position(epoch, generation, isResetting);
      for (const { shard, floor, ahead, dead } of shards) {
        position.#shards.set(shard, { floor, ahead: new Set(ahead), dead: new Set(dead) });
      }
      return position;
    } catch (error) {
      throw new BusError('SINK_FAILED', 'the stored position of the projection is none', {
        cause: error,
      });
    }
  }

  get text(): string {
    const shards = [...this.#shards].map(([shard, { floor, ahead, dead }]) => ({
      shard,
      floor,
      ahead: [...ahead],
      dead: [...dead],
    }));
    const { epoch, generation, isResetting } = this;
    return JSON.stringify({ version: 1, epoch, generation, isResetting, shards });
  }

  /** How many sequences it has to name. */
  get size(): number {
    let size = 0;
    for (const { ahead, dead } of this.#shards.values()) size += ahead.size + dead.size;
    return size;
  }

  /** Whether the event's effect is in the rows, or the event is done without one. */
  has(shard: number, sequence: number): boolean {
    const place = this.#shards.get(shard);
    if (place === undefined) return false;
    return sequence <= place.floor ? !place.dead.has(sequence) : place.ahead.has(sequence);
  }

  add(shard: number, sequence: number): void {
    const place = this.#place(shard);
    if (sequence <= place.floor) place.dead.delete(sequence);
    else place.ahead.add(sequence);
  }

  /** Raises the floors to the consumer's, and no longer names what they cover. */
  settle({ floors, dead }: Settled): void {
    for (const [shard, floor] of floors) {
      const place = this.#place(shard);
      if (floor < place.floor) continue;
      const deadNow = dead.get(shard) ?? new Set<number>();
      for (const sequence of place.dead) {
        if (!deadNow.has(sequence)) place.dead.delete(sequence);
      }
      for (const sequence of deadNow) {
        const isNew = sequence > place.floor && sequence <= floor;
        if (isNew && !place.ahead.has(sequence)) place.dead.add(sequence);
      }
      place.floor = floor;
      for (const sequence of place.ahead) {
        if (sequence <= floor) place.ahead.delete(sequence);
      }
    }
  }

  #place(shard: number): ShardPlace {
    const known = this.#shards.get(shard);
    if (known !== undefined) return known;
    const place = { floor: 0, ahead: new Set<number>(), dead: new Set<number>() };
    this.#shards.set(shard, place);
    return place;
  }
}
