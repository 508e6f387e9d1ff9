/**
 * What an endpoint offers to the gateway and to nobody else: under a symbol that no user meets.
 */
import type { BusEndpoint } from './bus.js';

export const INTERNALS: unique symbol = Symbol('millrace.internals');

export interface EndpointInternals {
  /**
   * Publishes an event of the bus's own, on a topic under `$sys.`, if the bus has system events on. Never throws: one
   * that finds no room is lost, as nobody may wait for the bus to speak about itself.
   */
  publishSystem(topic: string, type: string, payload: object): void;
  countConnections(change: number): void;
}

/** `undefined` for an endpoint that is not of this package's making. */
export function internalsOf(endpoint: BusEndpoint): EndpointInternals | undefined {
  return (endpoint as Partial<Record<typeof INTERNALS, EndpointInternals>>)[INTERNALS];
}
