/**
 * Closes the buses that a program has left open once its thread has nothing else to do. Like the handle of an embedded
 * database, an open bus does not keep the program alive. Works in any thread, for that thread's endpoints.
 */
export interface IdleEndpoint {
  /** True if no work of the endpoint is under way and it has no subscriptions. */
  readonly isIdle: boolean;
  close(): Promise<void>;
}

const endpoints = new Set<IdleEndpoint>();

export function closeAtExit(endpoint: IdleEndpoint): void {
  if (endpoints.size === 0) process.on('beforeExit', onBeforeExit);
  endpoints.add(endpoint);
}

/** Called once the endpoint is closed. */
export function forgetAtExit(endpoint: IdleEndpoint): void {
  if (endpoints.delete(endpoint) && endpoints.size === 0) process.off('beforeExit', onBeforeExit);
}

/** Runs after the other listeners. If one of them publishes a last event, Node calls `beforeExit` again. */
function onBeforeExit(): void {
  process.nextTick(() => {
    for (const endpoint of endpoints) if (endpoint.isIdle) void endpoint.close();
  });
}
