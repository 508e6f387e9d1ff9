import { printable } from './output.js';

/**
 * A table for a person: columns as wide as their widest cell, numbers aligned right, two spaces between. A cell may
 * hold a publisher's text, so control characters are escaped.
 */
export type Cell = string | number;

export function tableLines(
  header: readonly string[],
  rows: readonly (readonly Cell[])[],
): string[] {
  const texts = rows.map((row) => row.map(cellText));
  const widths = header.map((name, column) =>
    Math.max(name.length, ...texts.map((row) => row[column]!.length)),
  );
  const isRight = header.map((_, column) => rows.every((row) => typeof row[column] === 'number'));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (isRight[i] === true ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [line(header), ...texts.map(line)];
}

function cellText(cell: Cell): string {
  return typeof cell === 'number' ? formatNumber(cell) : printable(cell);
}

const WHOLE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const SMALL = new Intl.NumberFormat('en-US', { maximumFractionDigits: 2 });

/** `1,234,567`, `12.35`: with commas for thousands; fractions only below 1000. */
export function formatNumber(value: number): string {
  return Math.abs(value) >= 1000 ? WHOLE.format(value) : SMALL.format(value);
}

/** `512 B`, `1.5 MiB` */
export function formatBytes(bytes: number): string {
  let value = bytes;
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (value < 1024) return `${SMALL.format(value)} ${unit}`;
    value /= 1024;
  }
  return `${SMALL.format(value)} TiB`;
}

/** A measured time: `850 ms`, `12 s`, `3 min`, `5 h`, `2 days` */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${SMALL.format(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 120) return `${WHOLE.format(seconds)} s`;
  if (seconds < 7200) return `${WHOLE.format(seconds / 60)} min`;
  return seconds < 172_800
    ? `${WHOLE.format(seconds / 3600)} h`
    : `${WHOLE.format(seconds / 86_400)} days`;
}

const TIME_UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const;

/** A time that was set, to the millisecond, as the dashboard shows it: `5 min`, `2 h 30 min`, `1 s 500 ms` */
export function exactDuration(milliseconds: number): string {
  let rest = milliseconds;
  const parts: string[] = [];
  for (const [unit, size] of TIME_UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.length === 0 ? '0 ms' : parts.join(' ');
}
