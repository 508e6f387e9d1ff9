import { zonedTimeMs } from '../protocol/timestamp.js';

/** Times in the files of keys and of revoked tokens. Any thread. */
export function isTime(text: string): boolean {
  return !Number.isNaN(zonedTimeMs(text));
}
