import { ARCHIVE_ERROR_BYTES_MAX } from '../../protocol/limits/archive.js';

/**
 * Reads answers of an S3 server within bounds: a server that does not end its answer, or lets it inflate, costs no more
 * memory than a right one. Bytes are counted as they are after inflating.
 */
export interface S3Answer {
  readonly status: number;
  readonly bytes: Buffer;
}

/** What of an answer is of use; by default only what tells of an error. */
export interface Wanted {
  readonly bytesMax?: number;
  /** This part of the object, also where the server sends the whole. */
  readonly part?: { readonly offset: number; readonly length: number };
}

/** Asking again would get the same. */
export class AnswerTooLong extends Error {}

/** @throws AnswerTooLong; Error if the connection breaks off */
export async function answerOf(response: Response, wanted: Wanted): Promise<S3Answer> {
  const { status } = response;
  if (status < 200 || status >= 300) {
    return { status, bytes: await firstOf(response, 0, ARCHIVE_ERROR_BYTES_MAX) };
  }
  const { part, bytesMax = ARCHIVE_ERROR_BYTES_MAX } = wanted;
  if (part !== undefined) {
    const offset = status === 206 ? 0 : part.offset;
    return { status, bytes: await firstOf(response, offset, part.length) };
  }
  const bytes = await firstOf(response, 0, bytesMax + 1);
  if (bytes.length <= bytesMax) return { status, bytes };
  throw new AnswerTooLong(`the answer is longer than ${bytesMax} bytes`);
}

/** So many bytes from an offset on, or as many as there are; what is behind them is not fetched. */
async function firstOf(response: Response, offset: number, length: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let skip = offset;
  let left = length;
  // Leaving the loop closes the connection, so that is done only where there is more.
  for await (const chunk of response.body ?? []) {
    if (left === 0) break;
    const kept = chunk.subarray(skip, skip + left);
    const end = skip + kept.length;
    skip = Math.max(0, skip - chunk.length);
    if (kept.length > 0) chunks.push(kept);
    left -= kept.length;
    if (left === 0 && end < chunk.length) break;
  }
  return Buffer.concat(chunks);
}
