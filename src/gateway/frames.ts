import type { RequestId, ServerPayloads } from '../protocol/wire.js';

/** The text of one frame to a client. `requestId` is that of the request it answers. */
export function frameText<T extends keyof ServerPayloads>(
  type: T,
  payload: ServerPayloads[T],
  requestId?: RequestId,
): string {
  return JSON.stringify({ type, requestId, payload });
}

/** A `result` frame from items that are JSON already; `more` announces another one. */
export function resultText(
  field: string,
  items: readonly string[],
  more: boolean,
  requestId?: RequestId,
): string {
  const identity = requestId === undefined ? '' : `"requestId":${JSON.stringify(requestId)},`;
  const tail = more ? ',"more":true' : '';
  return `{"type":"result",${identity}"payload":{"${field}":[${items.join(',')}]${tail}}}`;
}
