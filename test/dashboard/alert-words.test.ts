import { describe, expect, it } from 'vitest';
import type { AlertInfo } from '../../src/client.js';
import { parseAlertRule } from '../../src/client.js';
import {
  draftOf,
  faultsOf,
  inputOf,
  NEW_DRAFT,
  understood,
  valueText,
} from '../../src/dashboard/screens/alerts/alert-words.js';

function info(when: string, given: Partial<AlertInfo> = {}): AlertInfo {
  const rule = parseAlertRule({ name: 'some', when });
  return { ...rule, text: when, origin: 'stored', state: 'ok', ...given };
}

describe('the words of alerts', () => {
  it('tell the last measurement of each kind of rule', () => {
    const texts = [
      info('no event on a.* for 5 min'),
      info('no event on a.* for 5 min', { value: 90_000 }),
      info('rate on a.* over 100/s for 1 min', { value: 123.4 }),
      info('any worker_failed on *', { value: 0 }),
      info('any worker_failed on *', { value: 1 }),
      info('lag over 5', { value: 12_345 }),
      info('consumer mailer pending over 5', { value: 1 }),
      info('consumer mailer in flight over 5', { value: 12 }),
      info('consumer mailer oldest age over 5 s', { value: 90_000 }),
      info('consumer mailer oldest age over 5 s', { value: 0 }),
      info('consumer mailer dead over 5', { value: 6 }),
      info('consumer mailer blocked', { value: 1 }),
      info('consumer mailer blocked', { value: 0 }),
    ];
    expect(texts.map(valueText)).toEqual([
      'nothing measured yet',
      'none for 90 s',
      '123/s',
      'no event',
      '1 event',
      '12,345 events behind',
      '1 event pending',
      '12 events in flight',
      'the oldest open for 90 s',
      'no open event',
      '6 events dead',
      'blocked',
      'not blocked',
    ]);
  });
});

describe('a rule as it is typed', () => {
  it('is refused where a rule of its name exists, which it would replace', () => {
    const draft = { ...NEW_DRAFT, name: 'behind', when: 'lag over' };
    expect(faultsOf(draft, ['behind']).map(({ field }) => field)).toEqual(['name', 'when']);
    expect(faultsOf({ ...draft, name: 'behind-2', when: 'lag over 5' }, ['behind'])).toEqual([]);
  });

  it('has no fault while its fields are empty', () => {
    expect(faultsOf(NEW_DRAFT)).toEqual([]);
  });

  it('has the fault of each field, and the place within the condition', () => {
    const draft = { ...NEW_DRAFT, name: 'A b', when: 'no event on orders.* during 5 min' };
    const [name, when] = faultsOf(draft);
    expect(name).toMatchObject({ field: 'name' });
    expect(name?.message).toMatch(/^has to be 1 to 64 characters/);
    expect(when).toMatchObject({ field: 'when', at: 21 });
    expect(when?.message).toMatch(/^"for" is missing before "during"/);
  });

  it('has a fault also where only a pattern or a bound is wrong', () => {
    const faultOf = (when: string): string =>
      faultsOf({ ...NEW_DRAFT, when })
        .map(({ field, message }) => `${field}: ${message}`)
        .join();
    expect(faultOf('no event on a..b for 5 min')).toMatch(/^when: /);
    expect(faultOf('no event on a.* for 5 ms')).toMatch(/^when: /);
    expect(faultOf('rate on $sys.alert.* over 1/s for 1 min')).toMatch(/^when: .*\$sys\.alert/);
    expect(faultOf('rate on orders.* over 100/s for 1 min')).toBe('');
  });

  it('is shown as it is understood where that differs', () => {
    expect(understood('no  event on a.* for 300 s')).toBe('no event on a.* for 5 min');
    expect(understood('no event on a.* for 5 min ')).toBeUndefined();
    expect(understood('no event')).toBeUndefined();
  });

  it('becomes the same rule again when it is edited', () => {
    const alert = info('lag over 5', { description: 'Look at it.', severity: 'critical' });
    expect(inputOf(draftOf(alert))).toEqual({
      name: 'some',
      when: 'lag over 5',
      description: 'Look at it.',
      severity: 'critical',
      enabled: true,
    });
    expect(inputOf({ ...draftOf(alert), description: '' })).not.toHaveProperty('description');
  });
});
