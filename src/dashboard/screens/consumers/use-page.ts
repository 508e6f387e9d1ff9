import type { Consumer } from 'millrace/client';
import { amend, place } from '../../state/place.js';
import { type Polled, usePolled } from '../../state/polled.js';
import { client } from '../../state/session.js';

/** One page of a consumer's list, asked for again and again. The address says where it begins. */

interface Page {
  /** Absent on the last page. */
  readonly next?: string;
}

export interface ShownPage<T> extends Polled<T> {
  readonly isFirst: boolean;
  /** Undefined on the last page. */
  readonly onNext: (() => void) | undefined;
  readonly onFirst: () => void;
}

export const PAGE_ROWS = 50;
const POLL_MS = 2000;

export function useConsumerPage<T extends Page>(
  name: string,
  parameter: 'deadAfter' | 'keysAfter' | 'openAfter',
  ask: (consumer: Consumer, page: { limit: number; after?: string }) => Promise<T>,
): ShownPage<T> {
  const after = place.value.parameters.get(parameter) ?? '';
  const page = { limit: PAGE_ROWS, ...(after !== '' && { after }) };
  const polled = usePolled(
    async () => ask(await client().consumer(name), page),
    POLL_MS,
    JSON.stringify([name, after]),
  ).value;
  const next = polled.value?.next;
  return {
    ...polled,
    isFirst: after === '',
    onNext: next === undefined ? undefined : () => amend({ [parameter]: next }),
    onFirst: () => amend({ [parameter]: undefined }),
  };
}
