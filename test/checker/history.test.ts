import { describe, expect, test } from 'vitest';
import { History } from '../../fuzz/checker/history.js';

const publish = (...ids: string[]) => ({ events: ids.map((id) => [id, 't', 'fact', 1]) });

describe('the history of a client that begins again', () => {
  test('knows when events without an outcome were published first, in whatever life', () => {
    const lines = [
      [10, 0, 'start', {}],
      [11, 1, 'invoke', 'publish', publish('a-0')],
      [12, 2, 'invoke', 'publish', publish('a-1', 'a-2')],
      [13, 2, 'ok', {}],
      [20, 0, 'start', {}],
      [21, 3, 'invoke', 'publish', publish('a-0')],
      [22, 3, 'unknown', 'TIMEOUT'],
      [23, 4, 'invoke', 'publish', publish('a-0')],
      [24, 5, 'invoke', 'publish', publish('a-3')],
      [25, 6, 'invoke', 'query', { kind: 'newest', topic: 't' }],
    ];
    const written: unknown[] = [];
    const history = new History({ name: 'a', lines, append: (...line) => written.push(line) });
    const open = [...history.open].map(([operation, { kind, firstAt }]) => [
      operation,
      kind,
      firstAt,
    ]);
    expect(open).toEqual([
      [4, 'publish', 11],
      [5, 'publish', 24],
      [6, 'query', undefined],
    ]);
    expect([history.events, history.invoke('query', {})]).toEqual([4, 7]);
  });
});
