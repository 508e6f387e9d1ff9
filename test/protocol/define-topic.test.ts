import * as v from 'valibot';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { defineTopic, type PayloadOf, TopicDefinitions } from '../../src/protocol/define-topic.js';
import { BusError } from '../../src/protocol/errors.js';
import { UNPRINTABLE } from '../support/unprintable.js';

const orders = defineTopic('orders.*', z.object({ id: z.string(), total: z.number().min(0) }));

describe('a defined topic', () => {
  it('types its payload', () => {
    expectTypeOf<PayloadOf<typeof orders>>().toEqualTypeOf<{ id: string; total: number }>();
    expectTypeOf(orders.check).returns.toEqualTypeOf<{ id: string; total: number }>();
    const tags = defineTopic('tags', v.array(v.string()));
    expectTypeOf<PayloadOf<typeof tags>>().toEqualTypeOf<string[]>();
  });

  it('accepts a payload that fits, unchanged', () => {
    const payload = { id: '7', total: 3, extra: true };
    expect(orders.check(payload)).toBe(payload);
    expect(orders.pattern).toBe('orders.*');
    expect(defineTopic('tags', v.array(v.string())).check(['a'])).toEqual(['a']);
  });

  it("keeps the payload as published, not the validator's output", () => {
    const level = defineTopic('level', z.object({ level: z.string().default('info') }));
    expect(level.event('level', { type: 'log', payload: {} }).payload).toEqual({});
  });

  it('refuses a payload that does not fit, with the validator’s issues', () => {
    const error = refusal(() => orders.check({ id: 7, total: -1 }));
    expect(error.code).toBe('PAYLOAD_INVALID');
    expect(error.message).toContain('does not fit "orders.*" at id: ');
    expect(error.message).toContain('(and 1 more)');
    expect(error.details).toMatchObject({
      pattern: 'orders.*',
      issues: [{ path: ['id'] }, { path: ['total'] }],
    });
  });

  it('reads the issues of a validator that wraps the keys of a path', () => {
    const deep = defineTopic('deep', v.object({ list: v.array(v.number()) }));
    const error = refusal(() => deep.check({ list: [1, 'two'] }));
    expect(error.details).toMatchObject({ issues: [{ path: ['list', 1] }] });
    expect(JSON.parse(JSON.stringify(error)).details.issues).toHaveLength(1);
  });

  it('makes events for its own topics only', () => {
    const event = orders.event('orders.new', {
      type: 'order_created',
      payload: { id: '7', total: 3 },
    });
    expect(event).toEqual({
      topic: 'orders.new',
      type: 'order_created',
      payload: { id: '7', total: 3 },
    });
    const fields = { type: 'x', payload: { id: '7', total: 3 } };
    expect(refusal(() => orders.event('users.new', fields)).code).toBe('TOPIC_INVALID');
    expect(refusal(() => orders.event('orders.*', fields)).code).toBe('TOPIC_INVALID');
    // @ts-expect-error: the payload is not of the schema's type
    expect(refusal(() => orders.event('orders.x', { type: 'x', payload: 1 })).code).toBe(
      'PAYLOAD_INVALID',
    );
  });

  it('refuses a validator that returns a promise', () => {
    const late = defineTopic(
      'late',
      z.string().refine(async () => true),
    );
    expect(refusal(() => late.check('x')).code).toBe('OPTION_INVALID');
    const failing = defineTopic(
      'late',
      custom(() => Promise.reject(new Error('unheard'))),
    );
    expect(refusal(() => failing.check('x')).message).toContain('answered a promise');
  });

  it('refuses the payload if the validator throws', () => {
    const cause = new Error('broken');
    const broken = defineTopic(
      'x',
      custom(() => {
        throw cause;
      }),
    );
    const error = refusal(() => broken.check(1));
    expect(error.code).toBe('PAYLOAD_INVALID');
    expect(error.cause).toBe(cause);
  });

  it.each(Object.keys(UNPRINTABLE))('refuses the payload if the validator throws %s', (name) => {
    const throwing = custom(() => {
      throw UNPRINTABLE[name]!();
    });
    expect(refusal(() => defineTopic('x', throwing).check(1)).code).toBe('PAYLOAD_INVALID');
  });

  it('refuses the payload if the validator returns nothing', () => {
    const answers = [undefined, null, { issues: 7 }, { issues: [null] }, { issues: [{}] }];
    for (const answer of answers) {
      const mute = custom(() => answer as never);
      expect(refusal(() => defineTopic('x', mute).check(1)).code).toBe('PAYLOAD_INVALID');
    }
  });

  it('needs a pattern and a Standard Schema', () => {
    expect(refusal(() => defineTopic('a..b', z.string())).code).toBe('PATTERN_INVALID');
    for (const schema of [{}, null, () => true, { '~standard': { version: 2 } }]) {
      const defined = () => Reflect.apply(defineTopic, undefined, ['a', schema]);
      expect(refusal(defined).code).toBe('OPTION_INVALID');
    }
  });
});

describe('the definitions of a bus', () => {
  it('check every payload on a topic that they match', () => {
    const definitions = new TopicDefinitions([orders]);
    definitions.add(defineTopic('orders.paid', z.object({ by: z.string() })));
    expect(definitions.size).toBe(2);
    definitions.validate('users.new', 5);
    definitions.validate('orders.new', { id: '7', total: 3 });
    definitions.validate('orders.paid', { id: '7', total: 3, by: 'card' });
    for (const payload of [{ id: '7', total: 3 }, { by: 'card' }]) {
      expect(refusal(() => definitions.validate('orders.paid', payload)).code).toBe(
        'PAYLOAD_INVALID',
      );
    }
  });

  it('that are added later apply to topics seen before', () => {
    const definitions = new TopicDefinitions();
    definitions.validate('a', 1);
    definitions.add(defineTopic('b', z.string()));
    definitions.validate('a', 1);
    definitions.add(defineTopic('a', z.string()));
    expect(() => definitions.validate('a', 1)).toThrow(BusError);
  });

  it('are found for more topics than are remembered', () => {
    const definitions = new TopicDefinitions([defineTopic('+.x', z.string())]);
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 5000; i++) {
        definitions.validate(`t${i}.x`, 'fits');
        expect(() => definitions.validate(`t${i}.x`, i)).toThrow(BusError);
      }
    }
  });
});

function custom(validate: () => never | Promise<never>) {
  return { '~standard': { version: 1, vendor: 'test', validate } } as const;
}

function refusal(action: () => unknown): BusError {
  try {
    action();
  } catch (error) {
    if (error instanceof BusError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
