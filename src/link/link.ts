/**
 * A link: the rings and the port that one endpoint and one shard share. The rings live as long as the endpoint; the
 * port is replaced with the shard's thread.
 */
import type { MessagePort } from 'node:worker_threads';
import { CONTROL_RING_BYTES } from '../protocol/limits/links.js';
import { createRing } from '../ring/ring.js';

/** Channels of the port that all rings of a link share: which ring the buffer of a long record belongs to. */
export const PUBLISH_CHANNEL = 1;
export const CONTROL_CHANNEL = 2;
export const DELIVERY_CHANNEL = 3;

export interface LinkMemory {
  readonly publishRing: SharedArrayBuffer;
  readonly controlRing: SharedArrayBuffer;
  readonly deliveryRing: SharedArrayBuffer;
}

/** One end of a link, as it is handed to a thread. */
export interface LinkEnd {
  readonly endpoint: string;
  readonly shard: number;
  readonly memory: LinkMemory;
  /** The endpoint's parked word; one for all its links. */
  readonly doorbell: SharedArrayBuffer;
  readonly port: MessagePort;
}

export function createLinkMemory(ringBytes: number): LinkMemory {
  return {
    publishRing: createRing(ringBytes),
    controlRing: createRing(CONTROL_RING_BYTES),
    deliveryRing: createRing(ringBytes),
  };
}
