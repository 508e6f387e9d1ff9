import { expect, it } from 'vitest';
import { firstFault } from '../../src/main/payload-checks.js';
import { defineTopic, TopicDefinitions } from '../../src/protocol/define-topic.js';

/** A definition of the user's own making. */
const made = (pattern: string, check: (payload: unknown) => unknown) =>
  new TopicDefinitions([{ pattern, check, event: () => expect.fail() } as never]);

const one = [{ topic: 't', payload: '{"n":1}' }];

it('answers with the first payload that does not fit, by its place', () => {
  const small = defineTopic('small.*', {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => (Number(value) < 5 ? {} : { issues: [{ message: 'large', path: [] }] }),
    },
  });
  const definitions = new TopicDefinitions([small]);
  const payloads = ['1', '9', '8'].map((payload) => ({ topic: 'small.a', payload }));
  expect(firstFault(definitions, payloads)).toEqual({
    at: 1,
    error: {
      code: 'PAYLOAD_INVALID',
      message: expect.stringContaining('large'),
      details: { pattern: 'small.*', issues: [{ message: 'large', path: [] }] },
    },
  });
  expect(firstFault(definitions, payloads.slice(0, 1))).toBeNull();
  expect(firstFault(definitions, [{ topic: 'other', payload: '9' }])).toBeNull();
});

it('passes the payload as its value', () => {
  const seen: unknown[] = [];
  const definitions = made('t', (payload) => seen.push(payload));
  expect(firstFault(definitions, one)).toBeNull();
  expect(seen).toEqual([{ n: 1 }]);
});

it.each([
  ['an error without a code', new Error('boom'), 'a definition threw: boom'],
  [
    'an error with another code',
    Object.assign(new Error('gone'), { code: 'ENOENT' }),
    'a definition threw: gone',
  ],
  ['no error at all', Symbol('why'), 'a definition threw: Symbol(why)'],
])('takes %s for a payload that does not fit', (_, thrown, message) => {
  const definitions = made('t', () => {
    throw thrown;
  });
  expect(firstFault(definitions, one)?.error).toEqual({ code: 'PAYLOAD_INVALID', message });
});

it('keeps the code of an error of another copy of the package, and the part of its details that is JSON', () => {
  const cyclic: Record<string, unknown> = {};
  cyclic.itself = cyclic;
  for (const [details, sent] of [
    [{ issues: [1], code: () => {} }, { details: { issues: [1] } }],
    [cyclic, {}],
  ] as const) {
    const thrown = Object.assign(new Error('no'), { code: 'OPTION_INVALID', details });
    const definitions = made('t', () => {
      throw thrown;
    });
    const error = { code: 'OPTION_INVALID', message: 'no', ...sent };
    expect(firstFault(definitions, one)).toEqual({ at: 0, error });
  }
});
