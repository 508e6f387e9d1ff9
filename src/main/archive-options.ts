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

const text = v.pipe(v.string(), v.minLength(1));

const url = v.pipe(
  v.string(),
  v.check((value) => /^https?:$/.test(protocolOf(value)), 'has to be an http or https URL'),
);

/** Names of objects: what every S3 server takes, without an empty segment or one that climbs. */
const prefix = v.pipe(
  v.string(),
  v.check(
    (value) => /^([A-Za-z0-9_-][A-Za-z0-9._-]*(\/|$))*$/.test(value),
    'has to be segments of letters, digits, "-", "_" and "." that are divided by "/"',
  ),
  v.transform((value) => (value === '' || value.endsWith('/') ? value : `${value}/`)),
);

const s3 = objectOf({
  endpoint: v.optional(url),
  region: v.optional(text, 'us-east-1'),
  bucket: text,
  prefix: v.optional(prefix, ''),
  credentials: v.optional(
    objectOf({
      accessKeyId: text,
      secretAccessKey: text,
      sessionToken: v.optional(text),
    }),
  ),
});

const number = wholeFrom(1, Number.MAX_SAFE_INTEGER);

export const archiveOption = v.pipe(
  objectOf({
    dir: v.optional(
      v.pipe(
        path,
        v.check((dir) => !isMemory(dir), 'has to be a directory'),
      ),
    ),
    s3: v.optional(s3),
    segmentBytes: v.optional(
      wholeFrom(ARCHIVE_SEGMENT_BYTES_MIN, ARCHIVE_SEGMENT_BYTES_MAX),
      ARCHIVE_SEGMENT_BYTES,
    ),
    segmentMs: v.optional(wholeFrom(0, TIMER_MS_MAX), ARCHIVE_SEGMENT_MS),
    maxAgeMs: v.optional(number),
    maxBytes: v.optional(number),
  }),
  v.check(
    ({ dir, s3: bucket }) => (dir === undefined) !== (bucket === undefined),
    'needs dir or s3, and not both',
  ),
);

export type ParsedArchive = v.InferOutput<typeof archiveOption>;

/** A shard's share of the limits, which are for the whole archive. */
export function archiveSettings(parsed: ParsedArchive, shards: number): ArchiveSettings {
  const { dir, s3: bucket, segmentBytes, segmentMs, maxAgeMs, maxBytes } = parsed;
  const perShard = maxBytes === undefined ? undefined : Math.ceil(maxBytes / shards);
  const place = dir === undefined ? { s3: bucket! } : { dir };
  return { place, rules: { segmentBytes, segmentMs, maxAgeMs, maxBytes: perShard } };
}

function protocolOf(value: string): string {
  try {
    return new URL(value).protocol;
  } catch {
    return '';
  }
}
