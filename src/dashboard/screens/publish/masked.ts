/** Stands in a payload for a value that the grants of the reader hide. */
const MASK = '"[redacted]"';

/** Whether a payload, as JSON, has values that the server has masked for this reader. Pure. */
export function isMasked(json: string): boolean {
  return json.includes(MASK);
}
