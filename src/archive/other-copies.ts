import { BusError } from '../protocol/errors.js';
import { EventRecordView } from '../record/event-record.js';
import type { StoreHistory } from '../store/log-store.js';
import { decodePage, eachRecord } from '../store/page.js';
import type { ArchivedRange, Catalog } from './catalog.js';
import { MANIFEST_SUFFIX } from './segments/segment-names.js';
import type { SegmentReader } from './segments/segment-reader.js';
import type { ArchiveTarget } from './targets/target.js';

/** What the log and the segment have at one sequence; undefined: no event. */
type Found = string | undefined;

/**
 * Finds out that another copy of the directory archives in the same place. The lock of a directory lets one archiver of it
 * run, so a segment that appears and that this one did not store is another copy's; and what is archived of a history
 * is in its log, as long as the log has the sequence.
 */
export class OtherCopies {
  readonly #target: ArchiveTarget;
  readonly #known = new Set<string>();

  constructor(target: ArchiveTarget) {
    this.#target = target;
  }

  /** The archiver begins to store this segment. */
  stores(name: string): void {
    this.#known.add(name);
  }

  /**
   * Takes what there is at the start, if the last archived event that the log still has is the same in both.
   * @throws BusError `OPTION_INVALID`, and as the reader and the history
   */
  async begin(
    { names, ranges }: Catalog,
    shard: number,
    history: StoreHistory,
    reader: SegmentReader,
  ): Promise<void> {
    const newest = ranges.at(-1);
    if (newest !== undefined) {
      const { to } = newest;
      const page = await history.page(shard, { after: to - 1, until: to, limit: 1 });
      let logged: Found;
      decodePage(page, ({ bytes, offset }) => {
        logged = eventText(bytes, offset);
      });
      // A log that has removed the event says nothing.
      const isOther =
        page.head < to || (logged !== undefined && logged !== (await archived(reader, newest)));
      if (isOther) throw this.#other(newest.name);
    }
    for (const name of names) this.#known.add(name);
  }

  /** @throws BusError `OPTION_INVALID` if another archiver has stored a segment since */
  assertNone({ names }: Catalog): void {
    const other = names.find((name) => !this.#known.has(name));
    if (other !== undefined) throw this.#other(other);
  }

  #other(name: string): BusError {
    const { setting } = this.#target;
    const file = this.#target.locate(name + MANIFEST_SUFFIX);
    const message = `${setting}: ${file} is not of this log: another copy of this directory archives there`;
    return new BusError('OPTION_INVALID', message, { details: { setting, file } });
  }
}

/** The event that a range ends with, as the archive has it. */
async function archived(reader: SegmentReader, { name, to }: ArchivedRange): Promise<Found> {
  const segment = await reader.open(name);
  const number = segment.chunks.findIndex(({ first, last }) => first <= to && to <= last);
  if (number < 0) return undefined;
  const records = await reader.chunk(segment, number, false);
  let found: Found;
  eachRecord(records, ({ sequence, bytes, offset }) => {
    if (sequence === to) found = eventText(bytes, offset);
  });
  return found;
}

/** Ids may be a publisher's own, which both copies were given. */
function eventText(bytes: Buffer, offset: number): string {
  const view = new EventRecordView().wrap(bytes, offset);
  return JSON.stringify([view.id, view.topic, view.type, view.payloadText]);
}
