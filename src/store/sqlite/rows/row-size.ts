import { ROW_FLAG_PAYLOAD_IN_FILE } from '../tables/tables.js';
import { REFERENCE_LENGTH_SQL } from './payload-reference.js';

/** Approximate bytes on disk of a row without its payload and attributes; `maxBytes` counts them. */
export const ROW_OVERHEAD_BYTES = 80;

const PAYLOAD_BYTES_SQL =
  `CASE WHEN flags & ${ROW_FLAG_PAYLOAD_IN_FILE} THEN ${REFERENCE_LENGTH_SQL} ` +
  'ELSE length(payload) END';

/**
 * The approximate bytes of a row, in SQL, with those of a payload that lies in a file. `length` of a blob reads no
 * overflow page.
 */
export const ROW_BYTES_SQL = `${ROW_OVERHEAD_BYTES} + ${PAYLOAD_BYTES_SQL} + coalesce(octet_length(attributes), 0)`;
