import { MIB } from '../protocol/limits/units.js';

/** More than any payload needs, even one with an escape for every character. */
export const LINE_LENGTH_MAX = 8 * MIB;

export interface InputLine {
  /** The line's number, from 1; empty lines count, as in an editor. */
  readonly number: number;
  readonly text: string;
}

/**
 * The lines of a stream, in batches as they arrive, without empty lines. Reads on only when the next batch is asked
 * for. A line longer than `LINE_LENGTH_MAX` is given as far as it was read, and is the last.
 */
export async function* inputLines(input: AsyncIterable<string>): AsyncGenerator<InputLine[]> {
  let rest = '';
  let before = 0;
  for await (const chunk of input) {
    const texts = (rest + chunk).split('\n');
    rest = texts.pop()!;
    const lines = numbered(texts, before);
    before += texts.length;
    if (lines.length > 0) yield lines;
    if (rest.length > LINE_LENGTH_MAX) break;
  }
  const last = numbered([rest], before);
  if (last.length > 0) yield last;
}

function numbered(texts: readonly string[], before: number): InputLine[] {
  const lines = texts.map((text, index) => ({ number: before + index + 1, text }));
  return lines.filter(({ text }) => text !== '' && text !== '\r');
}
