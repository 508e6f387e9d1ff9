/** The part of a run's time that the timeline shows, in ms since 1970, and the marks of its axis. Pure. */

export interface TimeWindow {
  readonly from: number;
  readonly to: number;
}

/** The least time that the timeline can show; timestamps are whole milliseconds. */
const SPAN_MIN = 4;
/** The share of the run's time that is left free at each end. */
const MARGIN = 0.03;

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].map((count) => count * DAY),
] as const;

/** A window that holds all of a run. */
export function wholeOf(first: number, last: number): TimeWindow {
  const span = Math.max(SPAN_MIN, last - first);
  const margin = span * MARGIN;
  return { from: first - margin, to: first + span + margin };
}

/** `factor` below 1 shows less time. `at` stays where it is. */
export function zoomed(
  window: TimeWindow,
  factor: number,
  at: number,
  whole: TimeWindow,
): TimeWindow {
  const span = window.to - window.from;
  const wanted = Math.min(whole.to - whole.from, Math.max(SPAN_MIN, span * factor));
  const share = Math.min(1, Math.max(0, (at - window.from) / span));
  const from = at - share * wanted;
  return clamped({ from, to: from + wanted }, whole);
}

/** `share` of the window's span, later if it is positive. */
export function moved(window: TimeWindow, share: number, whole: TimeWindow): TimeWindow {
  const by = share * (window.to - window.from);
  return clamped({ from: window.from + by, to: window.to + by }, whole);
}

/** The same window, or one as long around a time that it does not show. */
export function showing(window: TimeWindow, at: number, whole: TimeWindow): TimeWindow {
  if (at >= window.from && at <= window.to) return window;
  const half = (window.to - window.from) / 2;
  return clamped({ from: at - half, to: at + half }, whole);
}

/** The times of about `wanted` marks of the axis, whole steps after `origin`. */
export function ticksOf(window: TimeWindow, origin: number, wanted: number): readonly number[] {
  const least = (window.to - window.from) / Math.max(1, wanted);
  const step = STEPS.find((one) => one >= least) ?? STEPS.at(-1)!;
  const ticks: number[] = [];
  let index = Math.ceil((window.from - origin) / step);
  for (; origin + index * step <= window.to; index++) {
    ticks.push(origin + index * step);
    // A run of more than a thousand years has an axis without an end.
    if (ticks.length > 2 * wanted + 2) break;
  }
  return ticks;
}

/** `+0 ms`, `+340 ms`, `+1.25 s`, `+2:05.3`, `+1:02:05`, `+3 d 4:00:00`: a time as the distance from the run's first. */
export function relative(ms: number): string {
  const sign = ms < 0 ? '−' : '+';
  const distance = Math.abs(Math.round(ms));
  if (distance < SECOND) return `${sign}${distance} ms`;
  if (distance < MINUTE) return `${sign}${distance / SECOND} s`;
  const two = (value: number): string => String(value).padStart(2, '0');
  const days = Math.floor(distance / DAY);
  const hours = Math.floor((distance % DAY) / HOUR);
  const minutes = Math.floor((distance % HOUR) / MINUTE);
  const seconds = Math.floor((distance % MINUTE) / SECOND);
  const rest = distance % SECOND;
  const part = rest === 0 ? '' : `.${String(rest).padStart(3, '0').replace(/0+$/, '')}`;
  if (days > 0) return `${sign}${days} d ${hours}:${two(minutes)}:${two(seconds)}`;
  if (hours > 0) return `${sign}${hours}:${two(minutes)}:${two(seconds)}${part}`;
  return `${sign}${minutes}:${two(seconds)}${part}`;
}

function clamped({ from, to }: TimeWindow, whole: TimeWindow): TimeWindow {
  const span = to - from;
  if (span >= whole.to - whole.from) return whole;
  const start = Math.min(Math.max(from, whole.from), whole.to - span);
  return { from: start, to: start + span };
}
