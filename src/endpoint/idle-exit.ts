/**
 * Closes the buses that a program has left open, once its thread has nothing else to do: as the handle of an embedded
 * database does, an open bus does not keep a program from its end. Any thread; each has endpoints of its own.
 */
export interface IdleEndpoint {
  /** Nothing of its work is under way, and nobody is subscribed. */
  readonly isIdle: boolean;
  close(): Promise<void>;
}

const endpoints = new Set<IdleEndpoint>();

export function closeAtExit(endpoint: IdleEndpoint): void {
  if (endpoints.size === 0) process.on('beforeExit', onBeforeExit);
  endpoints.add(endpoint);
}

/** It is closed. */
export function forgetAtExit(endpoint: IdleEndpoint): void {
  if (endpoints.delete(endpoint) && endpoints.size === 0) process.off('beforeExit', onBeforeExit);
}

/** After the other listeners, one of which may have a last event to publish: then this comes again. */
function onBeforeExit(): void {
  process.nextTick(() => {
    for (const endpoint of endpoints) if (endpoint.isIdle) void endpoint.close();
  });
}
