import { ArchiveHistory } from '../../src/archive/archive-history.js';
import { ArchivedShard } from '../../src/archive/archived-shard.js';
import { SegmentReader } from '../../src/archive/segments/segment-reader.js';
import { type ArchivingRules, ShardArchiver } from '../../src/archive/shard-archiver.js';
import { DirectoryTarget } from '../../src/archive/targets/directory-target.js';
import type { ArchiveTarget } from '../../src/archive/targets/target.js';
import { ArchiveWords } from '../../src/link/archive-words.js';
import { EventRecordView } from '../../src/record/event-record.js';
import { ArchiveLink } from '../../src/shards/archive-link.js';
import { createManifest } from '../../src/store/directory/directory.js';
import type { Lineage } from '../../src/store/lineage.js';
import type { StoreHistory } from '../../src/store/log-store.js';
import { decodePage, type PageRequest } from '../../src/store/page.js';
import type { RetentionRule } from '../../src/store/pruning.js';
import { shardFile } from '../../src/store/sqlite/connection/schema.js';
import { openHistory } from '../../src/store/sqlite/reading/open-history.js';
import { SqliteShardLog } from '../../src/store/sqlite/sqlite-shard-log.js';
import { record } from '../store/records.js';

/** One shard's log with its archive, in one thread: what the threads of a bus do, one step after another. */
export interface ReadBack {
  readonly sequence: number;
  readonly topic: string;
  readonly payload: string;
  /** ms since 1970; 0: never. */
  readonly expiry: number;
}

export const RULES: ArchivingRules = { segmentBytes: 4096, segmentMs: 0 };

export class ArchivedLog {
  readonly lineage: Lineage;
  readonly words = ArchiveWords.create();
  readonly log: SqliteShardLog;
  readonly archiver: ShardArchiver;
  readonly history: ArchiveHistory;
  readonly #link: ArchiveLink;
  readonly #logHistory;
  #clock = 0;
  /** Pages that the archiver still gets from the log; the one after them fails. */
  pagesLeft = Number.POSITIVE_INFINITY;

  constructor(
    dir: string,
    target: ArchiveTarget,
    retention: readonly RetentionRule[] = [],
    rules: ArchivingRules = RULES,
    lineage: Lineage = lineageOf(),
  ) {
    this.lineage = lineage;
    this.log = new SqliteShardLog({ file: shardFile(dir, 0), shard: 0, retention });
    this.#link = new ArchiveLink(this.words, this.log);
    this.#logHistory = openHistory({ dir });
    const shared = { target, lineage, shard: 0 };
    this.archiver = new ShardArchiver({
      ...shared,
      history: this.#failing(this.#logHistory),
      words: this.words,
      rules,
    });
    const reader = new SegmentReader(target);
    const archived = new ArchivedShard(target, lineage, 0, reader, this.words);
    this.history = new ArchiveHistory(openHistory({ dir }), reader, [archived]);
  }

  /** `expiry`: ms since 1970; 0: never. */
  publish(topic: string, payload: unknown, timestamp = 1, expiry = 0): number {
    this.log.append(record({ topic, payload, timestamp, expiry }), 0, timestamp);
    this.log.commit(true, []);
    return this.log.head;
  }

  publishAll(topics: readonly string[], payload: (sequence: number) => unknown): void {
    for (const topic of topics) {
      const sequence = this.log.head + 1;
      this.publish(topic, payload(sequence), sequence);
    }
  }

  retain(nowMs = 1): boolean {
    return this.#link.byRules(() => this.log.pruning.pruneStep(nowMs, undefined, this.#link));
  }

  remove(pattern: string, events: number): number {
    const request = { pattern, excessEvents: events, excessBytes: 0, after: 0 };
    return this.#link.byRequest(() => this.log.pruning.prune(request, this.#link)).events;
  }

  /** Removes what has expired, whatever the archive has. */
  expire(nowMs: number): number {
    const { expiry } = this.log;
    return expiry.remove(expiry.due(nowMs).map(({ sequence }) => sequence));
  }

  async archive(): Promise<void> {
    while (await this.archiver.step(++this.#clock));
  }

  #failing(history: StoreHistory): StoreHistory {
    return {
      page: async (shard, request) => {
        if (--this.pagesLeft < 0) throw new Error('the page cannot be read');
        // Small pages, so that several make a segment.
        return history.page(shard, { ...request, limit: Math.min(request.limit, 7) });
      },
      positionAt: (shard, timeMs) => history.positionAt(shard, timeMs),
      close: () => history.close(),
    };
  }

  /** Retention and the archiver in turns, until neither has more to do. */
  async settle(): Promise<void> {
    for (let before = -1; before !== this.log.prunedEvents; ) {
      before = this.log.prunedEvents;
      while (this.retain());
      await this.archive();
      while (this.retain());
    }
  }

  /** All pages of a request; `lost`: the sequences up to which pages told that events are gone. */
  async read(request: Partial<PageRequest> = {}): Promise<{ events: ReadBack[]; lost: number[] }> {
    const events: ReadBack[] = [];
    const lost: number[] = [];
    const view = new EventRecordView();
    const { reverse = false } = request;
    let at: Partial<PageRequest> = {};
    for (;;) {
      const asked = { after: 0, limit: 7, ...request, ...at };
      const page = await this.history.page(0, asked);
      decodePage(page, ({ bytes, offset, sequence }) => {
        const { topic, payloadText: payload, expiry } = view.wrap(bytes, offset);
        events.push({ sequence, topic, payload, expiry });
      });
      if (page.prunedThrough > 0) lost.push(page.prunedThrough);
      if (page.done) return { events, lost };
      at = reverse ? { until: page.next } : { after: page.next };
    }
  }

  close(): void {
    void this.history.close();
    this.#logHistory.close();
    this.log.close();
  }
}

export function lineageOf(shards = 1): Lineage {
  const { id, epoch } = createManifest(shards);
  return { directory: id!, shards, epoch, earlier: [] };
}

/** A target whose process dies at a chosen operation: the operation does nothing, or half of its work. */
export class DyingTarget extends DirectoryTarget {
  /** Operations that are still done; one after them fails. */
  left = Number.POSITIVE_INFINITY;

  override async put(name: string, bytes: Uint8Array): Promise<void> {
    this.#count();
    await super.put(name, bytes);
    this.#count();
  }

  override async remove(name: string): Promise<void> {
    this.#count();
    await super.remove(name);
  }

  override async get(name: string, bytesMax?: number): Promise<Buffer | undefined> {
    this.#count();
    return super.get(name, bytesMax);
  }

  #count(): void {
    if (--this.left < 0) throw new Error('the process has died');
  }
}
