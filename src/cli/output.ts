import { once } from 'node:events';
import { styleText } from 'node:util';
import type { Event } from '../protocol/event.js';
import { eventText, payloadTextOf } from '../protocol/payload-text.js';

/**
 * Writes data to stdout, with back-pressure. A reader that closes the pipe (`| head`) ends the command normally, not as
 * a failure.
 */

/** Ends the process quietly when the reader of stdout closes it; to be called before anything is written. */
export function endQuietlyWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  process.stderr.on('error', () => {
    // The reader of stderr is gone, but the command's work goes on.
  });
}

/**
 * Writes a line. False if the reader is behind: wait for `outputDrained()` before writing more.
 *
 * JSON may hold characters as they are that a terminal obeys. On a terminal they are written as JSON's escapes, which is
 * the same JSON; to a program they go as the publisher wrote them.
 */
export function writeLine(line: string): boolean {
  const shown = process.stdout.isTTY ? line.replace(OBEYED_IN_JSON, escapeCharacter) : line;
  return process.stdout.write(`${shown}\n`);
}

export async function outputDrained(): Promise<void> {
  if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain');
}

export type EventFormat = (event: Event) => string;

export function eventFormat(isJson: boolean): EventFormat {
  return isJson ? eventText : readableEvent;
}

/** `2026-01-31T12:00:00.000Z  worker.1.progress  worker_progress  scanner  #0:17  {"done":3}` */
function readableEvent(event: Event): string {
  const { timestamp, topic, type, source, shard, sequence, attributes } = event;
  const position = sequence === undefined ? 'ephemeral' : `#${shard}:${sequence}`;
  const columns = [
    coloured('dim', timestamp),
    coloured('cyan', topic),
    coloured(typeColour(type), type),
    printable(source),
    coloured('dim', position),
    printable(payloadTextOf(event)),
  ];
  for (const key in attributes) columns.push(coloured('dim', `${key}=${attributes[key]}`));
  return columns.join('  ');
}

type Colour = 'dim' | 'cyan' | 'red' | 'green' | 'yellow';

/** Failures are red, completions green, all other types yellow. */
function typeColour(type: string): Colour {
  if (/_(failed|killed|error|cancelled)$/.test(type)) return 'red';
  return /_(complete|completed|resolved)$/.test(type) ? 'green' : 'yellow';
}

/** Colours need a terminal, and no `NO_COLOR` or the like that forbids them. */
const HAS_COLOURS = process.stdout.isTTY && process.stdout.hasColors();

function coloured(colour: Colour, text: string): string {
  return styled(colour, printable(text));
}

/** Styles text whose control characters are escaped already. */
export function styled(style: Colour | 'bold', text: string): string {
  return HAS_COLOURS ? styleText(style, text) : text;
}

/** Escapes control characters, so that a publisher's text cannot send commands to the terminal. */
export function printable(text: string): string {
  return text.replace(CONTROL_CHARACTERS, escapeCharacter);
}

/** As `printable`, for a message of several lines, of which all but the first are indented. */
export function printableLines(text: string): string {
  return text
    .split(/\n(?= {2})/)
    .map(printable)
    .join('\n');
}

/** Control characters, line ends that are none in ASCII, and what turns the direction of the text behind it. */
const CONTROL_CHARACTERS = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;
/** The same without those that JSON escapes anyway, among which the colours of a line begin. */
const OBEYED_IN_JSON = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
