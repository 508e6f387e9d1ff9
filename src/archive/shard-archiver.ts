import type { ArchiveWords } from '../link/archive-words.js';
import { ARCHIVE_CHUNK_EVENTS, ARCHIVE_INDEX_BYTES_MAX } from '../protocol/limits/archive.js';
import { READ_PAGE_BYTES } from '../protocol/limits/endpoint.js';
import type { Lineage } from '../store/lineage.js';
import type { StoreHistory } from '../store/log-store.js';
import { Catalog } from './catalog.js';
import { OtherCopies } from './other-copies.js';
import { type BuiltSegment, SegmentBuilder } from './segments/segment-builder.js';
import {
  DATA_SUFFIX,
  MANIFEST_SUFFIX,
  parseObjectName,
  shardPrefix,
} from './segments/segment-names.js';
import { SegmentReader } from './segments/segment-reader.js';
import type { ArchiveTarget } from './targets/target.js';

export interface ArchivingRules {
  /** A segment ends with the page that reaches this, uncompressed. */
  readonly segmentBytes: number;
  /** A segment that is not full is made no more often than this. */
  readonly segmentMs: number;
  /** Whole segments go whose newest event is older than this. */
  readonly maxAgeMs?: number | undefined;
  /** The oldest segments go while the shard has more bytes than this. */
  readonly maxBytes?: number | undefined;
}

export interface ShardArchiverOptions {
  readonly target: ArchiveTarget;
  readonly lineage: Lineage;
  readonly shard: number;
  readonly history: StoreHistory;
  readonly words: ArchiveWords;
  readonly rules: ArchivingRules;
  /** Throws if the archive is not there any more, or another history's. Default: it is. */
  readonly assertThere?: () => Promise<void>;
}

/**
 * Archives one shard's events when retention waits for it: from the last archived sequence up to the flushed head, in
 * segments. It takes more than retention needs, so that segments become large where retention removes a little at a
 * time. Only the archiver's thread has one, under the lock of the directory, and calls one method after another.
 *
 * The order makes a segment count only as a whole: data, manifest, both read back and compared, and only then the
 * shared word that lets retention remove. A process that dies in between leaves data without a manifest, which the next
 * start removes, or a whole segment, which it finds.
 */
export class ShardArchiver {
  readonly #options: ShardArchiverOptions;
  readonly #catalog: Catalog;
  readonly #reader: SegmentReader;
  readonly #others: OtherCopies;
  /** Made and not stored yet: a retry stores the same again. */
  #pending: BuiltSegment | undefined;
  /** Has come to no event yet: the next segment covers those sequences too, so that no hole is between segments. */
  #empty: SegmentBuilder | undefined;
  /** The range that `#empty` was last, without an event: where a look has failed since, it is gone through again. */
  #emptyFrom = { first: 1, through: 0 };
  /** The flushed head when retention last waited: all up to it is archived. */
  #target = 0;
  #madeAt = Number.NEGATIVE_INFINITY;
  #wasFull = false;

  constructor(options: ShardArchiverOptions) {
    this.#options = options;
    const { target, lineage, shard, assertThere } = options;
    this.#catalog = new Catalog(target, lineage, shard, assertThere);
    this.#reader = new SegmentReader(target);
    this.#others = new OtherCopies(target);
  }

  /** Finds out what is archived. Retention removes nothing before. @throws BusError `ARCHIVE_FAILED`, `OPTION_INVALID` */
  async start(): Promise<void> {
    const { target, shard, words, history } = this.#options;
    await target.clean(shardPrefix(shard));
    await this.#catalog.refresh();
    const newest = this.#catalog.ranges.at(-1);
    // A process may have died before it read back what it had stored.
    if (newest !== undefined) await this.#reader.verify(newest.name);
    await this.#others.begin(this.#catalog, shard, history, this.#reader);
    const archived = newest?.to ?? 0;
    for (const name of this.#catalog.orphans) {
      // Data of events that retention may have removed are no left-over of an attempt: their manifest was lost.
      if (parseObjectName(name)!.first > archived) await target.remove(name);
    }
    this.#tell();
    words.through = await this.#firstHole((this.#catalog.ranges[0]?.from ?? 1) - 1);
  }

  /**
   * Makes one segment if retention waits for one; true if another may be due at once. @param now monotonic, ms
   * @throws BusError `ARCHIVE_FAILED`, `STORE_CORRUPT`
   */
  async step(now: number): Promise<boolean> {
    const { words, rules } = this.#options;
    if (words.wanted > words.through) this.#target = words.synced;
    if (this.#target <= words.through) return false;
    if (this.#pending === undefined) {
      if (!this.#wasFull && now - this.#madeAt < rules.segmentMs) return false;
      await this.#make();
    }
    if (this.#pending !== undefined) await this.#store(this.#pending);
    this.#madeAt = now;
    return this.#target > words.through && this.#wasFull;
  }

  /** Removes what is too old or too much. The newest segment stays: it says how far the archive goes. */
  async retain(nowMs: number): Promise<void> {
    const { target, rules } = this.#options;
    const { maxAgeMs, maxBytes = Number.POSITIVE_INFINITY } = rules;
    if (maxAgeMs === undefined && maxBytes === Number.POSITIVE_INFINITY) return;
    for (;;) {
      const { ranges } = this.#catalog;
      const oldest = ranges[0];
      if (oldest === undefined || ranges.length < 2) return;
      const isOver = this.#catalog.bytes > maxBytes;
      const isOld =
        maxAgeMs !== undefined &&
        (await this.#reader.manifest(oldest.name)).lastAt < nowMs - maxAgeMs;
      if (!isOver && !isOld) return;
      // The manifest goes first: data without one count for nothing.
      await target.remove(oldest.name + MANIFEST_SUFFIX);
      await target.remove(oldest.name + DATA_SUFFIX);
      await this.#catalog.refresh();
      this.#tell();
    }
  }

  /** Makes a segment of what follows the last archived event, bounded by its size. */
  async #make(): Promise<void> {
    const { words, shard, history, rules } = this.#options;
    const after = words.through;
    const until = Math.min(words.synced, (this.#catalog.next(after)?.from ?? Infinity) - 1);
    const builder = this.#builderBehind(after);
    // A look that fails may leave half a page in it.
    this.#empty = undefined;
    let next = builder.through;
    const hasRoom = (): boolean =>
      builder.rawBytes < rules.segmentBytes && builder.indexLength < ARCHIVE_INDEX_BYTES_MAX / 2;
    while (next < until && hasRoom()) {
      const page = await history.page(shard, {
        after: next,
        until,
        headLeast: until,
        limit: ARCHIVE_CHUNK_EVENTS,
        limitBytes: Math.min(READ_PAGE_BYTES, rules.segmentBytes),
      });
      builder.add(page);
      next = page.next;
    }
    this.#wasFull = next < until;
    this.#pending = builder.finish();
    if (this.#pending !== undefined) return;
    this.#empty = builder;
    this.#emptyFrom = { first: builder.first, through: next };
    // Nothing is left of these events: retention has nothing to wait for.
    words.through = await this.#firstHole(next);
  }

  /** A builder of the segment that follows a sequence, and covers what had no event before. */
  #builderBehind(after: number): SegmentBuilder {
    if (this.#empty?.through === after) return this.#empty;
    const { lineage, shard } = this.#options;
    const origin = { directory: lineage.directory, shard, epoch: lineage.epoch };
    const { first, through } = this.#emptyFrom;
    return new SegmentBuilder(origin, through === after ? first : after + 1);
  }

  async #store(segment: BuiltSegment): Promise<void> {
    const { target, words, assertThere } = this.#options;
    // A disk may be gone, and its place still there.
    await assertThere?.();
    await this.#catalog.refresh();
    this.#others.assertNone(this.#catalog);
    const name = this.#catalog.nameOf(segment.first, segment.last);
    this.#others.stores(name);
    await target.put(name + DATA_SUFFIX, segment.data);
    await target.put(name + MANIFEST_SUFFIX, segment.manifest);
    this.#reader.forget(name);
    await this.#reader.verify(name);
    await this.#catalog.refresh();
    this.#pending = undefined;
    words.addEvents(segment.events);
    this.#tell();
    words.through = await this.#firstHole(segment.last);
  }

  /**
   * The last sequence before the first event of the log, behind `after`, that no segment covers. Segments may be
   * missing in the middle: their events are archived again if the log still has them.
   */
  async #firstHole(after: number): Promise<number> {
    const { history, shard } = this.#options;
    let through = after;
    for (;;) {
      through = this.#catalog.at(through + 1)?.to ?? through;
      if (this.#catalog.at(through + 1) !== undefined) continue;
      const next = this.#catalog.next(through + 1);
      if (next === undefined) return through;
      if (await this.#logHas(history, shard, through, next.from - 1)) return through;
      through = next.to;
    }
  }

  async #logHas(
    history: StoreHistory,
    shard: number,
    after: number,
    until: number,
  ): Promise<boolean> {
    let from = after;
    for (;;) {
      const page = await history.page(shard, { after: from, until, limit: 1 });
      if (page.count > 0) return true;
      if (page.done) return false;
      from = page.next;
    }
  }

  #tell(): void {
    this.#options.words.listed(this.#catalog.count, this.#catalog.bytes);
  }
}
