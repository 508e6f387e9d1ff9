import { CommanderError } from 'commander';
import { BusError, type ErrorCode } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';
import { printableLines } from './output.js';

/** Failures of commands, and their exit codes: 0 done, 1 failed, 2 wrong usage. */

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** A failure whose message is shown without an error code. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT_FAILED, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
  }
}

export function usageFailure(message: string): CommandFailure {
  return new CommandFailure(message, EXIT_USAGE);
}

/**
 * The failure of input lines, with advice on how to go on. If it names several lines, they were sent together and some
 * of them may be published.
 */
export function lineFailure(error: unknown, { first, last }: { first: number; last: number }) {
  const where = first === last ? `line ${first}` : `lines ${first} to ${last}`;
  const how = `${where}: ${messageOf(error)}`;
  const rest = `The lines before are published; go on with --from-line ${first}.`;
  if (error instanceof BusError) {
    const { code, details } = error;
    return new BusError(code, `${how}. ${rest}`, { ...(details && { details }), cause: error });
  }
  const exitCode = error instanceof CommandFailure ? error.exitCode : EXIT_FAILED;
  return new CommandFailure(`${how}. ${rest}`, exitCode, error);
}

/** Errors whose cause is on the command line; they exit with 2. */
const USAGE_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'TOPIC_INVALID',
  'PATTERN_INVALID',
  'EVENT_INVALID',
  'PAYLOAD_INVALID',
  'PAYLOAD_TOO_LARGE',
  'FILTER_INVALID',
  'OPTION_INVALID',
  'QUERY_INVALID',
  'CURSOR_INVALID',
  'ALERT_INVALID',
  'MESSAGE_INVALID',
  'INSECURE_BIND',
]);

/** Prints the failure on stderr and returns the exit code. */
export function reportFailure(error: unknown): number {
  if (error instanceof CommanderError) return commanderExitCode(error);
  if (error instanceof CommandFailure) {
    notify(error.message);
    return error.exitCode;
  }
  if (error instanceof BusError) {
    notify(`${error.message} (${error.code})`);
    return USAGE_CODES.has(error.code) ? EXIT_USAGE : EXIT_FAILED;
  }
  notify(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT_FAILED;
}

/** Prints a message for a person on stderr. It may hold the text of somebody else: of a server, or of a responder. */
export function notify(message: string): void {
  process.stderr.write(`millrace: ${printableLines(message)}\n`);
}

/** Commander has printed its message or the help already. */
function commanderExitCode(error: CommanderError): number {
  const isAnswer = error.code === 'commander.helpDisplayed' || error.code === 'commander.version';
  return isAnswer ? 0 : EXIT_USAGE;
}

/** Runs an action on files. Its error becomes a failure with a plain message, as it is not a bug of the command. */
export function failing<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new CommandFailure((error as Error).message);
  }
}
