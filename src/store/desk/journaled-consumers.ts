/**
 * The state of a shard's consumers on a broker, for the node that owns it: a SQLite log in memory that holds no events, and
 * whose consumers' tables follow the journal. Used by the desk's thread alone.
 */
import { BusError } from '../../protocol/errors.js';
import { SETTLED_ENDPOINTS_MAX } from '../../protocol/limits/consumers.js';
import { MIB } from '../../protocol/limits/units.js';
import type {
  DeadState,
  LeaseHolders,
  ShardConsumers,
  StoredDeadEvent,
  StoredLane,
} from '../consumer-states.js';
import { SqliteShardLog } from '../sqlite/sqlite-shard-log.js';
import { decodeEntry, encodeEntry, type JournalChange } from './journal-entry.js';

/** The journal is compacted when its entries are this long, or four times as long as the last snapshot. */
const COMPACTED_BYTES = 4 * MIB;
const SNAPSHOT_TIMES = 4;
/** A snapshot comes in entries that end with the change that makes them this long. */
const SNAPSHOT_ENTRY_BYTES = MIB / 2;
const DEAD_PER_PAGE = 1024;

export class JournaledConsumers implements ShardConsumers {
  /** A desk's log has no events. */
  readonly isAtomic = true;
  readonly holders: LeaseHolders;
  readonly #recordOf: (sequence: number) => Uint8Array | undefined;
  readonly #damage: BusError | undefined;
  readonly #log: SqliteShardLog;
  readonly #state: ShardConsumers;
  readonly #settled = new Map<string, number>();
  readonly #holders = new Set<string>();
  /** The consumers of which something is stored. */
  readonly #known = new Set<string>();
  #changes: JournalChange[] = [];
  #journalBytes = 0;
  #snapshotBytes = 0;

  /**
   * @param entries the journal: a snapshot and what was added to it since
   * @param recordOf a copy of an event's record: it goes with an event that dies; undefined if the event is gone
   * @param damage what is wrong with the journal, whose entries are not given then: `load` throws it
   * @throws BusError `STORE_CORRUPT`
   */
  constructor(
    shard: number,
    entries: readonly Uint8Array[],
    recordOf: (sequence: number) => Uint8Array | undefined,
    damage?: BusError,
  ) {
    this.#damage = damage;
    this.#recordOf = recordOf;
    const note = (endpoint: string, isThere: boolean): void => {
      if (this.#holders.has(endpoint) === isThere) return;
      this.#apply({ is: 'holder', endpoint, isThere });
    };
    this.holders = {
      all: this.#holders,
      add: (endpoint) => note(endpoint, true),
      remove: (endpoint) => note(endpoint, false),
    };
    this.#log = new SqliteShardLog({ file: ':memory:', shard });
    this.#state = this.#log.consumers;
    try {
      for (const entry of entries) this.#replay(entry);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** For each endpoint the number of its last settlement that was decided. */
  get settled(): ReadonlyMap<string, number> {
    return this.#settled;
  }

  /** Notes the number of an endpoint's last settlement; 0: the endpoint is gone. */
  settle(endpoint: string, number: number): void {
    this.#apply({ is: 'settled', endpoint, number });
    if (this.#settled.size <= SETTLED_ENDPOINTS_MAX) return;
    const [oldest] = this.#settled.keys();
    this.#apply({ is: 'settled', endpoint: oldest!, number: 0 });
  }

  /** Ends a turn. @returns what was put in it, for the journal; undefined if nothing was */
  takeEntry(): Uint8Array | undefined {
    if (this.#changes.length === 0) return undefined;
    const entry = encodeEntry(this.#changes);
    this.#changes = [];
    this.#log.commit(false, []);
    this.#journalBytes += entry.length;
    return entry;
  }

  /**
   * The journal had no room for the last entry. The desk puts everything again that it has not seen stored; who holds leases
   * it has put once.
   */
  refused(): void {
    for (const endpoint of this.#holders) {
      this.#changes.push({ is: 'holder', endpoint, isThere: true });
    }
  }

  /** The journal has grown so much that a snapshot should take its place. */
  get isLong(): boolean {
    return this.#journalBytes > Math.max(COMPACTED_BYTES, SNAPSHOT_TIMES * this.#snapshotBytes);
  }

  /** All that is there, as entries of a journal. */
  *snapshot(): Iterable<Uint8Array> {
    this.#snapshotBytes = 0;
    this.#journalBytes = 0;
    let changes: JournalChange[] = [];
    let bytes = 0;
    for (const change of this.#everything()) {
      changes.push(change);
      bytes += bytesOf(change);
      if (bytes < SNAPSHOT_ENTRY_BYTES) continue;
      yield this.#noted(encodeEntry(changes));
      changes = [];
      bytes = 0;
    }
    yield this.#noted(encodeEntry(changes));
  }

  close(): void {
    this.#log.close();
  }

  load(): StoredLane[] {
    if (this.#damage !== undefined) throw this.#damage;
    return this.#state.load();
  }

  put(lane: StoredLane): void {
    this.#apply({ is: 'lane', lane: { ...lane, open: Uint8Array.from(lane.open) } });
  }

  remove(consumer: string): boolean {
    return this.#apply({ is: 'remove', consumer });
  }

  removeLanes(consumer: string, from: number): void {
    this.#apply({ is: 'removeLanes', consumer, from });
  }

  putDead(event: StoredDeadEvent): void {
    const record = event.record ?? this.#recordOf(event.sequence);
    this.#apply({ is: 'dead', event: record === undefined ? event : { ...event, record } });
  }

  changeDead(consumer: string, sequence: number, state: DeadState): void {
    this.#apply({ is: 'deadState', consumer, sequence, state });
  }

  removeDead(consumer: string, sequence: number): void {
    this.#apply({ is: 'removeDead', consumer, sequence });
  }

  dead(consumer: string, after: number, limit: number): StoredDeadEvent[] {
    return this.#state.dead(consumer, after, limit);
  }

  deadAt(consumer: string, sequence: number): StoredDeadEvent | undefined {
    return this.#state.deadAt(consumer, sequence);
  }

  deadState(consumer: string, sequence: number): DeadState | undefined {
    return this.#state.deadState(consumer, sequence);
  }

  redriven(consumer: string): number[] {
    return this.#state.redriven(consumer);
  }

  deadCount(consumer: string): number {
    return this.#state.deadCount(consumer);
  }

  lettersDueCount(consumer: string): number {
    return this.#state.lettersDueCount(consumer);
  }

  lettersDue(
    limit: number,
    isWanted?: (consumer: string, sequence: number) => boolean,
    onDamage?: (error: BusError) => void,
  ): StoredDeadEvent[] {
    return this.#state.lettersDue(limit, isWanted, onDamage);
  }

  get deadForgotten(): number {
    return this.#state.deadForgotten;
  }

  #replay(entry: Uint8Array): void {
    for (const change of decodeEntry(entry)) this.#make(change);
    this.#log.commit(false, []);
    this.#journalBytes += entry.length;
  }

  /** Returns what `remove` does. */
  #apply(change: JournalChange): boolean {
    this.#changes.push(change);
    return this.#make(change);
  }

  #make(change: JournalChange): boolean {
    const state = this.#state;
    switch (change.is) {
      case 'lane':
        this.#known.add(change.lane.consumer);
        state.put(change.lane);
        return false;
      case 'remove':
        return this.#remove(change.consumer);
      case 'removeLanes':
        state.removeLanes(change.consumer, change.from);
        return false;
      case 'dead':
        this.#known.add(change.event.consumer);
        state.putDead(change.event);
        return false;
      case 'deadState':
        state.changeDead(change.consumer, change.sequence, change.state);
        return false;
      case 'removeDead':
        state.removeDead(change.consumer, change.sequence);
        return false;
      case 'holder':
        if (change.isThere) this.#holders.add(change.endpoint);
        else this.#holders.delete(change.endpoint);
        return false;
      case 'settled':
        // The last to settle is the last of the map.
        this.#settled.delete(change.endpoint);
        if (change.number > 0) this.#settled.set(change.endpoint, change.number);
        return false;
      default:
        throw unknownChange(change);
    }
  }

  #remove(consumer: string): boolean {
    const isMore = this.#state.remove(consumer);
    if (!isMore) this.#known.delete(consumer);
    return isMore;
  }

  #noted(entry: Uint8Array): Uint8Array {
    this.#snapshotBytes += entry.length;
    return entry;
  }

  *#everything(): Iterable<JournalChange> {
    for (const lane of this.#state.load()) yield { is: 'lane', lane };
    for (const { consumer, sequence } of this.#deadByAge()) {
      const event = this.deadAt(consumer, sequence);
      if (event !== undefined) yield { is: 'dead', event };
    }
    for (const endpoint of this.#holders) yield { is: 'holder', endpoint, isThere: true };
    for (const [endpoint, number] of this.#settled) yield { is: 'settled', endpoint, number };
  }

  /** All dead events, the oldest first: where there are too many, the oldest are forgotten. */
  #deadByAge(): Pick<StoredDeadEvent, 'consumer' | 'sequence' | 'diedAt'>[] {
    const all: Pick<StoredDeadEvent, 'consumer' | 'sequence' | 'diedAt'>[] = [];
    for (const consumer of this.#known) {
      let page: StoredDeadEvent[];
      for (let after = 0; ; after = page.at(-1)!.sequence) {
        page = this.dead(consumer, after, DEAD_PER_PAGE);
        if (page.length === 0) break;
        for (const { sequence, diedAt } of page) all.push({ consumer, sequence, diedAt });
      }
    }
    return all.sort((one, other) => one.diedAt - other.diedAt);
  }
}

/** An older node has taken over from a newer one. */
function unknownChange(change: never): BusError {
  const { is } = change as JournalChange;
  const message = `the journal of consumers has a change, "${is}", that this version of millrace does not know: update this node`;
  return new BusError('STORE_FAILED', message);
}

function bytesOf(change: JournalChange): number {
  if (change.is === 'lane') return 200 + change.lane.open.length;
  return 200 + (change.is === 'dead' ? (change.event.record?.length ?? 0) : 0);
}
