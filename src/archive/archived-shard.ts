import type { ArchiveWords } from '../link/archive-words.js';
import { EventRecordView } from '../record/event-record.js';
import type { Lineage } from '../store/lineage.js';
import { PAGE_PREFIX_BYTES } from '../store/page.js';
import { type ArchivedRange, Catalog } from './catalog.js';
import type { SegmentReader } from './segments/segment-reader.js';
import type { ArchiveTarget } from './targets/target.js';

/** The archive of one shard, as one thread reads it. */
export class ArchivedShard {
  /** The highest sequence that the log has told as removed. */
  goneSeen = 0;
  readonly #catalog: Catalog;
  readonly #reader: SegmentReader;
  readonly #words: ArchiveWords;
  /** The version of the list that was read last; -1: it has to be read again. */
  #version = -1;
  #refreshing: Promise<void> | undefined;

  constructor(
    target: ArchiveTarget,
    lineage: Lineage,
    shard: number,
    reader: SegmentReader,
    words: ArchiveWords,
    assertThere?: () => Promise<void>,
  ) {
    this.#catalog = new Catalog(target, lineage, shard, assertThere);
    this.#reader = reader;
    this.#words = words;
  }

  /** The archiver has listed the segments, and there was none. */
  get isEmpty(): boolean {
    return this.#words.version > 0 && this.#words.segments === 0;
  }

  outdate(): void {
    this.#version = -1;
  }

  /**
   * The list of segments; read anew if it does not have a sequence and may have changed. A reading that is under way may
   * have begun before the segment was stored that is looked for, and the log may have removed its events since.
   */
  async catalog(sequence: number): Promise<Catalog> {
    const { version } = this.#words;
    if (this.#mayLack(sequence, version)) await this.#refreshing;
    if (this.#mayLack(sequence, version)) {
      this.#refreshing ??= this.#refresh().finally(() => {
        this.#refreshing = undefined;
      });
      await this.#refreshing;
    }
    return this.#catalog;
  }

  #mayLack(sequence: number, version: number): boolean {
    if (this.#version < 0) return true;
    const isNew = version > 0 && this.#version >= version;
    return this.#catalog.at(sequence) === undefined && !isNew;
  }

  /**
   * The last sequence recorded before a time. `position`: what the log says, which decides where all that is archived is
   * older.
   */
  async positionAt(timeMs: number, position: number): Promise<number> {
    const newest = (await this.catalog(this.#words.through)).ranges.at(-1);
    if (newest === undefined) return position;
    const archived = await this.#archivedAt(timeMs, newest);
    return archived < newest.to ? archived : Math.max(archived, position);
  }

  async #archivedAt(timeMs: number, newest: ArchivedRange): Promise<number> {
    if ((await this.#reader.manifest(newest.name)).lastAt < timeMs) return newest.to;
    const { ranges } = this.#catalog;
    let low = 0;
    let high = ranges.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((await this.#reader.manifest(ranges[middle]!.name)).lastAt >= timeMs) high = middle;
      else low = middle + 1;
    }
    const { name, from, to } = ranges[low]!;
    const segment = await this.#reader.open(name);
    const number = segment.chunks.findIndex(({ lastAt }) => lastAt >= timeMs);
    const chunk = segment.chunks[number];
    // The rest of the segment is of a history that was rolled back.
    if (chunk === undefined || chunk.first > to) return to;
    const records = await this.#reader.chunk(segment, number, false);
    return Math.min(to, Math.max(from - 1, lastBefore(records, timeMs, chunk.first - 1)));
  }

  async #refresh(): Promise<void> {
    const { version } = this.#words;
    await this.#catalog.refresh();
    this.#version = version;
  }
}

function lastBefore(records: Buffer, timeMs: number, before: number): number {
  const view = new EventRecordView();
  let last = before;
  for (let at = 0; at < records.length; ) {
    if (records.readDoubleLE(at + 8) >= timeMs) return last;
    last = records.readDoubleLE(at);
    at += PAGE_PREFIX_BYTES + view.wrap(records, at + PAGE_PREFIX_BYTES).length;
  }
  return last;
}
