import { describe, expect, it } from 'vitest';
import { OpenerChecks } from '../../../src/endpoint/publish/opener-checks.js';
import type { AnswerOf, RequestOf } from '../../../src/link/calls.js';
import { BusError } from '../../../src/protocol/errors.js';
import type { EventInput } from '../../../src/protocol/event.js';
import { PAYLOAD_CHECKS_MAX } from '../../../src/protocol/limits/endpoint.js';
import { refused } from '../../bus/support/failures.js';

type Answer = AnswerOf<'checkPayloads'>;

const FITS: Answer = { fault: null };

/** The opener's thread: it is asked, and answers when the test says so. */
function opener(waitMs?: number) {
  const asked: {
    readonly payloads: RequestOf<'checkPayloads'>['payloads'];
    readonly answer: (answer: Answer) => void;
    readonly fail: (error: BusError) => void;
  }[] = [];
  const ask = ({ payloads }: RequestOf<'checkPayloads'>): Promise<Answer> =>
    new Promise((answer, fail) => asked.push({ payloads, answer, fail }));
  const wait = waitMs === undefined ? {} : { waitMs };
  const options = { patterns: ['orders.*', 'a'], maxPayloadBytes: 100, ...wait };
  return { asked, checks: new OpenerChecks(ask, options) };
}

const eventOf = (topic: string, payload: unknown = 1): EventInput => ({
  topic,
  type: 't',
  payload,
});

describe('checks by the opener', () => {
  it('are asked for the topics that have a definition, and for no others', async () => {
    const { asked, checks } = opener();
    expect(checks.check([eventOf('notes'), eventOf('orders')], true)).toBeUndefined();
    const answer = checks.check([eventOf('notes'), eventOf('orders.eu', { n: 1 })], true);
    expect(asked[0]!.payloads).toEqual([{ topic: 'orders.eu', payload: '{"n":1}' }]);
    asked[0]!.answer(FITS);
    await answer;
  });

  it('are not asked for a list with a malformed event, which the endpoint refuses', () => {
    const { asked, checks } = opener();
    const long = `orders.${'x'.repeat(300)}`;
    expect(checks.check([eventOf(long)], false)).toBeUndefined();
    expect(checks.check([eventOf('a'), { ...eventOf('notes'), type: '' }], true)).toBeUndefined();
    expect(asked).toEqual([]);
  });

  it('name the event of a batch by its place in the whole batch', async () => {
    const { asked, checks } = opener();
    const fault = { at: 1, error: { code: 'PAYLOAD_INVALID', message: 'no' } } as const;
    const batch = [eventOf('notes'), eventOf('a'), eventOf('notes'), eventOf('orders.eu')];
    const answer = checks.check(batch, true);
    asked[0]!.answer({ fault });
    const error = await refused(() => answer, 'PAYLOAD_INVALID', 'events[3]: no');
    expect(error.details).toEqual({ index: 3 });
    const one = checks.check([eventOf('a')], false);
    asked[1]!.answer({ fault: { ...fault, at: 0 } });
    expect((await refused(() => one, 'PAYLOAD_INVALID')).message).toBe('no');
  });

  it('do not send a payload that is too large', async () => {
    const { asked, checks } = opener();
    await refused(() => checks.check([eventOf('a', 'x'.repeat(200))], false), 'PAYLOAD_TOO_LARGE');
    expect(asked).toEqual([]);
  });

  it('end with BACKPRESSURE if the opener does not answer, and count until it does', async () => {
    const { asked, checks } = opener(1);
    const full = Array.from({ length: PAYLOAD_CHECKS_MAX }, () => eventOf('a'));
    const error = await refused(() => checks.check(full, true), 'BACKPRESSURE');
    expect(error.details).toEqual({ waitedMs: 1, waiting: PAYLOAD_CHECKS_MAX });
    const next = await refused(() => checks.check([eventOf('a')], false), 'BACKPRESSURE');
    expect(next.details).toEqual({ waitedMs: 0, waiting: PAYLOAD_CHECKS_MAX });
    expect(asked).toHaveLength(1);
    asked[0]!.answer(FITS);
    await new Promise(setImmediate);
    const last = checks.check([eventOf('a')], false);
    asked[1]!.answer(FITS);
    await last;
  });

  it('end with the bus', async () => {
    const { asked, checks } = opener();
    const answer = checks.check([eventOf('a')], false);
    asked[0]!.fail(new BusError('BUS_CLOSED', 'closed'));
    await refused(() => answer, 'BUS_CLOSED');
  });
});
