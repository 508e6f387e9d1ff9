/** A row of `events` as it is read. The payload is read as text: see `row-decoder.ts`. */
export const ROW_COLUMNS =
  'sequence, recorded_at, topic, type, source, checksum, id, CAST(payload AS TEXT), ' +
  'flags, timestamp, correlation_id, causation_id, attributes';

/** In the order of `ROW_COLUMNS`. */
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
];
