import type { RequestId, ServerPayloads } from '../../protocol/wire.js';

/** The fields of a `result` that are lists. */
export type ListField =
  | 'events'
  | 'topics'
  | 'subscribers'
  | 'connections'
  | 'definitions'
  | 'consumers'
  | 'deliveries'
  | 'schedules';

/** The text of one frame to a client. `requestId`: that of the request that the frame answers. */
export function frameText<T extends keyof ServerPayloads>(
  type: T,
  payload: ServerPayloads[T],
  requestId?: RequestId,
): string {
  return JSON.stringify({ type, requestId, payload });
}

/** The text of a `result` frame from items that are JSON already; `rest` holds the other fields of its payload. */
export function resultText(
  field: ListField,
  items: readonly string[],
  requestId: RequestId | undefined,
  rest: Pick<ServerPayloads['result'], 'more' | 'cursor' | 'complete'>,
): string {
  const identity = requestId === undefined ? '' : `"requestId":${JSON.stringify(requestId)},`;
  const others = JSON.stringify(rest);
  const tail = others === '{}' ? '' : `,${others.slice(1, -1)}`;
  return `{"type":"result",${identity}"payload":{"${field}":[${items.join(',')}]${tail}}}`;
}
