import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BusError } from '../../src/protocol/errors.js';
import {
  compilePredicate,
  type EventFields,
  EventFilter,
  type FilterInput,
  parseFilter,
} from '../../src/protocol/filter.js';

const EVENT: EventFields = {
  type: 'agent_log',
  source: 'alice',
  correlationId: 'run-1',
  attributes: { agentId: 'a1', taskId: 't1' },
};

describe('a filter', () => {
  it('is a pattern, patterns, or an object', () => {
    expect(parseFilter('a.*')).toEqual({ topics: ['a.*'] });
    expect(parseFilter(['a', 'b.+'])).toEqual({ topics: ['a', 'b.+'] });
    expect(parseFilter({ topics: ['*'], types: ['x'] })).toEqual({ topics: ['*'], types: ['x'] });
  });

  it('is frozen, without repeats, and independent of the input', () => {
    const topics = ['a', 'b', 'a'];
    const filter = parseFilter({ topics, sources: ['x', 'x'], attributes: { k: ['v', 'v'] } });
    topics.push('c');
    expect(filter).toEqual({ topics: ['a', 'b'], sources: ['x'], attributes: { k: ['v'] } });
    for (const part of [filter, filter.topics, filter.sources, filter.attributes]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
    expect(Object.isFrozen(filter.attributes!.k)).toBe(true);
  });

  it('treats undefined fields as left out', () => {
    expect(parseFilter({ topics: ['a'], types: undefined })).toEqual({ topics: ['a'] });
  });

  it('that was parsed parses again to itself, also through JSON', () => {
    const filter = parseFilter({
      topics: ['a.*'],
      types: ['agent_log'],
      categories: ['agent'],
      sources: ['x'],
      correlationIds: ['y'],
      attributes: { k: ['v'] },
    });
    expect(parseFilter(filter)).toEqual(filter);
    expect(parseFilter(JSON.parse(JSON.stringify(filter)))).toEqual(filter);
  });

  const many = Array.from({ length: 1025 }, (_, i) => `t${i}`);
  it.each<[unknown, string, string]>([
    [undefined, 'filter', 'undefined'],
    [null, 'filter', 'null'],
    [7, 'filter', '7'],
    [[], 'filter', 'is empty, and would match nothing'],
    [{}, 'topics', 'no topics'],
    [{ topics: [] }, 'topics', 'is empty'],
    [{ topics: 5 }, 'topics', '5 is not an array'],
    [{ topics: 'a' }, 'topics', '"a" is not an array'],
    [{ topics: ['a'], type: ['x'] }, 'type', 'unknown field "type"'],
    [{ topics: ['a'], types: [] }, 'types', 'is empty, and would match nothing'],
    [{ topics: ['a'], types: 'x' }, 'types', '"x" is not an array'],
    [{ topics: ['a'], types: ['ok', 'not so'] }, 'types[1]', '"not so" has a space'],
    [{ topics: ['a'], categories: ['a_b'] }, 'categories[0]', '"a_b"'],
    [{ topics: ['a'], sources: [''] }, 'sources[0]', 'is empty'],
    [{ topics: ['a'], correlationIds: [1] }, 'correlationIds[0]', '1 is not a string'],
    [{ topics: ['a'], attributes: [] }, 'attributes', 'an empty array'],
    [{ topics: ['a'], attributes: new Map([['k', ['v']]]) }, 'attributes', 'are a Map'],
    [{ topics: ['a'], attributes: {} }, 'attributes', 'is empty'],
    [{ topics: ['a'], attributes: { k: 'v' } }, 'attributes["k"]', '"v" is not an array'],
    [{ topics: ['a'], attributes: { k: [] } }, 'attributes["k"]', 'is empty'],
    [{ topics: ['a'], attributes: { k: [null] } }, 'attributes["k"][0]', 'null'],
    [
      JSON.parse('{"topics":["a"],"attributes":{"__proto__":["x"]}}'),
      'attributes["__proto__"]',
      '',
    ],
    [{ topics: many }, 'topics', '1025 patterns; 1024 is the limit'],
    [{ topics: ['a'], sources: many }, 'sources', '1025 values; 1024 is the limit'],
  ])('%j is refused, with the place', (input, path, message) => {
    const error = refusal(() => parseFilter(input));
    expect(error.code).toBe('FILTER_INVALID');
    expect(error.details?.path).toBe(path);
    expect(error.message).toContain(message);
  });

  it('with a malformed pattern is refused with PATTERN_INVALID', () => {
    const error = refusal(() => parseFilter({ topics: ['a', 'b..c'] }));
    expect(error.code).toBe('PATTERN_INVALID');
    expect(error.details).toEqual({ path: 'topics[1]' });
    expect(refusal(() => parseFilter('a*')).code).toBe('PATTERN_INVALID');
    expect(refusal(() => parseFilter(['a', 3])).details).toEqual({ path: 'filter[1]' });
  });

  it('fails only with a BusError', () => {
    const keys = fc.constantFrom('topics', 'types', 'categories', 'sources', 'attributes', 'x');
    const values = fc.oneof(fc.jsonValue(), fc.array(fc.constantFrom('a', 'b.*', 'a_b', '*', '')));
    const inputs = fc.oneof(fc.jsonValue(), fc.anything(), fc.dictionary(keys, values));
    fc.assert(
      fc.property(inputs, (input) => {
        try {
          const filter = parseFilter(input);
          expect(filter.topics.length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(BusError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the predicate of a filter', () => {
  const test = (filter: FilterInput, event = EVENT) =>
    compilePredicate(parseFilter(filter))?.(event);

  it('is undefined if there are only topics', () => {
    expect(compilePredicate(parseFilter(['a', 'b.*']))).toBeUndefined();
  });

  it('accepts any of the values of a field', () => {
    expect(test({ topics: ['*'], types: ['x', 'agent_log'] })).toBe(true);
    expect(test({ topics: ['*'], types: ['x', 'agent'] })).toBe(false);
    expect(test({ topics: ['*'], categories: ['agent'] })).toBe(true);
    expect(test({ topics: ['*'], categories: ['log'] })).toBe(false);
    expect(test({ topics: ['*'], sources: ['bob', 'alice'] })).toBe(true);
    expect(test({ topics: ['*'], correlationIds: ['run-2'] })).toBe(false);
    expect(test({ topics: ['*'], attributes: { agentId: ['a0', 'a1'] } })).toBe(true);
  });

  it('requires every field to match', () => {
    const filter = { topics: ['*'], types: ['agent_log'], sources: ['alice'] };
    expect(test(filter)).toBe(true);
    expect(test({ ...filter, sources: ['bob'] })).toBe(false);
    expect(test({ ...filter, correlationIds: ['run-1'] })).toBe(true);
    expect(test({ topics: ['*'], attributes: { agentId: ['a1'], taskId: ['t2'] } })).toBe(false);
  });

  it('refuses an event without the field', () => {
    const bare: EventFields = { type: 'x', source: 'alice' };
    expect(test({ topics: ['*'], correlationIds: ['run-1'] }, bare)).toBe(false);
    expect(test({ topics: ['*'], attributes: { agentId: ['a1'] } }, bare)).toBe(false);
    expect(test({ topics: ['*'], attributes: { toString: ['a1'] } })).toBe(false);
  });

  it('reads the attributes only if all other fields match', () => {
    const filter = { topics: ['*'], attributes: { agentId: ['a1'] }, sources: ['bob'] };
    const lazy: EventFields = {
      type: 'x',
      source: 'alice',
      get attributes(): Record<string, string> {
        throw new Error('read');
      },
    };
    expect(test(filter, lazy)).toBe(false);
  });
});

describe('EventFilter', () => {
  it('makes filters over every topic', () => {
    expect(EventFilter.all()).toEqual({ topics: ['*'] });
    expect(EventFilter.forAgent('7')).toEqual({ topics: ['*'], attributes: { agentId: ['7'] } });
    expect(EventFilter.forTask('7')).toEqual({ topics: ['*'], attributes: { taskId: ['7'] } });
    expect(EventFilter.forWorkflow('7').attributes).toEqual({ workflowId: ['7'] });
    expect(EventFilter.forCategories('task', 'agent').categories).toEqual(['task', 'agent']);
  });

  it('without any category is refused, as it would match nothing', () => {
    expect(refusal(() => parseFilter(EventFilter.forCategories())).code).toBe('FILTER_INVALID');
  });
});

function refusal(action: () => unknown): BusError {
  try {
    action();
  } catch (error) {
    if (error instanceof BusError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
