import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SINKS_LISTED_MAX } from '../../src/protocol/limits/sinks.js';
import type { SinkFigures, SinkState } from '../../src/protocol/sink-figures.js';
import { mergedSinks, sinkListOf } from '../../src/protocol/sink-list.js';

const state = fc.constantFrom<SinkState>('starting', 'running', 'waiting', 'stopped', 'failed');
const sink = fc.record({ name: fc.string(), state }).map(
  ({ name, state }): SinkFigures => ({
    ...{ name, kind: 'webhook', state, endpoint: 'e', done: 0, failed: 0, restarts: 0 },
  }),
);

it('counts all sinks, names those in trouble first, and merges lists to the same as all at once', () => {
  fc.assert(
    fc.property(fc.array(fc.array(sink, { maxLength: 150 }), { maxLength: 4 }), (threads) => {
      const all = threads.flat();
      const list = mergedSinks(threads.map(sinkListOf));
      const inState = (wanted: SinkState) => all.filter(({ state }) => state === wanted).length;
      expect(list).toMatchObject({
        count: all.length,
        failed: inState('failed'),
        waiting: inState('waiting'),
      });
      expect(list.list).toHaveLength(Math.min(all.length, SINKS_LISTED_MAX));
      const shownFailed = list.list.filter(({ state }) => state === 'failed').length;
      expect(shownFailed).toBe(Math.min(list.failed, SINKS_LISTED_MAX));
      expect(list.list.map(({ state, name }) => [state, name])).toEqual(
        sinkListOf(all).list.map(({ state, name }) => [state, name]),
      );
    }),
    { numRuns: 50 },
  );
});
