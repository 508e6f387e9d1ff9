import { RESULT_FRAME_BYTES_MAX } from '../../protocol/limits/websocket.js';
import type { RequestId, Result } from '../../protocol/wire.js';
import { eachInTurns, type Pages, type Work } from '../pages.js';
import { type ListField, resultText } from './frames.js';
import type { Outbound } from './outbound.js';

export interface List<T> {
  readonly field: ListField;
  readonly pages: Pages<T>;
  textOf(item: T): string;
  /** Returns what the last frame says besides; called after `textOf` of the last item. */
  end?(): Pick<Result, 'cursor' | 'complete'>;
}

/**
 * Sends a list of any length in frames of bounded size, no faster than the client takes them.
 *
 * @param work the part of the thread's time that its principal has
 * @returns whether all of it was sent; not so if the client has gone meanwhile
 */
export async function sendList<T>(
  outbound: Outbound,
  work: Work,
  { field, pages, textOf, end }: List<T>,
  requestId: RequestId | undefined,
): Promise<boolean> {
  let texts: string[] = [];
  let bytes = 0;
  const isSent = await eachInTurns(work, pages, (item) => {
    if (!outbound.isOpen) return Promise.resolve(false);
    const text = textOf(item);
    const itemBytes = Buffer.byteLength(text) + 1;
    const isFull = texts.length > 0 && bytes + itemBytes > RESULT_FRAME_BYTES_MAX;
    if (isFull) {
      outbound.send(resultText(field, texts, requestId, { more: true }));
      texts = [];
      bytes = 0;
    }
    texts.push(text);
    bytes += itemBytes;
    return isFull ? outbound.relieved().then(() => outbound.isOpen) : undefined;
  });
  if (!isSent || !outbound.isOpen) return false;
  outbound.send(resultText(field, texts, requestId, end?.() ?? {}));
  return true;
}
