import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { askUntilAnswered } from '../../src/dashboard/state/ask-until.js';

describe('a question of the page', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it('is asked again after a failure, until there is an answer', async () => {
    const errors: unknown[] = [];
    const answers = [new Error('TIMEOUT'), new Error('BACKPRESSURE'), 'yes'];
    const asked = askUntilAnswered(
      async () => {
        const answer = answers.shift();
        if (answer instanceof Error) throw answer;
        return answer;
      },
      { isWanted: () => true, onError: (error) => errors.push(String(error)), waitMs: 2000 },
    );
    await vi.advanceTimersByTimeAsync(4000);
    expect(await asked).toBe('yes');
    expect(errors).toEqual(['Error: TIMEOUT', 'Error: BACKPRESSURE']);
  });

  it('ends without an answer once nobody wants it', async () => {
    let isWanted = true;
    let asked = 0;
    const answer = askUntilAnswered(
      async () => {
        asked++;
        throw new Error('lost');
      },
      { isWanted: () => isWanted, onError: () => {}, waitMs: 2000 },
    );
    await vi.advanceTimersByTimeAsync(2000);
    isWanted = false;
    await vi.advanceTimersByTimeAsync(2000);
    expect(await answer).toBeUndefined();
    expect(asked).toBe(2);
  });

  it('keeps no answer that came too late', async () => {
    let isWanted = true;
    const answer = askUntilAnswered(
      async () => {
        isWanted = false;
        return 'the rights of another connection';
      },
      { isWanted: () => isWanted, onError: () => {}, waitMs: 2000 },
    );
    expect(await answer).toBeUndefined();
  });
});
