import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { now, serverNow, setClock } from '../../src/dashboard/state/now.js';
import { ago } from '../../src/dashboard/text/format.js';

describe('the time of the page', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([-180_000, 180_000])('is the server’s, whose clock is %d ms away', async (away) => {
    const server = (): number => Date.now() + away;
    await setClock(async () => server());
    expect(serverNow()).toBe(server());
    const event = server();
    vi.advanceTimersByTime(12_000);
    expect(ago(event, serverNow())).toBe('12 s ago');
  });

  it('takes an answer for the time in the middle of asking', async () => {
    const asked = setClock(async () => {
      vi.advanceTimersByTime(200);
      const time = Date.now() + 60_000;
      vi.advanceTimersByTime(200);
      return time;
    });
    await asked;
    expect(serverNow()).toBe(Date.now() + 60_000);
    expect(now.value).toBe(serverNow());
  });

  it('stays as it is where the server does not answer', async () => {
    await setClock(async () => Date.now() + 5000);
    await expect(
      setClock(async () => {
        throw new Error('TIMEOUT');
      }),
    ).rejects.toThrow('TIMEOUT');
    expect(serverNow()).toBe(Date.now() + 5000);
  });
});
