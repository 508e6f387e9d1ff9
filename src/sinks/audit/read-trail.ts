import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { BusError } from '../../protocol/errors.js';
import { AUDIT_BATCH_BYTES_MAX, AUDIT_LINE_BYTES_MAX } from '../../protocol/limits/audit.js';
import { eventIn, KnownEvents } from './known-events.js';
import { checkLine, type FileHead, NO_HASH } from './line.js';
import { firstLine, listTrail, type RawLine, readLines, type TrailFile } from './trail-files.js';

/**
 * Reads the end of a trail, to go on with it. The last file is checked line by line. What a crash has torn there is cut
 * off: it was never flushed, so none of its events was acknowledged, and they come again. Any other fault stops the writer.
 */

/** More than the first line of a file takes. */
const FIRST_LINE_BYTES_MAX = 4096;

export interface TrailEnd {
  readonly file: TrailFile;
  readonly head: FileHead;
  /** When the file was begun, ms. */
  readonly begunAt: number;
  /** The bytes of the file. */
  readonly size: number;
  /** The last line. */
  readonly line: number;
  readonly hash: string;
  readonly known: KnownEvents;
  /** What was cut off at the end. */
  readonly torn?: { readonly bytes: number; readonly sha256: string };
}

/** `undefined`: there is no trail yet. @throws BusError `AUDIT_BROKEN` */
export async function readTrailEnd(dir: string): Promise<TrailEnd | undefined> {
  const files = await listTrail(dir);
  for (let last = files.pop(); last !== undefined; last = files.pop()) {
    const head = await headOf(last);
    if (head !== undefined) return readLast(last, files, head);
    // The process died while it began this file: there is not even a first line.
    if (!(await isUnbegun(last))) throw broken(last, 1, 'was changed');
    await rm(last.path);
  }
  return undefined;
}

async function readLast(
  file: TrailFile,
  earlier: readonly TrailFile[],
  { head, begunAt }: { head: FileHead; begunAt: number },
): Promise<TrailEnd> {
  const known = await knownBefore(earlier, head);
  let size = 0;
  let end = { line: 0, hash: NO_HASH };
  for await (const raw of readLines(file.path)) {
    const checked = raw.isWhole ? checkLine(raw.bytes) : undefined;
    if (checked === undefined) {
      const torn = await cutTorn(file, raw, end.line + 1);
      return { file, head, begunAt, size, ...end, known, torn };
    }
    const { line, previous, hash } = checked;
    const follows = size === 0 || (line === end.line + 1 && previous === end.hash);
    if (!follows) throw broken(file, line, 'does not follow the line before it');
    const event = eventIn(raw.bytes);
    if (event !== undefined) known.add(event);
    size = raw.offset + raw.bytes.length + 1;
    end = { line, hash };
  }
  return { file, head, begunAt, size, ...end, known };
}

/** The ranges of a file stand in the head of the next one. */
async function knownBefore(earlier: readonly TrailFile[], last: FileHead): Promise<KnownEvents> {
  const known = new KnownEvents();
  for (const [index, { path }] of earlier.entries()) {
    const next = earlier[index + 1];
    const ranges = next === undefined ? last.ranges : (await headOf(next))?.head.ranges;
    if (ranges === undefined) throw broken(next!, 1, 'is no first line of a file');
    known.addEarlier(path, ranges);
  }
  return known;
}

async function headOf(file: TrailFile): Promise<{ head: FileHead; begunAt: number } | undefined> {
  const bytes = await firstLine(file.path);
  if (bytes === undefined) return undefined;
  if (checkLine(bytes) === undefined) {
    if (bytes.includes(0)) return undefined;
    throw broken(file, 1, 'was changed');
  }
  const { file: head, at } = JSON.parse(bytes.toString()) as { file?: FileHead; at: string };
  if (head === undefined) throw broken(file, 1, 'is no first line of a file');
  return { head, begunAt: Date.parse(at) };
}

/** Whether a file has no more than a first line that was torn. */
async function isUnbegun({ path }: TrailFile): Promise<boolean> {
  const handle = await open(path, 'r');
  try {
    return (await handle.stat()).size < FIRST_LINE_BYTES_MAX;
  } finally {
    await handle.close();
  }
}

/**
 * Cuts off what a crash has torn: a line without its end, or, after a loss of power, pages that were never written and are
 * full of zeros. It is no longer than one batch, since each is flushed before the next.
 *
 * @throws BusError `AUDIT_BROKEN`
 */
async function cutTorn(
  file: TrailFile,
  { bytes, offset, isWhole }: RawLine,
  line: number,
): Promise<NonNullable<TrailEnd['torn']>> {
  const handle = await open(file.path, 'r+');
  try {
    const { size } = await handle.stat();
    const isTorn = !isWhole || bytes.includes(0);
    if (!isTorn || size - offset > AUDIT_BATCH_BYTES_MAX + AUDIT_LINE_BYTES_MAX) {
      throw broken(file, line, 'was changed');
    }
    const rest = Buffer.alloc(size - offset);
    await handle.read(rest, 0, rest.length, offset);
    await handle.truncate(offset);
    await handle.sync();
    return { bytes: rest.length, sha256: createHash('sha256').update(rest).digest('hex') };
  } finally {
    await handle.close();
  }
}

export function broken({ path }: TrailFile, line: number, words: string): BusError {
  return new BusError('AUDIT_BROKEN', `audit: line ${line}, in ${path}, ${words}`, {
    details: { file: path, line },
  });
}
