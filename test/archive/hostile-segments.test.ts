import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { claimArchive } from '../../src/archive/root.js';
import {
  type Chunk,
  compress,
  decodeManifest,
  decompress,
  encodeManifest,
  MAGIC,
  type SegmentIndex,
  type SegmentManifest,
} from '../../src/archive/segments/segment-format.js';
import { DirectoryTarget } from '../../src/archive/targets/directory-target.js';
import { verifyArchive } from '../../src/archive/verify-archive.js';
import {
  ARCHIVE_CHUNK_RAW_BYTES_MAX,
  ARCHIVE_INDEX_BYTES_MAX,
} from '../../src/protocol/limits/archive.js';
import { EVENT_HEADER_LENGTH } from '../../src/record/event-record.js';
import { PAGE_PREFIX_BYTES } from '../../src/store/page.js';
import { within } from '../bus/support/wait.js';
import { temporaryDirectory } from '../store/directories.js';
import { ArchivedLog, lineageOf, type ReadBack } from './archived-log.js';

/**
 * Whoever can write into the place of an archive may forge events, as its checksums have no key, and nothing else: what it
 * says of lengths, places and counts is not believed, and its names lead nowhere else.
 */
const MIB = 1024 * 1024;
const EVENTS = 60;
const lineage = lineageOf();

/** A segment in its parts, which a forger changes. */
interface Forged {
  /** Uncompressed, by chunk. */
  raw: Buffer[];
  chunks: Record<string, unknown>[];
  topics: Record<string, unknown>;
  /** Replaces the index's text. */
  indexText: Buffer | undefined;
  ids: Buffer;
  /** Applied to the manifest when all its checksums are right. */
  manifest: Record<string, unknown>;
  /** Applied to the index's chunks when all their checksums are right. */
  laterChunks: (chunks: Record<string, unknown>[]) => void;
}

interface Archived {
  readonly archive: string;
  /** Of the log, which has only its newest event. */
  readonly dir: string;
  readonly events: readonly ReadBack[];
}

async function archived(): Promise<Archived> {
  const archive = temporaryDirectory();
  const dir = temporaryDirectory();
  const target = new DirectoryTarget(archive);
  const rules = { segmentBytes: 1 << 20, segmentMs: 0 };
  const log = new ArchivedLog(dir, target, [{ maxEvents: 1 }], rules, lineage);
  await claimArchive(target, lineage);
  await log.archiver.start();
  const topics = Array.from({ length: EVENTS }, (_, n) => `t.${n % 3}`);
  log.publishAll(topics, (n) => ({ n }));
  await log.settle();
  const { events } = await log.read();
  log.close();
  return { archive, dir, events };
}

/** The first segment's files. */
function filesOf(archive: string): { manifest: string; data: string } {
  const names = readdirSync(join(archive, 'shard-000'));
  const of = (suffix: string): string =>
    join(archive, 'shard-000', names.find((name) => name.endsWith(suffix))!);
  return { manifest: of('.json'), data: of('.seg') };
}

/** Writes the first segment anew, with checksums that match. */
function forge(archive: string, change: (forged: Forged) => void): void {
  const files = filesOf(archive);
  const manifest = decodeManifest(readFileSync(files.manifest));
  const data = readFileSync(files.data);
  const part = ({ offset, length }: { offset: number; length: number }): Buffer =>
    data.subarray(offset, offset + length);
  const index = JSON.parse(
    decompress(part(manifest.index), manifest.index.rawLength).toString(),
  ) as SegmentIndex;
  const forged: Forged = {
    raw: index.chunks.map((chunk) => decompress(part(chunk), chunk.rawLength)),
    chunks: index.chunks.map((chunk) => ({ ...chunk })),
    topics: { ...index.topics },
    indexText: undefined,
    ids: Buffer.from(part(manifest.ids)),
    manifest: {},
    laterChunks: () => {},
  };
  change(forged);
  write(files, manifest, forged);
}

function write(
  files: { manifest: string; data: string },
  manifest: SegmentManifest,
  { raw, chunks, topics, indexText, ids, manifest: changes, laterChunks }: Forged,
): void {
  const parts: Buffer[] = [MAGIC];
  let end = MAGIC.length;
  const append = (bytes: Buffer): { offset: number; length: number; crc: number } => {
    const place = { offset: end, length: bytes.length, crc: crc32(bytes) };
    parts.push(bytes);
    end += bytes.length;
    return place;
  };
  const placed = chunks.map((chunk, n) => ({
    ...chunk,
    ...append(compress(raw[n]!)),
    rawLength: raw[n]!.length,
  }));
  laterChunks(placed);
  const text = indexText ?? Buffer.from(JSON.stringify({ chunks: placed, topics }));
  const index = { ...append(compress(text)), rawLength: text.length };
  const idsPart = append(ids);
  const rawBytes = raw.reduce((sum, { length }) => sum + length, 0);
  const made = { ...manifest, index, ids: idsPart, bytes: end, rawBytes };
  writeFileSync(files.data, Buffer.concat(parts));
  writeFileSync(files.manifest, encodeManifest({ ...made, ...changes } as SegmentManifest));
}

/** A read of all that is archived is refused, in bounded memory, and `verify` finds what is wrong. */
async function assertRefused(one: Archived): Promise<void> {
  const before = process.memoryUsage().rss;
  await expect(readAnew(one)).rejects.toMatchObject({
    code: expect.stringMatching(/^(STORE_CORRUPT|ARCHIVE_FAILED)$/),
  });
  expect((process.memoryUsage().rss - before) / MIB).toBeLessThan(300);
  const found: string[] = [];
  for await (const { severity, message } of verifyArchive({ dir: one.archive }, lineage)) {
    if (severity === 'error') found.push(message);
  }
  expect(found).not.toEqual([]);
}

const huge = 2 ** 40;
const atRecord = (n: number, raw: Buffer): number => {
  let at = 0;
  for (let i = 0; i < n; i++) at += PAGE_PREFIX_BYTES + raw.readInt32LE(at + PAGE_PREFIX_BYTES);
  return at;
};
const record = (change: (raw: Buffer, at: number) => void) => (forged: Forged) => {
  const raw = Buffer.from(forged.raw[0]!);
  change(raw, atRecord(3, raw));
  forged.raw[0] = raw;
};
const chunkField = (name: keyof Chunk, value: unknown) => (forged: Forged) => {
  forged.laterChunks = (chunks) => {
    chunks[0]![name] = value;
  };
};

const FORGERIES: Record<string, (forged: Forged) => void> = {
  'a chunk that inflates to more than any has': (forged) => {
    forged.raw[0] = Buffer.alloc(ARCHIVE_CHUNK_RAW_BYTES_MAX * 2);
  },
  'a chunk that inflates to more than it says': (forged) => {
    const { length } = forged.raw[0]!;
    forged.raw[0] = Buffer.alloc(ARCHIVE_CHUNK_RAW_BYTES_MAX * 2);
    forged.manifest.rawBytes = length;
    chunkField('rawLength', length)(forged);
  },
  'a chunk that is full of nothing': (forged) => {
    forged.raw[0] = Buffer.alloc(ARCHIVE_CHUNK_RAW_BYTES_MAX - MIB);
  },
  'an index that inflates to more than any has': (forged) => {
    forged.indexText = Buffer.alloc(ARCHIVE_INDEX_BYTES_MAX * 4, ' ');
  },
  'an index that is no object': (forged) => {
    forged.indexText = Buffer.from('null');
  },
  'an index without chunks': (forged) => {
    forged.indexText = Buffer.from('{"topics":{}}');
  },
  'an index whose chunks are none': (forged) => {
    forged.indexText = Buffer.from('{"chunks":[null,7],"topics":{}}');
  },
  'an index that names a chunk that there is not': (forged) => {
    forged.topics['t.0'] = [99];
  },
  'an index whose topic has no list': (forged) => {
    forged.topics['t.0'] = 0;
  },
  'a manifest that tells of an endless index': (forged) => {
    forged.manifest.index = { offset: 8, length: huge, crc: 0, rawLength: huge };
  },
  'a manifest whose index begins before the file': (forged) => {
    forged.manifest.index = { offset: -100, length: 50, crc: 0, rawLength: 50 };
  },
  'a manifest without an index': (forged) => {
    forged.manifest.index = null;
  },
  'a manifest with text for numbers': (forged) => {
    forged.manifest.bytes = '1';
    forged.manifest.lastAt = 'now';
  },
  'a manifest with more events than there are': (forged) => {
    forged.manifest.events = EVENTS + 1;
  },
  'a manifest of another shard': (forged) => {
    forged.manifest.shard = 1;
  },
  'ids for more events than there are': (forged) => {
    forged.ids = Buffer.concat([forged.ids, Buffer.alloc(4 * MIB)]);
  },
  'a chunk without end': chunkField('length', huge),
  'a chunk outside of the data': chunkField('offset', huge),
  'a chunk of half a byte': chunkField('length', 0.5),
  'a chunk with fewer events than it has': chunkField('events', 1),
  'a chunk of sequences that belong to another': chunkField('first', 2),
  'a chunk that ends before the segment does': chunkField('last', 10),
  'a chunk with no time': chunkField('lastAt', null),
  'chunks that lie upon each other': (forged) => {
    forged.laterChunks = (chunks) => {
      chunks.push({ ...chunks[0]! });
    };
  },
  'a record that ends where it begins': record((raw, at) => {
    raw.writeInt32LE(-PAGE_PREFIX_BYTES, at + PAGE_PREFIX_BYTES);
  }),
  'a record without length': record((raw, at) => {
    raw.writeInt32LE(0, at + PAGE_PREFIX_BYTES);
  }),
  'a record that goes on beyond the chunk': record((raw, at) => {
    raw.writeInt32LE(raw.length * 2, at + PAGE_PREFIX_BYTES);
  }),
  'a record whose topic is longer than the record': record((raw, at) => {
    raw[at + PAGE_PREFIX_BYTES + 6] = 255;
  }),
  'a record whose payload is longer than the record': record((raw, at) => {
    raw.writeUInt32LE(0xffffffff, at + PAGE_PREFIX_BYTES + 24);
  }),
  'a record whose payload is no JSON': record((raw, at) => {
    const end = at + PAGE_PREFIX_BYTES + raw.readInt32LE(at + PAGE_PREFIX_BYTES);
    raw[end - 1] = '{'.charCodeAt(0);
  }),
  'a record with the sequence of another': record((raw, at) => {
    raw.writeDoubleLE(1, at);
  }),
  'a record without a sequence': record((raw, at) => {
    raw.writeDoubleLE(Number.NaN, at);
  }),
  'a record without a time': record((raw, at) => {
    raw.writeDoubleLE(Number.NaN, at + 8);
  }),
  'records that end amid a head': (forged) => {
    forged.raw[0] = Buffer.concat([forged.raw[0]!, Buffer.alloc(EVENT_HEADER_LENGTH)]);
  },
};

describe('a segment that was forged, with checksums that match, is refused:', () => {
  test('and one that was only written anew is read', async () => {
    const one = await archived();
    forge(one.archive, () => {});
    expect((await readAnew(one)).events).toEqual(one.events);
  });

  test.each(Object.entries(FORGERIES))('%s', async (_, change) => {
    const one = await archived();
    forge(one.archive, change);
    await assertRefused(one);
  });
});

describe('names in an archive lead nowhere else:', () => {
  test('a folder of a shard that is a link is no archive, and nothing is written or removed behind it', async () => {
    const { archive } = await archived();
    const elsewhere = temporaryDirectory();
    const folder = join(archive, 'shard-000');
    renameSync(folder, join(elsewhere, 'moved'));
    const victim = join(elsewhere, 'moved', 'other.tmp');
    writeFileSync(victim, 'not of the archive');
    symlinkSync(join(elsewhere, 'moved'), folder);
    const before = readdirSync(join(elsewhere, 'moved'));
    const target = new DirectoryTarget(archive);
    const refused = { code: 'ARCHIVE_FAILED' };
    await expect(target.put('shard-000/x.seg', Buffer.from('x'))).rejects.toMatchObject(refused);
    await expect(target.list('shard-000/')).rejects.toMatchObject(refused);
    await expect(target.clean('shard-000/')).rejects.toMatchObject(refused);
    await expect(target.remove(`shard-000/${before[0]}`)).rejects.toMatchObject(refused);
    await expect(target.get(`shard-000/${before[0]}`)).rejects.toMatchObject(refused);
    expect(readdirSync(join(elsewhere, 'moved'))).toEqual(before);
  });

  test('a file that is a link is not read', async () => {
    const archive = temporaryDirectory();
    const secret = join(temporaryDirectory(), 'secret');
    writeFileSync(secret, 'what the archive must not tell');
    mkdirSync(join(archive, 'shard-000'));
    symlinkSync(secret, join(archive, 'shard-000', 'x.seg'));
    const read = new DirectoryTarget(archive).get('shard-000/x.seg');
    await expect(read).rejects.toMatchObject({ code: 'ARCHIVE_FAILED' });
    expect(existsSync(secret)).toBe(true);
  });

  test('an archive whose own directory is a link is read, as its operator likes', async () => {
    const { archive } = await archived();
    const link = join(temporaryDirectory(), 'link');
    symlinkSync(archive, link);
    expect(await new DirectoryTarget(link).list('shard-000/')).toHaveLength(2);
  });

  test('a name with sequences that no log has is no segment’s', async () => {
    const one = await archived();
    const { archive } = one;
    const { manifest } = filesOf(archive);
    const name = `${'9'.repeat(16)}-${'9'.repeat(16)}-${lineage.epoch}.json`;
    writeFileSync(join(archive, 'shard-000', name), readFileSync(manifest));
    expect((await readAnew(one)).events).toEqual(one.events);
  });
});

/** A reader of the log that knows nothing yet of the archive. */
async function readAnew({ dir, archive }: Pick<Archived, 'dir' | 'archive'>) {
  const log = new ArchivedLog(dir, new DirectoryTarget(archive), [], undefined, lineage);
  try {
    return await within('the read', log.read());
  } finally {
    log.close();
  }
}
