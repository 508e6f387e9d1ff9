/** What a row takes on disk besides its payload and attributes, about; counted by `maxBytes`. */
export const ROW_OVERHEAD_BYTES = 80;

/** The part of a row's size that differs, in SQL. `length` of a blob reads no overflow page. */
export const ROW_BYTES_SQL = `${ROW_OVERHEAD_BYTES} + length(payload) + coalesce(octet_length(attributes), 0)`;
