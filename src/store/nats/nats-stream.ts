/** A shard's stream on NATS JetStream. Used by the shard's thread alone. */
import { setTimeout as afterMs } from 'node:timers/promises';
import type { StreamInfo } from '@nats-io/jetstream';
import { BusError } from '../../protocol/errors.js';
import {
  NATS_GONE_MS,
  NATS_OPEN_MS,
  NATS_PRUNED_MS,
  NATS_RETRY_MS,
} from '../../protocol/limits/nats.js';
import { EventRecordView } from '../../record/event-record.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { TopicSummary } from '../shard-log.js';
import type {
  AppendedEntries,
  LogStream,
  NewEntry,
  StreamEntry,
  StreamFollower,
  StreamState,
} from '../shared/log-stream.js';
import { endEpoch, readCharter } from './charter.js';
import { placeOf } from './nats-faults.js';
import { NatsLink } from './nats-link.js';
import type { NatsSettings } from './nats-options.js';
import { Publisher } from './publisher.js';
import { StreamReader } from './reader.js';
import { searchStream } from './search.js';
import {
  deletedMark,
  infoOfLeader,
  keepsExpectations,
  keepsPerTopic,
  keepsRefusedIds,
  keptStreamInfo,
  lostThrough,
  reachOf,
  type StreamReach,
} from './streams.js';
import { Subjects, streamName } from './subjects.js';
import { Tail } from './tail.js';
import { TopicTable } from './topics.js';

const NS_PER_MS = 1e6;

/** What each thread of a store gets. */
export interface NatsAddress {
  readonly settings: NatsSettings;
  /** Of the history that the bus has opened. */
  readonly epoch: string;
  /** When each shard's stream was made. */
  readonly created: readonly string[];
}

/** What is known of a joined stream. */
interface Joined {
  readonly link: NatsLink;
  readonly reader: StreamReader;
  readonly topics: TopicTable;
  readonly publisher: Publisher;
  readonly tail: Tail;
  readonly pruned: NodeJS.Timeout;
}

export class NatsStream implements LogStream {
  readonly place: string;
  judges = { expect: false, groups: false };
  readonly tellsPruned = true;
  readonly #address: NatsAddress;
  readonly #shard: number;
  readonly #name: string;
  readonly #subjects: Subjects;
  #link: NatsLink | undefined;
  #joined: Joined | undefined;
  #follower: StreamFollower | undefined;
  /** As it was found last, apart from the first time: its replicas may be changed while it is used. */
  #info: StreamInfo | undefined;
  #head = 0;
  #prunedThrough = 0;
  /** Single events up to here have been removed by hand. */
  #lostThrough = 0;
  /** See `deletedMark`. */
  #deleted = '';
  /** The entry at the head, which shows after a reconnect whether the history is still the same. */
  #last: StreamEntry | undefined;
  #recordedAt = 0;
  /** The broker removes events of a topic when newer ones come. */
  #keepsPerTopic = false;
  /** Topics that have got events since the broker was asked about them. */
  readonly #touched = new Set<string>();
  #isClosed = false;

  constructor(shard: number, address: NatsAddress) {
    const { prefix } = address.settings;
    this.#address = address;
    this.place = placeOf(address.settings);
    this.#shard = shard;
    this.#name = streamName(prefix, shard);
    this.#subjects = new Subjects(prefix, shard);
  }

  async join(headLeast: number, isFirst: boolean, follower: StreamFollower): Promise<StreamState> {
    const { settings } = this.#address;
    this.#follower = follower;
    const link = await NatsLink.open(settings, `millrace ${this.#name}`, !isFirst);
    this.#link = link;
    if (this.#isClosed) await link.close();
    const info = await this.#infoAt(link, headLeast, isFirst);
    if (typeof info === 'string') return this.#otherHistory(link, info);
    this.judges = { expect: keepsExpectations(link, info), groups: false };
    const reader = new StreamReader(link, this.#name, this.#subjects);
    const topics = new TopicTable(link, this.#name, this.#subjects, reader);
    const counted = await topics.count();
    this.#deleted = deletedMark(info);
    this.#lostThrough = await lostThrough(link, info);
    const summaries = await topics.summaries(counted);
    this.#head = counted.head.sequence;
    this.#prunedThrough = counted.prunedThrough;
    if (this.#head > 0) [this.#last] = await reader.entriesOf([this.#head]);
    this.#recordedAt = this.#last?.recordedAt ?? counted.head.at;
    const dedupeWindowMs = info.config.duplicate_window / NS_PER_MS;
    const publisher = new Publisher(link, this.#name, this.#subjects, {
      headNow: () => this.#head,
      lastOf: async (subject) => {
        const [last] = await reader.firsts([JSON.stringify({ last_by_subj: subject })]);
        return last?.sequence ?? 0;
      },
      search: () =>
        keepsRefusedIds(link, this.#info ?? info)
          ? (wanted) => searchStream(link, reader, wanted)
          : undefined,
      shownHead: headLeast,
      dedupeWindowMs,
    });
    link.patienceMs = Number.POSITIVE_INFINITY;
    this.#joined = { link, reader, topics, publisher, ...this.#follow(link, reader, info) };
    link.watch({ onFailure: (error) => follower.onFailure(error) });
    return {
      head: this.#head,
      lastRecordedAt: this.#recordedAt,
      topics: summaries.map((topic) => ({
        ...topic,
        prunedThrough: Math.max(topic.prunedThrough, this.#lostThrough),
      })),
      dedupeWindowMs,
      prunedThrough: this.#prunedThrough,
      lostThrough: this.#lostThrough,
      // The server knows no topic that has no events.
      forgottenThrough: this.#prunedThrough,
    };
  }

  append(events: readonly NewEntry[]): Promise<AppendedEntries> {
    return this.#joined!.publisher.append(events);
  }

  async fetch(after: number, until: number): Promise<readonly StreamEntry[]> {
    const { reader } = this.#joined!;
    let entries = await reader.read(after, until);
    if (entries.length === 0) entries = await reader.read(until, this.#head, { limit: 1 });
    const missing = lastMissing(after, until, entries);
    if (missing > Math.max(this.#prunedThrough, this.#lostThrough)) {
      const reach = await this.#reach();
      this.#pruned(Math.min(reach?.prunedThrough ?? 0, missing));
    }
    return entries;
  }

  topics(names: readonly string[]): Promise<readonly TopicSummary[]> {
    return this.#joined!.topics.of(names);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#joined?.pruned);
    this.#joined?.tail.close();
    this.#joined?.publisher.close();
    await this.#link?.close();
  }

  #follow(link: NatsLink, reader: StreamReader, info: StreamInfo): Pick<Joined, 'tail' | 'pruned'> {
    const tail = new Tail(link, this.#name, this.#head, {
      onEntries: (entries) => this.#take(entries),
      next: async (after) => {
        const now = await keptStreamInfo(link, this.#name);
        return now === undefined ? [] : reader.get(after, now.state.last_seq);
      },
      isSameHistory: () => this.#isSameHistory(link),
    });
    void tail.run();
    this.#keepsPerTopic = keepsPerTopic(info.config);
    const pruned = setInterval(() => void this.#lookForPruned(link), NATS_PRUNED_MS);
    return { tail, pruned };
  }

  /** The stream once it has `headLeast`, or how it shows that it has another history than the one that the bus has opened. */
  async #infoAt(link: NatsLink, headLeast: number, isFirst: boolean): Promise<StreamInfo | string> {
    const { settings, epoch } = this.#address;
    const limitMs = isFirst ? NATS_OPEN_MS : Number.POSITIVE_INFINITY;
    const now = await this.#epochNow(link, limitMs);
    if (now !== epoch)
      return `it was opened in epoch ${epoch}, and ${settings.prefix} has epoch ${now}`;
    const info = await this.#infoReaching(link, headLeast, limitMs);
    if (typeof info === 'string') await endEpoch(link, settings.prefix, epoch);
    return info;
  }

  /** The epoch that the nodes have agreed on; 'none' where that cannot be found for some time. */
  async #epochNow(link: NatsLink, limitMs: number): Promise<string> {
    const endsAt = elapsedMs() + NATS_GONE_MS;
    for (;;) {
      const charter = await readCharter(link, this.#address.settings.prefix, limitMs);
      if (charter !== undefined) return charter.charter.epoch;
      if (elapsedMs() > endsAt) return 'none';
      await afterMs(NATS_RETRY_MS);
    }
  }

  /**
   * The stream once it has an event, or why it has another history. A new leader, of the stream or of the cluster, may not have applied
   * yet what others have shown: it is given time.
   */
  async #infoReaching(
    link: NatsLink,
    headLeast: number,
    limitMs: number,
  ): Promise<StreamInfo | string> {
    const began = elapsedMs();
    for (;;) {
      const info = await keptStreamInfo(link, this.#name, limitMs);
      if (info === undefined) return 'it was deleted';
      if (info.created !== this.#address.created[this.#shard]) return 'it was made anew';
      const { last_seq: last } = info.state;
      if (last >= headLeast) return info;
      if (elapsedMs() > began + NATS_OPEN_MS)
        return `it ends with event ${last}, and ${headLeast} was read`;
      await afterMs(NATS_RETRY_MS);
    }
  }

  async #otherHistory(link: NatsLink, otherHistory: string): Promise<StreamState> {
    await link.close();
    return {
      head: 0,
      lastRecordedAt: 0,
      topics: [],
      dedupeWindowMs: Number.MAX_SAFE_INTEGER,
      prunedThrough: 0,
      otherHistory: `stream ${this.#name}: ${otherHistory}`,
    };
  }

  async #take(entries: readonly StreamEntry[]): Promise<void> {
    const last = entries.at(-1)!.sequence;
    // One look for all holes: the broker has delivered what lies behind them.
    const reach = last > this.#head + entries.length ? await this.#reach() : undefined;
    let run: StreamEntry[] = [];
    let after = this.#head;
    for (const entry of entries) {
      if (entry.sequence !== this.#head + 1) {
        this.#show(run, after);
        run = [];
        after = this.#head;
        if (reach !== undefined) this.#pruned(Math.min(reach.prunedThrough, entry.sequence - 1));
      }
      this.#head = entry.sequence;
      // A new leader's clock may be behind.
      this.#recordedAt = Math.max(this.#recordedAt, entry.recordedAt);
      run.push({ ...entry, recordedAt: this.#recordedAt });
    }
    this.#show(run, after);
  }

  #show(run: readonly StreamEntry[], after: number): void {
    if (run.length === 0 || this.#isClosed) return;
    this.#last = run.at(-1);
    if (this.#keepsPerTopic) for (const { bytes } of run) this.#touched.add(topicOf(bytes));
    this.#follower!.onEntries(run, after);
  }

  /** What the broker has removed by now, of which single events are told here. */
  async #reach(): Promise<StreamReach | undefined> {
    const info = await keptStreamInfo(this.#link!, this.#name, Number.POSITIVE_INFINITY);
    if (info === undefined) return undefined;
    await this.#lookForLost(this.#link!, info);
    return reachOf(info);
  }

  /** Looks whether somebody has removed single events by hand, and tells of it. */
  async #lookForLost(link: NatsLink, info: StreamInfo): Promise<void> {
    const mark = deletedMark(info);
    if (mark === this.#deleted) return;
    this.#deleted = mark;
    const through = await lostThrough(link, info);
    if (through <= this.#lostThrough || this.#isClosed) return;
    this.#lostThrough = through;
    this.#follower!.onLost(through);
  }

  /** Tells what the broker has removed meanwhile. What the tail has not shown yet, it finds missing itself. */
  async #lookForPruned(link: NatsLink): Promise<void> {
    if (!link.isUp) return;
    const info = await infoOfLeader(link, this.#name).catch(() => undefined);
    if (info === undefined) return;
    this.#info = info;
    if (this.#isClosed) return;
    this.#pruned(Math.min(reachOf(info).prunedThrough, this.#head));
    const names = [...this.#touched];
    this.#touched.clear();
    if (names.length > 0) this.#follower!.onReplaced(names);
    await this.#lookForLost(link, info).catch(() => {});
  }

  #pruned(through: number): void {
    if (through <= this.#prunedThrough || this.#isClosed) return;
    this.#prunedThrough = through;
    this.#follower!.onPruned(through);
  }

  async #isSameHistory(link: NatsLink): Promise<boolean> {
    const { settings, epoch } = this.#address;
    const info = await this.#infoReaching(link, this.#head, Number.POSITIVE_INFINITY);
    const fault = typeof info === 'string' ? info : await this.#faultOf(info);
    if (fault === undefined) return true;
    await endEpoch(link, settings.prefix, epoch);
    const message = `stream ${this.#name} has another history than the one that was read: ${fault}`;
    this.#follower!.onFailure(new BusError('STORE_FAILED', message));
    return false;
  }

  async #faultOf({ state }: StreamInfo): Promise<string | undefined> {
    const last = this.#last;
    if (last === undefined || last.sequence < state.first_seq) return undefined;
    const question = JSON.stringify({ seq: last.sequence });
    const there = await this.#joined?.reader.byLeader(question);
    if (there === undefined || Buffer.compare(there.entry.bytes, last.bytes) === 0) {
      return undefined;
    }
    return `event ${last.sequence} is another one`;
  }
}

/** The last sequence that lacks in a fetch, up to its last entry; 0: none. */
function lastMissing(after: number, until: number, entries: readonly StreamEntry[]): number {
  let next = entries.at(-1)?.sequence ?? until;
  for (const { sequence } of entries.toReversed()) {
    if (sequence < next) return next;
    next = sequence - 1;
  }
  return next > after ? next : 0;
}

const view = new EventRecordView();

function topicOf({ buffer, byteOffset, length }: Uint8Array): string {
  return view.wrap(Buffer.from(buffer, byteOffset, length), 0).topic;
}
