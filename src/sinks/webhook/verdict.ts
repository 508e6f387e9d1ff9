/** What an answer means for its event. Pure. */

export type Verdict = 'done' | 'gone' | 'dead' | 'retry';

/** Client errors that say nothing about the event: the same request may succeed later. */
const PASSING = new Set([408, 409, 423, 425, 429]);

/** `clientErrors`: what the other 4xx mean. A redirect is not followed, so it is a failure like any other. */
export function verdictOf(status: number, clientErrors: 'retry' | 'dead'): Verdict {
  if (status >= 200 && status < 300) return 'done';
  if (status === 410) return 'gone';
  const isClients = status >= 400 && status < 500 && !PASSING.has(status);
  return isClients && clientErrors === 'dead' ? 'dead' : 'retry';
}

const SECONDS = /^\d{1,10}$/;
/** The beginning of a date of HTTP: its day. `Date.parse` takes much more, such as "-5". */
const DAY = /^[A-Z][a-z]{2,8},? /;

/** How long a `Retry-After` asks to wait, ms, at most `most`; 0: it asks for nothing that can be read. */
export function retryAfterMs(header: string | undefined, now: number, most: number): number {
  if (header === undefined) return 0;
  const text = header.trim();
  if (SECONDS.test(text)) return Math.min(Number(text) * 1000, most);
  const ms = DAY.test(text) ? Date.parse(text) - now : Number.NaN;
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(0, ms), most);
}

/** Text of an answer that a person may read in a dead letter: on one line, and without control characters. */
export function excerptOf(bytes: Buffer): string {
  const text = bytes.toString('utf8').replaceAll(/[\s\p{Cc}\p{Cf}\u{fffd}]+/gu, ' ');
  return text.trim();
}
