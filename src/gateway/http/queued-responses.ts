import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * A client may send requests before it has the answers to earlier ones; their responses wait in Node for their turn. If
 * the connection ends first, many versions of Node emit `close` only on the response whose turn it is
 * (nodejs/node#62534). Whatever is held until `close` would then be held for ever, so the others are told here. One
 * thread.
 */
const open = new WeakMap<Socket, Set<ServerResponse>>();

/** Makes sure that the response is destroyed and emits `close` when its connection ends. */
export function endWithConnection(socket: Socket, response: ServerResponse): void {
  const responses = open.get(socket) ?? watch(socket);
  responses.add(response);
  response.once('close', () => responses.delete(response));
}

function watch(socket: Socket): Set<ServerResponse> {
  const responses = new Set<ServerResponse>();
  open.set(socket, responses);
  // Node's own listener comes before this one.
  socket.once('close', () => {
    for (const response of [...responses]) {
      response.destroy();
      if (responses.has(response)) response.emit('close');
    }
  });
  return responses;
}
