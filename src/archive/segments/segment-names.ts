/**
 * The names of an archive's objects. A segment has two: its data, and its manifest, which is stored last. A segment
 * counts only with both. The name says which sequences it covers, so a list of names is a list of what is there.
 *
 * ```
 * archive.json                                                    which history this archive is of
 * shard-000/0000000000000001-0000000000004096-9f2c41d07be35a18.seg    events 1 to 4096 of an epoch
 * shard-000/0000000000000001-0000000000004096-9f2c41d07be35a18.json   its manifest
 * ```
 */
export const ROOT_NAME = 'archive.json';
export const DATA_SUFFIX = '.seg';
export const MANIFEST_SUFFIX = '.json';

/** Enough for every safe integer. */
const DIGITS = 16;

export interface SegmentName {
  /** The first and the last sequence that the segment covers; it may hold no event of them. */
  readonly first: number;
  readonly last: number;
  readonly epoch: string;
}

export function shardPrefix(shard: number): string {
  return `shard-${String(shard).padStart(3, '0')}/`;
}

export function nameOfSegment(shard: number, { first, last, epoch }: SegmentName): string {
  const digits = (sequence: number): string => String(sequence).padStart(DIGITS, '0');
  return `${shardPrefix(shard)}${digits(first)}-${digits(last)}-${epoch}`;
}

const NAME = /\/(\d{16})-(\d{16})-([0-9a-f]+)\.(seg|json)$/;

/** `undefined` for a name that is no segment's. */
export function parseObjectName(
  name: string,
): (SegmentName & { readonly isManifest: boolean }) | undefined {
  const [, first, last, epoch, kind] = NAME.exec(name) ?? [];
  if (first === undefined || last === undefined || epoch === undefined) return undefined;
  const parsed = { first: Number(first), last: Number(last), epoch, isManifest: kind === 'json' };
  const isRange = parsed.first >= 1 && parsed.last >= parsed.first;
  return isRange && Number.isSafeInteger(parsed.last) ? parsed : undefined;
}
