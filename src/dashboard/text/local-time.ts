/**
 * Times of the address, as a field for local times takes them. The address holds UTC, so that it says the same time to
 * everybody. Pure.
 */

/** Local, without a zone; `''` for a text that is no time. */
export function localTime(text: string): string {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return '';
  const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}

/** UTC; `''` for a text that is no time. */
export function isoTime(local: string): string {
  const time = new Date(local);
  return Number.isNaN(time.getTime()) ? '' : time.toISOString();
}
