/** Approximate bytes on disk of a row without its payload and attributes; `maxBytes` counts them. */
export const ROW_OVERHEAD_BYTES = 80;

/** The approximate bytes of a row, in SQL. `length` of a blob reads no overflow page. */
export const ROW_BYTES_SQL = `${ROW_OVERHEAD_BYTES} + length(payload) + coalesce(octet_length(attributes), 0)`;
