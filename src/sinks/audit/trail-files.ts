import { createReadStream } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BusError } from '../../protocol/errors.js';
import { AUDIT_FILES_MAX, AUDIT_LINE_BYTES_MAX } from '../../protocol/limits/audit.js';

/** The files of a trail, and their lines: `audit-000001.ndjson`, `audit-000002.ndjson` … in one directory. */

const NAME = /^audit-(\d{6})\.ndjson$/;

export interface TrailFile {
  readonly path: string;
  readonly number: number;
}

/** The files in a directory, in order; none if there is no directory. */
export async function listTrail(dir: string): Promise<TrailFile[]> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names
    .map((name): TrailFile => ({ path: join(dir, name), number: Number(NAME.exec(name)?.[1]) }))
    .filter(({ number }) => number > 0)
    .sort((a, b) => a.number - b.number);
}

/** @throws BusError `LIMIT_EXCEEDED` */
export function trailFile(dir: string, number: number): TrailFile {
  if (number > AUDIT_FILES_MAX) {
    const message = `a trail has at most ${AUDIT_FILES_MAX} files; begin another one`;
    throw new BusError('LIMIT_EXCEEDED', message, { details: { limit: AUDIT_FILES_MAX } });
  }
  return { path: join(dir, `audit-${String(number).padStart(6, '0')}.ndjson`), number };
}

/** Flushes a directory, which makes new names in it durable. Windows cannot, and needs not. */
export async function syncDirectory(dir: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export interface RawLine {
  readonly bytes: Buffer;
  /** Where it begins in its file. */
  readonly offset: number;
  /** False for what stands behind the last line break. */
  readonly isWhole: boolean;
}

/** The lines of a file, one after the other, in bounded memory. A line beyond the limit comes as what is there of it. */
export async function* readLines(path: string): AsyncGenerator<RawLine> {
  let parts: Buffer[] = [];
  let length = 0;
  let offset = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      const bytes = Buffer.concat([...parts, chunk.subarray(from, at)]);
      yield { bytes, offset, isWhole: true };
      offset += bytes.length + 1;
      parts = [];
      length = 0;
      from = at + 1;
    }
    parts.push(chunk.subarray(from));
    length += chunk.length - from;
    if (length <= AUDIT_LINE_BYTES_MAX) continue;
    yield { bytes: Buffer.concat(parts), offset, isWhole: false };
    return;
  }
  if (length > 0) yield { bytes: Buffer.concat(parts), offset, isWhole: false };
}

/** The first line of a file, or `undefined` if it has none. */
export async function firstLine(path: string): Promise<Buffer | undefined> {
  for await (const { bytes, isWhole } of readLines(path)) return isWhole ? bytes : undefined;
  return undefined;
}
