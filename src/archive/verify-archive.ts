import { BusError } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';
import { EventRecordView } from '../record/event-record.js';
import { readManifest } from '../store/directory/manifest.js';
import type { Lineage } from '../store/lineage.js';
import { decodePage } from '../store/page.js';
import { Catalog } from './catalog.js';
import { readRoot } from './root.js';
import { MANIFEST_SUFFIX } from './segments/segment-names.js';
import { SegmentReader } from './segments/segment-reader.js';
import { openTarget } from './targets/open-target.js';
import type { ArchivePlace, ArchiveTarget } from './targets/target.js';

export interface ArchiveFinding {
  readonly severity: 'error' | 'note';
  readonly file: string;
  readonly shard?: number;
  readonly message: string;
}

/** Checks the archive of a directory that is not moved or restored meanwhile. */
export async function* verifyArchiveOf(
  dir: string,
  archive: string,
): AsyncGenerator<ArchiveFinding> {
  const manifest = readManifest(dir);
  // What is wrong with the directory itself, `verifyDirectory` says.
  if (manifest?.id === undefined) return;
  const { id, shards, epoch, earlier } = manifest;
  yield* verifyArchive({ dir: archive }, { directory: id, shards, epoch, earlier });
}

/**
 * Checks an archive of a directory: that it is this directory's, every byte of each segment, that every event decodes
 * and that sequences ascend. Changes nothing. Names what is missing between segments.
 */
export async function* verifyArchive(
  place: ArchivePlace,
  lineage: Lineage,
): AsyncGenerator<ArchiveFinding> {
  const target = await openTarget(place);
  try {
    const root = await readRoot(target);
    if (root === undefined) {
      yield { severity: 'error', file: target.locate(''), message: 'there is no archive' };
      return;
    }
    if (root.directory !== lineage.directory || root.shards !== lineage.shards) {
      const message = 'it is the archive of another directory';
      yield { severity: 'error', file: target.locate('archive.json'), message };
      return;
    }
    for (let shard = 0; shard < lineage.shards; shard++) yield* verifyShard(target, lineage, shard);
  } catch (error) {
    yield { severity: 'error', file: target.locate(''), message: messageOf(error) };
  }
}

async function* verifyShard(
  target: ArchiveTarget,
  lineage: Lineage,
  shard: number,
): AsyncGenerator<ArchiveFinding> {
  const catalog = new Catalog(target, lineage, shard);
  await catalog.refresh();
  for (const orphan of catalog.orphans) {
    const message =
      'it has no manifest: an attempt to archive was interrupted, or the manifest was lost';
    yield { severity: 'note', file: target.locate(orphan), shard, message };
  }
  const reader = new SegmentReader(target);
  let covered: number | undefined;
  for (const { name, from, to } of catalog.ranges) {
    if (covered !== undefined && from > covered + 1) {
      const message = `no segment has the events ${covered + 1} to ${from - 1}`;
      yield { severity: 'error', file: target.locate(name + MANIFEST_SUFFIX), shard, message };
    }
    covered = to;
    try {
      await verifySegment(reader, name);
    } catch (error) {
      const file = error instanceof BusError ? error.details?.file : undefined;
      const where = typeof file === 'string' ? file : target.locate(name);
      yield { severity: 'error', file: where, shard, message: messageOf(error) };
    }
  }
}

/** @throws Error that says what is wrong */
async function verifySegment(reader: SegmentReader, name: string): Promise<void> {
  const manifest = await reader.verify(name);
  const segment = await reader.open(name);
  const view = new EventRecordView();
  let events = 0;
  let last = manifest.first - 1;
  for (const [number, chunk] of segment.chunks.entries()) {
    const bytes = await reader.chunk(segment, number, false);
    const records = new Uint8Array(bytes).buffer;
    const page = { records, count: 0, next: 0, done: true, head: 0, prunedThrough: 0 };
    decodePage(page, (record) => {
      const { topic } = view.wrap(record.bytes, record.offset);
      if (record.sequence <= last || record.sequence > chunk.last) {
        throw new Error(`event ${record.sequence} lies where one after ${last} belongs`);
      }
      if (segment.topics.get(topic)?.includes(number) !== true) {
        throw new Error(`its index does not name the topic of event ${record.sequence}`);
      }
      last = record.sequence;
      events++;
    });
  }
  if (events !== manifest.events)
    throw new Error(`it has ${events} events, not ${manifest.events}`);
}
