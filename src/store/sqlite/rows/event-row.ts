import { hasExpiries, type Numbers } from '../tables/meta-table.js';

/** A row of `events` as it is read. The payload is read as text: see `row-decoder.ts`. `numbers` are those of `meta`. */
export function rowColumns(numbers: Numbers): string {
  const expiresAt = hasExpiries(numbers) ? 'expires_at' : 'NULL';
  return (
    'sequence, recorded_at, topic, type, source, checksum, id, CAST(payload AS TEXT), ' +
    `flags, timestamp, correlation_id, causation_id, attributes, ${expiresAt}`
  );
}

/** In the order of `rowColumns`. */
export type EventRow = [
  sequence: number,
  recordedAt: number,
  topic: number,
  type: number,
  source: number,
  checksum: number,
  id: string,
  payload: string,
  flags: number | null,
  timestamp: number | null,
  correlationId: string | null,
  causationId: string | null,
  attributes: string | null,
  expiresAt: number | null,
];
