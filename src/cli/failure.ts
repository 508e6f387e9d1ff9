import { CommanderError } from 'commander';
import { BusError, type ErrorCode } from '../protocol/errors.js';

/**
 * What goes wrong in a command, and the exit code that it gets: 0 done, 1 failed, 2 wrong usage.
 */

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** A failure with a message that needs no code beside it. */
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
 * What went wrong with lines of an input, and how to go on. Where more than one line is named, some of them may be done:
 * they went out together.
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What a caller gets for something that stood on the command line. */
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
  'MESSAGE_INVALID',
  'INSECURE_BIND',
]);

/** Tells the failure on stderr and answers the exit code. */
export function reportFailure(error: unknown): number {
  if (error instanceof CommanderError) return commanderExitCode(error);
  if (error instanceof CommandFailure) {
    tell(error.message);
    return error.exitCode;
  }
  if (error instanceof BusError) {
    tell(`${error.message} (${error.code})`);
    return USAGE_CODES.has(error.code) ? EXIT_USAGE : EXIT_FAILED;
  }
  tell(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT_FAILED;
}

export function tell(message: string): void {
  process.stderr.write(`millrace: ${message}\n`);
}

/** Commander has told already, help included. */
function commanderExitCode(error: CommanderError): number {
  const isAnswer = error.code === 'commander.helpDisplayed' || error.code === 'commander.version';
  return isAnswer ? 0 : EXIT_USAGE;
}

/** What the file system or a file's content says is a failure, not a fault of ours. */
export function failing<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new CommandFailure((error as Error).message);
  }
}
