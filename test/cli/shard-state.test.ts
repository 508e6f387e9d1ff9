import { expect, it } from 'vitest';
import { shardState } from '../../src/cli/shard-state.js';

it('the state of a shard says how many events are left to index, while there are any', () => {
  expect(shardState({ state: 'running', unindexedEvents: 0 })).toBe('running');
  const state = shardState({ state: 'running', unindexedEvents: 49_152 });
  expect(state).toMatch(/^running, 49.?152 to index$/);
});
