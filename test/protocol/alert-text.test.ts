import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAlertRule } from '../../src/protocol/alert-rule.js';
import { alertText, parseAlertText } from '../../src/protocol/alert-text.js';
import { type AlertCondition, CONSUMER_FIGURES } from '../../src/protocol/alerts.js';
import { filters, patterns } from '../bus/support/arbitraries.js';

const MINUTE_MS = 60_000;

const times = fc.oneof(
  fc.integer({ min: 1000, max: 31 * 86_400_000 }),
  fc.constantFrom(1000, 1500, 90_000, 5 * MINUTE_MS, 3_600_000, 86_400_000),
);
const oddWords = fc.oneof(
  fc.constantFrom('over', 'event', 'a b', 'a,b', 'a=b', '"', '\\', 'on', '5', 'é'),
  fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }),
);

const consumerNames = fc.oneof(
  fc.constantFrom(
    'mailer',
    'pending',
    'blocked',
    'over',
    'for',
    'a,b',
    'mail=er',
    '"',
    'teams.a.mailer',
  ),
  patterns.filter((name) => !/[*+]/.test(name) && !name.startsWith('$')),
);

const conditions: fc.Arbitrary<AlertCondition> = fc.oneof(
  fc.record({ kind: fc.constant('silence' as const), pattern: patterns, forMs: times }),
  fc.record({
    kind: fc.constant('rate' as const),
    pattern: patterns,
    above: fc.double({ min: 0, max: 1e9, noNaN: true }).map((n) => n + 0),
    overMs: times,
  }),
  fc.record({
    kind: fc.constant('event' as const),
    filter: fc
      .tuple(filters, fc.option(fc.array(oddWords, { minLength: 1, maxLength: 3 })))
      .map(([filter, sources]) => (sources === null ? filter : { ...filter, sources })),
    withinMs: times,
  }),
  fc.record(
    {
      kind: fc.constant('lag' as const),
      above: fc.maxSafeNat(),
      subscription: oddWords,
      forMs: times,
    },
    { requiredKeys: ['kind', 'above', 'forMs'] },
  ),
  fc
    .record({
      kind: fc.constant('consumer' as const),
      consumer: consumerNames,
      figure: fc.constantFrom(...CONSUMER_FIGURES),
      above: fc.oneof(fc.maxSafeNat(), times),
      forMs: fc.oneof(times, fc.constant(0)),
    })
    .map(({ above, ...when }) => (when.figure === 'blocked' ? when : { ...when, above })),
);

const rule = (when: unknown) => parseAlertRule({ name: 'x', when });

describe('the text of an alert', () => {
  it('means the condition that it was made of, whatever stands in it', () => {
    fc.assert(
      fc.property(conditions, (when) => {
        const parsed = rule(when).when;
        const text = alertText(parsed);
        expect(rule(text).when).toEqual(parsed);
        expect(alertText(rule(text).when)).toBe(text);
      }),
    );
  });

  it.each<[string, AlertCondition]>([
    ['no event on orders.* for 5 min', { kind: 'silence', pattern: 'orders.*', forMs: 300_000 }],
    [' no  event on "a,b" for 90s ', { kind: 'silence', pattern: 'a,b', forMs: 90_000 }],
    [
      'rate on orders.* over 100/s for 1 min',
      { kind: 'rate', pattern: 'orders.*', above: 100, overMs: MINUTE_MS },
    ],
    [
      'rate on a over 0.5 for 1 hour',
      { kind: 'rate', pattern: 'a', above: 0.5, overMs: 3_600_000 },
    ],
    [
      'any worker_failed on worker.*',
      {
        kind: 'event',
        filter: { topics: ['worker.*'], types: ['worker_failed'] },
        withinMs: 300_000,
      },
    ],
    [
      'any event of agent, task on a.*, b from x where k=1, 2 and "l m"=3 within 10 s',
      {
        kind: 'event',
        filter: {
          topics: ['a.*', 'b'],
          categories: ['agent', 'task'],
          sources: ['x'],
          attributes: { k: ['1', '2'], 'l m': ['3'] },
        },
        withinMs: 10_000,
      },
    ],
    ['lag over 10000 for 30 s', { kind: 'lag', above: 10_000, forMs: 30_000 }],
    ['lag of mailer-* over 5', { kind: 'lag', above: 5, subscription: 'mailer-*', forMs: 0 }],
    [
      'consumer mailer pending > 1000 for 60s',
      { kind: 'consumer', consumer: 'mailer', figure: 'pending', above: 1000, forMs: MINUTE_MS },
    ],
    [
      'consumer teams.a.mailer in flight over 5',
      { kind: 'consumer', consumer: 'teams.a.mailer', figure: 'inFlight', above: 5, forMs: 0 },
    ],
    [
      'consumer pending oldest age over 90 s',
      { kind: 'consumer', consumer: 'pending', figure: 'oldestAgeMs', above: 90_000, forMs: 0 },
    ],
    [
      'consumer "for" dead over 0',
      { kind: 'consumer', consumer: 'for', figure: 'dead', above: 0, forMs: 0 },
    ],
    [
      'consumer mailer blocked for 5 min',
      { kind: 'consumer', consumer: 'mailer', figure: 'blocked', forMs: 300_000 },
    ],
  ])('%s', (text, condition) => {
    expect(parseAlertText(text)).toEqual(condition);
  });

  it.each([
    ['', 'a condition is missing', 0],
    ['silence on a', '"silence" begins no condition', 8],
    ['no events on a for 5 min', '"event" is missing before "events"', 3],
    [
      'no event on a',
      '"for" is missing at the end; the form is "no event on PATTERN for TIME"',
      13,
    ],
    ['no event on a for 5', 'the unit of the time (ms, s, min, h or d) is missing', 19],
    ['no event on a for 5 weeks', '"weeks" is no unit of time; there are ms, s, min, h and d', 20],
    ['no event on a for soon', '"soon" is not a time, such as "5 min"', 18],
    ['rate on a over many/s for 1 min', 'is not a number of events a second, such as 100/s', 15],
    ['any on', '"on" is missing at the end', 6],
    ['any x on a where k', '"=" is missing after "k"', 18],
    ['any x on a where k=1 and k=2', 'attribute "k" is named twice', 25],
    ['any x on a,', 'a pattern is missing', 11],
    ['any "x on a', 'the quotes at " do not end', 4],
    [`any "\\x${'y'.repeat(1000)}" on a`, '… (1004 characters) is no text in JSON quotes', 4],
    ['lag over 5 for 30 s now', '"now" is too much', 20],
    ['consumer', 'the name of a consumer is missing', 8],
    ['consumer mailer lag over 5', 'a figure of the consumer is missing: pending, in flight', 16],
    ['consumer mailer in over 5', '"flight" is missing before "over"', 19],
    ['consumer mailer dead 5', '"over" is missing before "5"', 21],
    ['consumer mailer oldest age over 5', 'the unit of the time', 33],
    ['consumer mailer blocked over 5', '"over" is too much', 24],
    ['lag over -5', '"-5" is not a number of events', 9],
  ])('%s is refused with its fault and place', (text, message, at) => {
    expect(() => parseAlertText(text)).toThrow(
      expect.objectContaining({
        code: 'ALERT_INVALID',
        message: expect.stringContaining(message),
        details: { path: 'when', at },
      }),
    );
  });

  it('never throws anything but its own error', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (text) => {
        try {
          parseAlertText(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'ALERT_INVALID' });
        }
      }),
    );
  });
});
