import { CLAIMED_PAYLOAD_BYTES_MAX } from '../../../protocol/limits/store.js';
import type { PayloadReference } from '../../directory/payload-files.js';

/**
 * A row whose payload lies in a file has this text in its place: `sha256:`, the 64 digits of the payload's hash, `:`, and
 * its length in bytes. A flag of the row says so; no JSON text looks like it.
 */
const PREFIX = 'sha256:';
const HASH_DIGITS = 64;
const HASH_START = PREFIX.length + 1;
const LENGTH_START = HASH_START + HASH_DIGITS + 1;
const TEXT = /^sha256:([0-9a-f]{64}):([1-9][0-9]{0,9})$/;

/** Of a row of `events` with such a payload. */
export const REFERENCE_HASH_SQL = `CAST(substr(payload, ${HASH_START}, ${HASH_DIGITS}) AS TEXT)`;

/** Of a row of `events` with such a payload; within bounds, whatever its damage. */
export const REFERENCE_LENGTH_SQL = `min(max(CAST(substr(payload, ${LENGTH_START}) AS INTEGER), 0), ${CLAIMED_PAYLOAD_BYTES_MAX})`;

export function referenceText({ hash, length }: PayloadReference): string {
  return `${PREFIX}${hash}:${length}`;
}

/** `undefined` if the value, of a row that may be damaged, is no reference. */
export function parseReference(value: unknown): PayloadReference | undefined {
  const [, hash, digits] = (typeof value === 'string' && TEXT.exec(value)) || [];
  const length = Number(digits);
  return hash === undefined || length > CLAIMED_PAYLOAD_BYTES_MAX ? undefined : { hash, length };
}
