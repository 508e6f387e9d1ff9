import { describe, expect, it } from 'vitest';
import { parseAlertRule, parseAlertRules } from '../../src/protocol/alert-rule.js';

const when = 'lag over 5';

describe('an alert rule', () => {
  it('is completed with its defaults, and frozen', () => {
    const rule = parseAlertRule({ name: 'a-1_x', when: 'any worker_failed on worker.*' });
    expect(rule).toEqual({
      name: 'a-1_x',
      when: {
        kind: 'event',
        filter: { topics: ['worker.*'], types: ['worker_failed'] },
        withinMs: 300_000,
      },
      severity: 'warning',
      enabled: true,
    });
    expect(Object.isFrozen(rule) && Object.isFrozen(rule.when)).toBe(true);
    expect(parseAlertRule(rule)).toEqual(rule);
  });

  it.each<[unknown, string, string]>([
    [7, '', 'has to be an object, not 7'],
    [{ when }, 'name', '1 to 64 characters of a-z 0-9 _ -, not undefined'],
    [{ name: 'Orders', when }, 'name', 'not "Orders"'],
    [{ name: 'x'.repeat(65), when }, 'name', 'has to be 1 to 64'],
    [{ name: 'a' }, 'when', 'is missing'],
    [{ name: 'a', when: 'lag' }, 'when', '"over" is missing'],
    [{ name: 'a', when, colour: 1 }, 'colour', 'is unknown'],
    [{ name: 'a', when, severity: 'bad' }, 'severity', 'info, warning, critical'],
    [{ name: 'a', when, enabled: 1 }, 'enabled', 'true or false'],
    [{ name: 'a', when, description: 'x'.repeat(1025) }, 'description', 'longer than 1024'],
    [{ name: 'a', when: { kind: 'rain' } }, 'when.kind', 'silence, rate, event, lag'],
    [{ name: 'a', when: { kind: 'lag', above: -1 } }, 'when.above', 'whole number'],
    [{ name: 'a', when: { kind: 'lag', above: 1, pattern: 'x' } }, 'when.pattern', 'is unknown'],
    [{ name: 'a', when: 'consumer a..b dead over 5' }, 'when.consumer', 'segment 2 is empty'],
    [{ name: 'a', when: 'consumer mail* dead over 5' }, 'when.consumer', 'the name'],
    [{ name: 'a', when: { kind: 'consumer', consumer: 'a' } }, 'when.figure', 'is missing'],
    [
      { name: 'a', when: { kind: 'consumer', consumer: 'a', figure: 'lost' } },
      'when.figure',
      'pending, inFlight, oldestAgeMs, dead, blocked',
    ],
    [
      { name: 'a', when: { kind: 'consumer', consumer: 'a', figure: 'dead' } },
      'when.above',
      'is missing',
    ],
    [
      { name: 'a', when: { kind: 'consumer', consumer: 'a', figure: 'blocked', above: 1 } },
      'when.above',
      'has no meaning for "blocked"',
    ],
    [{ name: 'a', when: { kind: 'event' } }, 'when.filter', 'is not a pattern'],
    [
      {
        name: 'a',
        when: { kind: 'event', filter: { topics: Array.from(Array(999), (_, n) => `topic.${n}`) } },
      },
      'when',
      '4096 is the limit',
    ],
    [{ name: 'a', when: 'no event on a..b for 5 s' }, 'when.pattern', 'segment 2 is empty'],
    [{ name: 'a', when: 'no event on a for 10 ms' }, 'when.forMs', '1000 to'],
    [{ name: 'a', when: 'no event on a for 32 d' }, 'when.forMs', 'to 2678400000'],
    [{ name: 'a', when: 'rate on a over 1e10/s for 1 s' }, 'when.above', '0 to 1000000000'],
  ])('%j is refused', (input, path, message) => {
    expect(() => parseAlertRule(input)).toThrow(
      expect.objectContaining({
        code: 'ALERT_INVALID',
        message: expect.stringContaining(message),
        details: expect.objectContaining({ path }),
      }),
    );
  });

  it.each([
    ['$sys.alert.x', false],
    ['$sys.alert.*', false],
    ['$sys.*', false],
    ['$sys.+.x', false],
    ['$sys.+.+', false],
    ['$sys.errors', true],
    ['$sys.daemon.*', true],
    ['*', true],
    ['+.alert.x', true],
  ])('on %s may watch: %s', (pattern, isAllowed) => {
    const make = () => parseAlertRule({ name: 'a', when: `any event on ${pattern}` });
    if (isAllowed) expect(make).not.toThrow();
    else expect(make).toThrow(/alerts themselves are published/);
  });

  it('has a name of its own', () => {
    const rules = [
      { name: 'a', when },
      { name: 'a', when },
    ];
    expect(() => parseAlertRules(rules)).toThrow(/rule 2: name: "a" is the name of another rule/);
  });
});
