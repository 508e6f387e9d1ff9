/** The options of an archive: checked once, with the defaults, as plain data that crosses threads. */
import * as v from 'valibot';
import type { ArchiveSettings } from '../archive/archive.js';
import { isMemory, path, wholeFrom } from '../endpoint/option-schemas.js';
import {
  ARCHIVE_SEGMENT_BYTES,
  ARCHIVE_SEGMENT_BYTES_MAX,
  ARCHIVE_SEGMENT_BYTES_MIN,
  ARCHIVE_SEGMENT_MS,
} from '../protocol/limits/archive.js';
import { TIMER_MS_MAX } from '../protocol/limits/units.js';
import { objectOf } from '../protocol/object-schema.js';

const number = wholeFrom(1, Number.MAX_SAFE_INTEGER);

export const archiveOption = objectOf({
  dir: v.pipe(
    path,
    v.check((dir) => !isMemory(dir), 'has to be a directory'),
  ),
  segmentBytes: v.optional(
    wholeFrom(ARCHIVE_SEGMENT_BYTES_MIN, ARCHIVE_SEGMENT_BYTES_MAX),
    ARCHIVE_SEGMENT_BYTES,
  ),
  segmentMs: v.optional(wholeFrom(0, TIMER_MS_MAX), ARCHIVE_SEGMENT_MS),
  maxAgeMs: v.optional(number),
  maxBytes: v.optional(number),
});

export type ParsedArchive = v.InferOutput<typeof archiveOption>;

/** A shard's share of the limits, which are for the whole archive. */
export function archiveSettings(parsed: ParsedArchive, shards: number): ArchiveSettings {
  const { dir, segmentBytes, segmentMs, maxAgeMs, maxBytes } = parsed;
  const perShard = maxBytes === undefined ? undefined : Math.ceil(maxBytes / shards);
  return { place: { dir }, rules: { segmentBytes, segmentMs, maxAgeMs, maxBytes: perShard } };
}
