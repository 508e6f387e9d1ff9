import { WORK_PIECE_MS } from '../../protocol/limits/budgets.js';
import { RESULT_FRAME_BYTES_MAX } from '../../protocol/limits/websocket.js';
import type { RequestId, Result } from '../../protocol/wire.js';
import { type ListField, resultText } from './frames.js';
import type { Outbound } from './outbound.js';

export interface List<T> {
  readonly field: ListField;
  readonly items: Iterable<T> | AsyncIterable<T>;
  textOf(item: T): string;
  /** Returns what the last frame says besides; called after `textOf` of the last item. */
  end?(): Pick<Result, 'cursor' | 'complete'>;
}

/**
 * Sends a list of any length in frames of bounded size, no faster than the client takes them. The texts of many items are
 * made a few at a time: a thousand take milliseconds, and others wait meanwhile.
 */
export async function sendList<T>(
  outbound: Outbound,
  { field, items, textOf, end }: List<T>,
  requestId: RequestId | undefined,
): Promise<void> {
  let texts: string[] = [];
  let bytes = 0;
  let since = performance.now();
  for await (const item of items) {
    const text = textOf(item);
    const itemBytes = Buffer.byteLength(text) + 1;
    if (texts.length > 0 && bytes + itemBytes > RESULT_FRAME_BYTES_MAX) {
      outbound.send(resultText(field, texts, requestId, { more: true }));
      texts = [];
      bytes = 0;
      await outbound.relieved();
      if (!outbound.isOpen) return;
    }
    texts.push(text);
    bytes += itemBytes;
    if (performance.now() - since < WORK_PIECE_MS) continue;
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (!outbound.isOpen) return;
    since = performance.now();
  }
  outbound.send(resultText(field, texts, requestId, end?.() ?? {}));
}
