import { describe, expect, test } from 'vitest';
import { Emitter } from '../../src/handout/emitter.js';
import type { BusError } from '../../src/protocol/errors.js';

interface Events {
  gap: (count: number) => void;
  error: () => void;
}

function refusal(call: (emitter: Emitter<Events>) => void): BusError | undefined {
  try {
    call(new Emitter<Events>('s1', ['gap', 'error'], () => {}));
  } catch (error) {
    return error as BusError;
  }
  return undefined;
}

describe('a listener', () => {
  test('of an unknown event is refused with the names of the known ones', () => {
    expect(refusal((emitter) => emitter.on('gaps' as 'gap', () => {}))).toMatchObject({
      code: 'OPTION_INVALID',
      message: 'on: s1: there is no event "gaps", only gap, error',
    });
    expect(refusal((emitter) => emitter.on('gap', () => {}))).toBeUndefined();
  });

  test('has to be a function', () => {
    const nothing: unknown = undefined;
    expect(refusal((emitter) => emitter.on('gap', nothing as () => void))).toMatchObject({
      code: 'OPTION_INVALID',
      message: 'on: s1: the listener of "gap" has to be a function, not undefined',
    });
  });
});
