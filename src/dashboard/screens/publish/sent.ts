import { computed, signal } from '@preact/signals';
import type { BusClient, PublishAck } from 'millrace/client';
import { sourceOf } from '../../state/access.js';
import { serverNow } from '../../state/now.js';
import { SENT_LENGTH_MAX, SENT_MAX } from './bounds.js';
import { type Draft, inputOf, optionsOf } from './draft.js';

/** What was published from the form in this tab, newest first. It is kept in memory, also while other screens show. */

export type Outcome =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'acked'; readonly ack: PublishAck; readonly tookMs: number }
  | { readonly kind: 'refused'; readonly error: unknown };

export interface Sent {
  /** Counts up by one. */
  readonly key: number;
  readonly draft: Draft;
  /** The source that the event gets. */
  readonly source: string;
  /** By the server's clock, ms since 1970. */
  readonly at: number;
  readonly outcome: Outcome;
}

export const sent = signal<readonly Sent[]>([]);

/** One publish at a time: the next waits for the answer to this one. */
export const isSending = computed(() => sent.value[0]?.outcome.kind === 'waiting');

let lastKey = 0;

export async function send(client: BusClient, draft: Draft): Promise<void> {
  if (isSending.peek()) return;
  const key = ++lastKey;
  sent.value = bounded([
    { key, draft, source: sourceOf(draft.source), at: serverNow(), outcome: { kind: 'waiting' } },
    ...sent.peek(),
  ]);
  const start = performance.now();
  try {
    const ack = await client.publish(inputOf(draft), optionsOf(draft));
    settle(key, { kind: 'acked', ack, tookMs: performance.now() - start });
  } catch (error) {
    settle(key, { kind: 'refused', error });
  }
}

function settle(key: number, outcome: Outcome): void {
  sent.value = sent.peek().map((one) => (one.key === key ? { ...one, outcome } : one));
}

/** The newest ones; the very newest whatever its length. */
export function bounded(all: readonly Sent[]): readonly Sent[] {
  let length = 0;
  return all.slice(0, SENT_MAX).filter(({ draft }, index) => {
    length += draft.payload.length;
    return index === 0 || length <= SENT_LENGTH_MAX;
  });
}
