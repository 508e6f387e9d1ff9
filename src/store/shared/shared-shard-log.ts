/**
 * A shard's log on any broker. It follows the stream and holds the newest events; it fetches older ones when they are
 * read. Used by the shard's thread alone.
 */
import { BusError } from '../../protocol/errors.js';
import { messageOf } from '../../protocol/thrown.js';
import { EventRecordView } from '../../record/event-record.js';
import {
  type AppendTerms,
  type CommittedBatch,
  type JudgedTerms,
  type LogFollower,
  NOT_AT_HAND,
  type ReadRequest,
  type ShardLog,
  type ShardLogOpening,
  type ShardPruning,
  type TopicSummary,
  type TopicTotals,
} from '../shard-log.js';
import type { StoredRecord } from '../stored-record.js';
import { AtHand, type HeldEvent, indexBehind, type Run } from './at-hand.js';
import type { LogStream, NewEntry, StreamEntry } from './log-stream.js';
import { withinOpening } from './opening.js';
import { RecentIds } from './recent-ids.js';
import { damaged, seal, unseal } from './sealed-record.js';
import { StreamPruning } from './stream-pruning.js';
import { TopicBook } from './topic-book.js';

const FETCHED_EVENTS = 512;
const TOPICS_PER_CALL = 1000;
const EMPTY: Buffer = Buffer.alloc(0);

type Opening = Pick<ShardLogOpening, 'shard' | 'isFirst' | 'headLeast' | 'settings'>;

/** Opens the log of a shard on its stream, and closes the stream if that fails. */
export async function openSharedLog(stream: LogStream, opening: Opening): Promise<ShardLog> {
  try {
    const log = new SharedShardLog(stream, opening);
    const joining = log.join(opening);
    if (!opening.isFirst) await joining;
    else await withinOpening(stream.place ?? 'the broker', joining, () => {});
    return log;
  } catch (error) {
    await stream.close();
    throw error;
  }
}

class SharedShardLog implements ShardLog {
  readonly isShared = true;
  /** Only where there are rules: this log removes nothing on request. */
  readonly pruning?: ShardPruning;
  readonly walBytes = 0;
  wentBackwardsFrom: number | undefined;
  otherHistory: string | undefined;
  prunedThrough = 0;
  dedupeWindowMs = 0;
  head = 0;
  lastRecordedAt = 0;
  appendedTopic = '';

  /** Single events up to here have gone. */
  #lostThrough = 0;
  readonly #stream: LogStream;
  readonly #shard: number;
  readonly #view = new EventRecordView();
  readonly #shown = { sequence: 0, recordedAt: 0, bytes: EMPTY, offset: 0, length: 0 };
  readonly #fetching = new Set<number>();
  readonly #atHand = new AtHand();
  readonly #ids = new RecentIds();
  #topics = new TopicBook();
  #batch: NewEntry[] = [];
  /** News that overtook the answer to `join`; `undefined` once the answer has come. */
  #early: (() => void)[] | undefined = [];
  /** Commits whose events have not all come yet. */
  #commits: { readonly until: number; readonly settle: (error?: BusError) => void }[] = [];
  /** The last batch had less durability than the store promises. */
  #isOnlyWritten = false;
  #follower: LogFollower | undefined;
  #failure: BusError | undefined;

  constructor(stream: LogStream, { shard, settings }: Opening) {
    this.#stream = stream;
    this.#shard = shard;
    const { retention } = settings;
    if (stream.trim === undefined || retention.length === 0) return;
    const trim = stream.trim.bind(stream);
    this.pruning = new StreamPruning(retention, trim, (error) => this.#fail(error));
  }

  async join({ headLeast, isFirst }: Opening): Promise<void> {
    const state = await this.#stream.join(headLeast, isFirst, {
      onEntries: (entries, after) => this.#inTurn(() => this.#hear(entries, after)),
      onPruned: (through) => this.#inTurn(() => this.#prune(through)),
      onLost: (through) => this.#inTurn(() => this.#lose(through)),
      onReplaced: (topics) => this.#inTurn(() => this.#renew(topics)),
      onFailure: (error) => this.#fail(error),
    });
    if (state.otherHistory !== undefined) this.wentBackwardsFrom = headLeast;
    this.otherHistory = state.otherHistory;
    this.dedupeWindowMs = state.dedupeWindowMs;
    this.head = state.head;
    this.lastRecordedAt = state.lastRecordedAt;
    this.prunedThrough = state.prunedThrough;
    this.#lostThrough = state.lostThrough ?? 0;
    const forgotten = Math.max(state.forgottenThrough ?? 0, this.#lostThrough);
    this.#topics = new TopicBook(state.topics, forgotten);
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const hear of early) hear();
  }

  get judges(): JudgedTerms {
    return this.#stream.judges;
  }

  /** The broker keeps all ids of its window. */
  get dedupeReachMs(): number {
    return this.dedupeWindowMs;
  }

  /** Also for events that went before this node had heard of them: they may have been of topics that it does not know. */
  get forgottenThrough(): number {
    return this.#topics.forgottenThrough;
  }

  /** Everything that the broker has acknowledged counts as synced. */
  get syncedHead(): number {
    return this.head;
  }

  /** Grows with what is removed; it is no count. */
  get prunedEvents(): number {
    return this.prunedThrough + this.#lostThrough;
  }

  append(
    bytes: Buffer,
    offset: number,
    recordedAt: number,
    terms?: AppendTerms,
    isAgain = false,
  ): number {
    const view = this.#view.wrap(bytes, offset);
    this.appendedTopic = view.topic;
    const sealed = seal(bytes, offset, view.length);
    return this.#batch.push({ recordedAt, bytes: sealed, terms, isAgain }) - 1;
  }

  async commit(synced: boolean): Promise<CommittedBatch> {
    const events = this.#batch;
    this.#batch = [];
    const appended = await this.#stream.append(events, synced);
    const { sequences, repeats, refused, refusal, isOnlyWritten = false } = appended;
    this.#isOnlyWritten = isOnlyWritten;
    await this.#reach(sequences.reduce((last, sequence) => Math.max(last, sequence), 0));
    return {
      sequenceOf: (index) => sequences[index]!,
      isRepeat: (index) => repeats[index]!,
      refusalOf: (index) => refused?.get(index),
      isOnlyWritten,
      ...(refusal === undefined ? {} : { refusal: BusError.from(refusal) }),
    };
  }

  /** Finds repeats of events that this node got recently; the broker finds the others. */
  findDuplicate(bytes: Buffer, offset: number): number {
    // Of a repeat that is found here the bus says that it has what the store promises.
    if (this.#isOnlyWritten) return 0;
    return this.#ids.find(this.#view.wrap(bytes, offset), this.dedupeWindowMs);
  }

  read(request: ReadRequest, visit: (record: StoredRecord) => boolean | undefined): number {
    if (this.#failure !== undefined) throw this.#failure;
    const until = Math.min(request.until ?? this.head, this.head);
    if (request.limit <= 0) return 0;
    // Events that have gone may still be at hand.
    let after = Math.max(request.after, this.prunedThrough);
    while (after < until) {
      const run = this.#atHand.runAfter(after);
      if (run === undefined) {
        this.#fetch(after, until);
        return NOT_AT_HAND;
      }
      const count = this.#readRun(run, after, { ...request, until }, visit);
      if (count > 0) return count;
      after = run.through;
    }
    return 0;
  }

  follow(follower: LogFollower): void {
    this.#follower = follower;
  }

  scanTopics(after: number, limit: number, visit: (topic: TopicTotals) => void): number {
    return this.#topics.scan(after, limit, visit);
  }

  topic(name: string): TopicSummary | undefined {
    return this.#topics.get(name);
  }

  hasTopic(name: string): boolean {
    return this.#topics.get(name) !== undefined;
  }

  maintain(): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    return false;
  }

  async close(): Promise<void> {
    this.#settleCommits(new BusError('STORE_FAILED', 'the log was closed'));
    await this.#stream.close();
  }

  #readRun(
    run: Run,
    after: number,
    { until, limit, limitBytes = Number.POSITIVE_INFINITY }: ReadRequest & { until: number },
    visit: (record: StoredRecord) => boolean | undefined,
  ): number {
    let count = 0;
    let bytes = 0;
    for (let i = indexBehind(run, after); i < run.events.length; i++) {
      const event = run.events[i]!;
      if (event.sequence > until || count === limit || bytes >= limitBytes) break;
      if (event.record === undefined) {
        if (count > 0) break;
        throw damaged(this.#shard, event.sequence);
      }
      count++;
      bytes += event.record.length;
      if (visit(this.#show(event, event.record)) === false) break;
    }
    return count;
  }

  #show({ sequence, recordedAt }: HeldEvent, record: Buffer): StoredRecord {
    const shown = this.#shown;
    shown.sequence = sequence;
    shown.recordedAt = recordedAt;
    shown.bytes = record;
    shown.length = record.length;
    return shown;
  }

  #fetch(after: number, until: number): void {
    if (this.#fetching.has(after)) return;
    this.#fetching.add(after);
    const end = Math.min(until, after + FETCHED_EVENTS);
    this.#stream.fetch(after, end).then(
      (entries) => {
        this.#fetching.delete(after);
        // What lacks at the beginning has been removed, which readers have to know before they pass over it.
        const firstLeft = entries[0]?.sequence ?? end + 1;
        if (this.#stream.tellsPruned !== true) this.#prune(firstLeft - 1, after);
        this.#atHand.keep({
          after,
          through: entries.at(-1)?.sequence ?? end,
          events: entries.map(held),
        });
        this.#follower?.onFetch();
      },
      (error) => this.#fail(error),
    );
  }

  /** Notes a failure, which the next `read` or `maintain` throws. */
  #fail(error: unknown): void {
    this.#failure ??=
      error instanceof BusError ? error : new BusError('STORE_FAILED', messageOf(error));
    this.#settleCommits(this.#failure);
    this.#follower?.onAdvance();
  }

  #inTurn(hear: () => void): void {
    if (this.#early === undefined) hear();
    else this.#early.push(hear);
  }

  #hear(entries: readonly StreamEntry[], after = Number.POSITIVE_INFINITY): void {
    for (const entry of entries) {
      if (entry.sequence <= this.head) continue;
      const told = Math.max(this.head, this.prunedThrough);
      if (entry.sequence > told + 1 && after > told) {
        const message = `the broker told of event ${entry.sequence} after event ${this.head}`;
        this.#fail(new BusError('STORE_FAILED', message));
        return;
      }
      this.#add(held(entry));
    }
    this.#advanced();
  }

  #add(event: HeldEvent): void {
    const { sequence, recordedAt, record } = event;
    if (record !== undefined) {
      const view = this.#view.wrap(record, 0);
      this.#topics.note(view.topic, sequence, recordedAt);
      this.#ids.note(view, sequence);
    }
    this.#atHand.add(event);
    this.head = sequence;
    this.lastRecordedAt = recordedAt;
  }

  #prune(through: number, after = 0): void {
    if (through <= Math.max(after, this.prunedThrough)) return;
    this.prunedThrough = through;
    const changed = this.#topics.prune(through, this.head);
    if (through > this.head) this.#topics.forgottenThrough = through;
    this.head = Math.max(this.head, through);
    this.#renew(changed);
    this.#advanced();
  }

  #lose(through: number): void {
    if (through <= this.#lostThrough) return;
    this.#lostThrough = through;
    this.#renew(this.#topics.lose(through));
  }

  /** Asks the broker about topics of which it has removed events. */
  #renew(names: readonly string[]): void {
    for (let at = 0; at < names.length; at += TOPICS_PER_CALL) {
      const asked = names.slice(at, at + TOPICS_PER_CALL);
      const question = this.#topics.ask(asked);
      this.#stream.topics(asked).then(
        (topics) => this.#topics.answer(question, asked, topics),
        (error) => this.#fail(error),
      );
    }
  }

  #advanced(): void {
    this.#settleCommits();
    this.#follower?.onAdvance();
  }

  /** Waits until the log has all events up to a sequence. */
  #reach(until: number): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.head >= until) return undefined;
    return new Promise((resolve, reject) => {
      const settle = (error?: BusError): void => (error === undefined ? resolve() : reject(error));
      this.#commits.push({ until, settle });
    });
  }

  #settleCommits(error?: BusError): void {
    const isOver = ({ until }: { until: number }): boolean =>
      error !== undefined || until <= this.head;
    const over = this.#commits.filter(isOver);
    if (over.length === 0) return;
    this.#commits = this.#commits.filter((commit) => !isOver(commit));
    for (const { settle } of over) settle(error);
  }
}

function held({ sequence, recordedAt, bytes }: StreamEntry): HeldEvent {
  return { sequence, recordedAt, record: unseal(bytes) };
}
