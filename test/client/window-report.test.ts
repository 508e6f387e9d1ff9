import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WindowReport } from '../../src/client/window-report.js';
import { CLIENT_WINDOW_BYTES } from '../../src/protocol/limits/client.js';

const WINDOW_EVENTS = 64;

test('the events consumed of a window are reported, all of them in time, and no others', () => {
  const consumed = fc.record({
    events: fc.integer({ min: 0, max: 4 }),
    chars: fc.integer({ min: 0, max: CLIENT_WINDOW_BYTES / 16 }),
  });
  fc.assert(
    fc.property(fc.nat({ max: 32 }), fc.array(consumed, { maxLength: 60 }), (held, all) => {
      const report = new WindowReport(WINDOW_EVENTS, false);
      report.open(held);
      let total = 0;
      let told = 0;
      let untoldChars = 0;
      for (const { events, chars } of all) {
        report.consumed(events, chars);
        total += events;
        const now = report.take();
        told += now;
        untoldChars = now > 0 ? 0 : untoldChars + chars;
        const owed = Math.max(0, total - held) - told;
        // Events of an earlier connection do not count for this window.
        expect(owed).toBeGreaterThanOrEqual(0);
        expect(owed).toBeLessThan(WINDOW_EVENTS / 8);
        if (owed > 0) expect(untoldChars).toBeLessThan(CLIENT_WINDOW_BYTES / 8);
      }
    }),
  );
});

test('events of unknown length are reported as soon as they are consumed', () => {
  const report = new WindowReport(WINDOW_EVENTS, true);
  report.open(1);
  report.consumed(1, 0);
  expect(report.take()).toBe(0);
  report.consumed(2, 0);
  expect([report.take(), report.take()]).toEqual([2, 0]);
});
