import type { StreamEntry } from '../shared/log-stream.js';
import { type KnownEvent, SEAL_BYTES } from './known-event.js';

/** A power of two: more events than come while one append is on its way. */
const PLACES = 1 << 14;

/** The checksums of the events that a tail has shown last. */
export class HeardSeals {
  readonly #sequences = new Float64Array(PLACES);
  readonly #seals = new Uint32Array(PLACES);

  note({ sequence, bytes }: StreamEntry): void {
    const place = sequence & (PLACES - 1);
    this.#sequences[place] = sequence;
    this.#seals[place] = sealNumber(bytes);
  }

  /** Whether another event is known to have this one's place. */
  isOther({ sequence, seal }: KnownEvent): boolean {
    const place = sequence & (PLACES - 1);
    if (seal.length === 0 || this.#sequences[place] !== sequence) return false;
    return this.#seals[place] !== sealNumber(seal);
  }
}

function sealNumber(bytes: Uint8Array): number {
  const at = bytes.length - SEAL_BYTES;
  if (at < 0) return 0;
  return (
    (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  );
}
