/** Numbers, sizes and times as the page shows them. Pure. */

const UNITS = ['', 'k', 'M', 'G', 'T'] as const;

/** `950`, `12.3k`, `4.56M`: three significant digits. */
export function compact(value: number): string {
  let scaled = Math.abs(value);
  let unit = 0;
  while (scaled >= 999.5 && unit < UNITS.length - 1) {
    scaled /= 1000;
    unit++;
  }
  const sign = value < 0 ? '−' : '';
  const digits =
    unit === 0 && Number.isInteger(value) ? 0 : scaled >= 100 ? 0 : scaled >= 10 ? 1 : 2;
  const text = scaled.toFixed(digits);
  return sign + (digits > 0 && unit === 0 ? trimmed(text) : text) + UNITS[unit];
}

/** `1,234,567`. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

export function bytes(value: number): string {
  let scaled = value;
  let unit = 0;
  while (scaled >= 1023.5 && unit < BYTE_UNITS.length - 1) {
    scaled /= 1024;
    unit++;
  }
  return `${scaled.toFixed(unit === 0 || scaled >= 100 ? 0 : 1)} ${BYTE_UNITS[unit]}`;
}

/** `0.4 ms`, `12 ms`, `3.4 s`, `2 min`, `5 h`, `3 d`. */
export function duration(ms: number): string {
  if (ms < 1) return `${trimmed(ms.toFixed(2))} ms`;
  if (ms < 10) return `${trimmed(ms.toFixed(1))} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${trimmed((ms / 1000).toFixed(1))} s`;
  if (ms < 119_500) return `${Math.round(ms / 1000)} s`;
  if (ms < 7_170_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 171_000_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

const TIME_UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const;

/** A time that was set, to the millisecond: `2 h 30 min`, `7 d`, `1 s 500 ms`. */
export function exactDuration(ms: number): string {
  let rest = Math.round(ms);
  const parts: string[] = [];
  for (const [unit, size] of TIME_UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.length === 0 ? '0 ms' : parts.join(' ');
}

/** `14:03:12.345`, local time. */
export function clock(timestamp: string | number): string {
  const date = new Date(timestamp);
  const ms = String(date.getMilliseconds()).padStart(3, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}

/** `2026-11-28`, local time. */
export function dateOf(timestamp: string | number): string {
  const date = new Date(timestamp);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** `2026-11-28 14:03:12.345`, local time. */
export function dateAndClock(timestamp: string | number): string {
  return `${dateOf(timestamp)} ${clock(timestamp)}`;
}

/** `now`, `12 s ago`. */
export function ago(timestamp: string | number, now: number): string {
  const ms = now - new Date(timestamp).getTime();
  return ms < 1000 ? 'now' : `${duration(Math.floor(ms / 1000) * 1000)} ago`;
}

/** `1 event`, `2 events`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${whole(count)} ${count === 1 ? one : many}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

function trimmed(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}
