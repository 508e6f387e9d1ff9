/** The codes and reasons with which the server closes a WebSocket; docs/PROTOCOL.md lists them. */

/** RFC 6455, 7.4.1. */
export const CLOSE_GOING_AWAY = 1001;
export const CLOSE_UNSUPPORTED_DATA = 1003;
export const CLOSE_POLICY = 1008;
/** "Try again later", from the IANA registry of close codes. */
export const CLOSE_TRY_AGAIN = 1013;
/** From the range for applications: an administrator has ended the connection. */
export const CLOSE_DISCONNECTED = 4000;
/** RFC 6455, 5.5: a control frame holds 125 bytes, of which the code takes two. */
const CLOSE_REASON_BYTES_MAX = 123;

/**
 * Cuts the reason to the length of a close frame, since `ws` throws at more; the `error` frame before it has all of it.
 */
export function closeReason(reason: string): Buffer {
  const bytes = Buffer.from(reason);
  let end = Math.min(bytes.length, CLOSE_REASON_BYTES_MAX);
  // The cut must not split a character, whose continuation bytes are 0b10xxxxxx.
  while (end < bytes.length && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}
