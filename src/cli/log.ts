import { type Logger, type LoggerOptions, pino } from 'pino';
import { printable } from './output.js';

/** The log of a server: JSON lines on stderr, or short lines for a person if stderr is a terminal. */
export type CommandLog = Logger;

/** Fields that a short line shows in its own way or not at all. */
const PLAIN_FIELDS = new Set(['level', 'time', 'msg']);

export function openLog(level: string): CommandLog {
  const options: LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  if (!process.stderr.isTTY) return pino(options, pino.destination({ dest: 2, sync: true }));
  return pino(options, { write: (line: string) => process.stderr.write(`${readable(line)}\n`) });
}

/** `12:00:00 info  listening on http://127.0.0.1:7400  shards=2` */
function readable(line: string): string {
  const record = JSON.parse(line) as Record<string, unknown>;
  const time = String(record.time).slice(11, 19);
  const fields = Object.entries(record)
    .filter(([name, value]) => !PLAIN_FIELDS.has(name) && value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return printable(
    [`${time} ${String(record.level).padEnd(5)} ${String(record.msg)}`, ...fields].join('  '),
  );
}
