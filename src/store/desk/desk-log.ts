/**
 * The log of a desk that has a thread of its own: a bus on a broker serves its durable consumers there. Nobody publishes to it.
 * Its head is the shard's, its events come from the broker's history, and its commits go to the journal. Every call blocks
 * until the broker has answered. See docs/adr/0086.
 */
import type { MessagePort } from 'node:worker_threads';
import { BusError } from '../../protocol/errors.js';
import { MIB } from '../../protocol/limits/units.js';
import { decodePage } from '../page.js';
import type {
  CommittedBatch,
  ReadRequest,
  RingPosition,
  RingPositions,
  ShardLog,
  TopicSummary,
} from '../shard-log.js';
import type { StoredRecord } from '../stored-record.js';
import type { DeskCalls } from './desk-calls.js';
import { JournaledConsumers } from './journaled-consumers.js';

/** Events that one look into the history fetches, for reads that follow one another. */
const EVENTS_PER_LOOK = 1024;
const BYTES_PER_LOOK = 4 * MIB;

const NOTHING_STORED: CommittedBatch = {
  sequenceOf: () => 0,
  isRepeat: () => false,
};

/** The events that a look has found, behind one sequence and up to another. */
interface Look {
  readonly after: number;
  readonly through: number;
  readonly events: readonly StoredRecord[];
}

export interface DeskLogParts {
  readonly shard: number;
  readonly calls: DeskCalls;
  /** The last sequence of the shard that this node has delivered. */
  readonly head: () => number;
  /** See `ShardLog.guestMail`. Default: no other node has endpoints. */
  readonly guestMail?: MessagePort;
}

export class DeskLog implements ShardLog {
  readonly isShared = false;
  readonly wentBackwardsFrom = undefined;
  readonly walBytes = 0;
  readonly lastRecordedAt = 0;
  readonly appendedTopic = '';
  readonly dedupeReachMs = 0;
  readonly dedupeWindowMs = 0;
  readonly consumers: JournaledConsumers;
  readonly ringPositions: RingPositions;
  readonly guestMail: MessagePort | undefined;
  /** Events up to here are gone from the broker, as far as reads have shown. */
  prunedThrough = 0;
  readonly #parts: DeskLogParts;
  #look: Look = { after: 0, through: 0, events: [] };

  /** @throws BusError `STORE_FAILED` */
  constructor(parts: DeskLogParts) {
    this.#parts = parts;
    this.guestMail = parts.guestMail;
    this.consumers = this.#take();
    this.ringPositions = {
      stored: () => this.#settled(),
      // The numbers of endpoints that are gone may be wanted: those of other nodes go on when the owner changes.
      clear: () => {},
      findAtLastCommit: () => 0,
    };
  }

  get head(): number {
    return this.#parts.head();
  }

  get syncedHead(): number {
    return this.head;
  }

  get forgottenThrough(): number {
    return this.prunedThrough;
  }

  get prunedEvents(): number {
    return this.prunedThrough;
  }

  append(): number {
    throw new BusError('INTERNAL', 'nobody publishes to the log of a desk');
  }

  /** Blocks until the journal has what was put. */
  commit(_synced: boolean, positions: readonly RingPosition[]): CommittedBatch {
    const { consumers } = this;
    const { calls } = this.#parts;
    for (const { endpoint, settled } of positions) {
      if (settled > 0) consumers.settle(endpoint, settled);
    }
    const entry = consumers.takeEntry();
    if (entry === undefined) return NOTHING_STORED;
    try {
      calls.append(entry);
    } catch (error) {
      if (isFull(error)) consumers.refused();
      throw error;
    }
    if (consumers.isLong) this.#compact();
    return NOTHING_STORED;
  }

  /** Where there is no room for a snapshot, the journal goes on as it is. */
  #compact(): void {
    try {
      this.#parts.calls.compact([...this.consumers.snapshot()]);
    } catch (error) {
      if (!isFull(error)) throw error;
    }
  }

  findDuplicate(): number {
    return 0;
  }

  read(request: ReadRequest, visit: (record: StoredRecord) => boolean | undefined): number {
    const { after, limit, limitBytes = Number.POSITIVE_INFINITY } = request;
    const until = Math.min(request.until ?? this.head, this.head);
    let count = 0;
    let bytes = 0;
    for (let at = after; at < until && count < limit && bytes < limitBytes; ) {
      const look = this.#lookBehind(at, until);
      for (const record of look.events) {
        if (record.sequence <= at) continue;
        if (record.sequence > until || count === limit || bytes >= limitBytes) return count;
        count++;
        bytes += record.length;
        if (visit(record) === false) return count;
      }
      at = look.through;
    }
    return count;
  }

  /** The broker knows its topics, and a desk asks for them only to tell of holes: it then counts all of a hole. */
  scanTopics(): number {
    return 0;
  }

  topic(): TopicSummary | undefined {
    return undefined;
  }

  hasTopic(): boolean {
    return false;
  }

  maintain(): boolean {
    return false;
  }

  close(): void {
    this.consumers.close();
  }

  /** A journal that is damaged keeps the consumers of its shard from their work, and no others. */
  #take(): JournaledConsumers {
    const { shard, calls } = this.#parts;
    const recordOf = (sequence: number): Uint8Array | undefined => this.#recordOf(sequence);
    try {
      return new JournaledConsumers(shard, calls.take(), recordOf);
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'STORE_CORRUPT') throw error;
      return new JournaledConsumers(shard, [], recordOf, error);
    }
  }

  #settled(): RingPosition[] {
    const none = { position: 0, firstSequence: 0 };
    return [...this.consumers.settled].map(([endpoint, settled]) => ({
      endpoint,
      settled,
      ...none,
    }));
  }

  /** The events behind a sequence, of the last look if it has them. */
  #lookBehind(after: number, until: number): Look {
    const { after: from, through } = this.#look;
    if (after >= from && after < through) return this.#look;
    const page = this.#parts.calls.page({
      after,
      until,
      headLeast: until,
      limit: EVENTS_PER_LOOK,
      limitBytes: BYTES_PER_LOOK,
    });
    const gone = Math.max(page.prunedThrough, page.goneThrough ?? 0);
    if (gone > this.prunedThrough) this.prunedThrough = gone;
    const events: StoredRecord[] = [];
    decodePage(page, (record) => events.push({ ...record }));
    this.#look = { after, through: page.done ? until : page.next, events };
    return this.#look;
  }

  #recordOf(sequence: number): Uint8Array | undefined {
    let copy: Uint8Array | undefined;
    this.read({ after: sequence - 1, until: sequence, limit: 1 }, ({ bytes, offset, length }) => {
      copy = Uint8Array.from(bytes.subarray(offset, offset + length));
      return false;
    });
    return copy;
  }
}

function isFull(error: unknown): boolean {
  return error instanceof BusError && error.code === 'STORE_FULL';
}
