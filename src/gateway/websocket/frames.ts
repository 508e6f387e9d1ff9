import type { RequestId, ServerPayloads } from '../../protocol/wire.js';

/** A list of a `result`. */
export type ListField = 'events' | 'topics' | 'subscribers';

/** The text of one frame to a client. `requestId` is that of the request it answers. */
export function frameText<T extends keyof ServerPayloads>(
  type: T,
  payload: ServerPayloads[T],
  requestId?: RequestId,
): string {
  return JSON.stringify({ type, requestId, payload });
}

/** A `result` frame from items that are JSON already; `rest` is what its payload has besides. */
export function resultText(
  field: ListField,
  items: readonly string[],
  requestId: RequestId | undefined,
  rest: Pick<ServerPayloads['result'], 'more' | 'cursor'>,
): string {
  const identity = requestId === undefined ? '' : `"requestId":${JSON.stringify(requestId)},`;
  const others = JSON.stringify(rest);
  const tail = others === '{}' ? '' : `,${others.slice(1, -1)}`;
  return `{"type":"result",${identity}"payload":{"${field}":[${items.join(',')}]${tail}}}`;
}
