import { MIB } from '../protocol/limits.js';
import { usageFailure } from './failure.js';

/** No payload may be longer, not even one written with an escape for every character. */
const LINE_LENGTH_MAX = 8 * MIB;

/**
 * The lines of a stream, in the batches in which they come; empty lines are left out. Reads on only
 * when the next batch is asked for.
 */
export async function* inputLines(input: AsyncIterable<string>): AsyncGenerator<string[]> {
  let rest = '';
  for await (const chunk of input) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    if (rest.length > LINE_LENGTH_MAX) {
      throw usageFailure(`a line of the input is longer than ${LINE_LENGTH_MAX} characters`);
    }
    const filled = lines.filter(hasText);
    if (filled.length > 0) yield filled;
  }
  if (hasText(rest)) yield [rest];
}

function hasText(line: string): boolean {
  return line !== '' && line !== '\r';
}
