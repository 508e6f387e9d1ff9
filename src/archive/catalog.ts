import { BusError } from '../protocol/errors.js';
import type { Lineage } from '../store/lineage.js';
import {
  DATA_SUFFIX,
  MANIFEST_SUFFIX,
  nameOfSegment,
  parseObjectName,
  type SegmentName,
  shardPrefix,
} from './segments/segment-names.js';
import type { ArchiveTarget } from './targets/target.js';

/** A segment, and the part of its sequences for which readers take it. */
export interface ArchivedRange {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

/** How many ended epochs a directory remembers at most; a segment of an older one is taken as far as all of them go. */
const EPOCHS_REMEMBERED = 256;

/** The segments of one shard: ranges that ascend and do not overlap. Holes between them are not archived. */
export class Catalog {
  readonly #target: ArchiveTarget;
  readonly #lineage: Lineage;
  readonly #shard: number;
  readonly #assertThere: () => Promise<void>;
  #ranges: readonly ArchivedRange[] = [];
  #orphans: readonly string[] = [];
  #names: readonly string[] = [];
  #bytes = 0;

  /** `assertThere` throws if the whole archive is missing; an empty list says nothing of that. */
  constructor(
    target: ArchiveTarget,
    lineage: Lineage,
    shard: number,
    assertThere: () => Promise<void> = async () => {},
  ) {
    this.#target = target;
    this.#lineage = lineage;
    this.#shard = shard;
    this.#assertThere = assertThere;
  }

  get ranges(): readonly ArchivedRange[] {
    return this.#ranges;
  }

  /** Names of data without a manifest, which an attempt to archive has left. */
  get orphans(): readonly string[] {
    return this.#orphans;
  }

  /** All segments, also those that another one covers. */
  get names(): readonly string[] {
    return this.#names;
  }

  get count(): number {
    return this.#names.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Asks the target what there is.
   * @throws BusError `ARCHIVE_FAILED`; `OPTION_INVALID` if another history has written here
   */
  async refresh(): Promise<void> {
    const sizes = new Map<string, number>();
    const segments: SegmentName[] = [];
    for (const { name, bytes } of await this.#target.list(shardPrefix(this.#shard))) {
      const parsed = parseObjectName(name);
      if (parsed === undefined) continue;
      if (parsed.isManifest) segments.push(parsed);
      else sizes.set(name, bytes);
    }
    const bytesOf = (name: string): number => sizes.get(name + DATA_SUFFIX) ?? 0;
    if (segments.length === 0) await this.#assertThere();
    this.#names = segments.map((segment) => nameOfSegment(this.#shard, segment));
    this.#bytes = this.#names.reduce((sum, name) => sum + bytesOf(name), 0);
    this.#ranges = this.#cover(segments, bytesOf);
    const named = new Set(this.#names.map((name) => name + DATA_SUFFIX));
    this.#orphans = [...sizes.keys()].filter((name) => !named.has(name));
  }

  /** The range that covers a sequence. */
  at(sequence: number): ArchivedRange | undefined {
    const range = this.#ranges[this.#after(sequence - 1)];
    return range !== undefined && range.from <= sequence ? range : undefined;
  }

  /** The first range that begins behind a sequence. */
  next(sequence: number): ArchivedRange | undefined {
    const at = this.#after(sequence);
    const range = this.#ranges[at];
    return range !== undefined && range.from <= sequence ? this.#ranges[at + 1] : range;
  }

  /** The last range that ends before a sequence. */
  previous(sequence: number): ArchivedRange | undefined {
    return this.#ranges[this.#after(sequence - 1) - 1];
  }

  nameOf(first: number, last: number): string {
    return nameOfSegment(this.#shard, { first, last, epoch: this.#lineage.epoch });
  }

  /** The index of the first range that ends behind a sequence. */
  #after(sequence: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ranges[middle]!.to > sequence) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /**
   * Two segments of this history that overlap hold the same events there: a sequence of an epoch is never given to
   * another event, and sequences that an epoch lost are cut off before.
   */
  #cover(segments: readonly SegmentName[], bytesOf: (name: string) => number): ArchivedRange[] {
    const ranges: ArchivedRange[] = [];
    const usable = segments
      .map((segment) => ({ segment, last: Math.min(segment.last, this.#limitOf(segment)) }))
      .sort((a, b) => a.segment.first - b.segment.first || b.last - a.last);
    let covered = 0;
    for (const { segment, last } of usable) {
      const from = Math.max(segment.first, covered + 1);
      if (last < from) continue;
      const name = nameOfSegment(this.#shard, segment);
      ranges.push({ name, from, to: last, bytes: bytesOf(name) });
      covered = last;
    }
    return ranges;
  }

  /** The last sequence of an epoch that this history took over. */
  #limitOf({ epoch, first, last }: SegmentName): number {
    const { earlier, epoch: current } = this.#lineage;
    if (epoch === current) return Number.POSITIVE_INFINITY;
    const found = earlier.findIndex((one) => one.epoch === epoch);
    if (found < 0 && earlier.length < EPOCHS_REMEMBERED) {
      const { setting } = this.#target;
      const name = this.#target.locate(
        nameOfSegment(this.#shard, { epoch, first, last }) + MANIFEST_SUFFIX,
      );
      const message = `${setting}: ${name} is of an epoch that this directory has never had: another copy of it archives there`;
      throw new BusError('OPTION_INVALID', message, { details: { setting, name, epoch } });
    }
    const heads = earlier.slice(Math.max(0, found)).map((one) => one.heads[this.#shard] ?? 0);
    return Math.min(...heads);
  }
}
