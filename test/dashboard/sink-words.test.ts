import type { SinkFigures } from 'millrace/client';
import { describe, expect, it } from 'vitest';
import { sinkTrouble } from '../../src/dashboard/screens/consumers/sink-words.js';
import { sinkProblems } from '../../src/dashboard/screens/overview/sink-problems.js';
import type { ConsumerInfo } from '../../src/protocol/consumers.js';
import { sinkListOf } from '../../src/protocol/sink-list.js';

const NOW = Date.parse('2026-11-29T08:00:00.000Z');
const ago = (ms: number) => new Date(NOW - ms).toISOString();
const SINK: SinkFigures = {
  ...{ name: 'hook', kind: 'webhook', state: 'running', endpoint: 'e' },
  ...{ since: ago(600_000), done: 5, failed: 0, restarts: 0, consumer: 'mail' },
};
const FAILURE = { lastError: { code: 'SINK_FAILED', message: 'HTTP 503' } };
const consumer = (more: Partial<ConsumerInfo>) =>
  ({ name: 'mail', paused: false, waiting: 0, ...more }) as ConsumerInfo;

describe('the troubles of a sink', () => {
  it('are none where it runs, stops, begins or has had one failure', () => {
    for (const state of ['starting', 'running', 'stopping', 'stopped'] as const) {
      expect(sinkTrouble({ ...SINK, state }, NOW)).toBeUndefined();
    }
    const waiting = { ...SINK, ...FAILURE, state: 'waiting', since: ago(4000) } as const;
    expect(sinkTrouble(waiting, NOW)).toBeUndefined();
  });

  it('say why, how long and what waits', () => {
    const failed = { ...SINK, ...FAILURE, state: 'failed', pending: 3 } as const;
    expect(sinkTrouble(failed, NOW)).toEqual({
      kind: 'bad',
      text: 'It has ended with an error and is not started again: SINK_FAILED: HTTP 503. About 3 events wait.',
    });
    const waiting = { ...SINK, ...FAILURE, state: 'waiting', pending: 1 } as const;
    expect(sinkTrouble(waiting, NOW)).toEqual({
      kind: 'warning',
      text: 'It has failed for 10 min, and tries again by itself: SINK_FAILED: HTTP 503. About 1 event waits.',
    });
    const again = { ...waiting, pending: 0, since: ago(10), retryAt: ago(-12_000) };
    expect(sinkTrouble(again, NOW)).toEqual({
      kind: 'bad',
      text: 'It has ended with an error, and starts again in 12 s: SINK_FAILED: HTTP 503.',
    });
  });

  it('are a standstill where something is to be done and nothing was for a minute', () => {
    const still = { ...SINK, pending: 2, lastDoneAt: ago(120_000) };
    expect(sinkTrouble(still, NOW, consumer({}))).toEqual({
      kind: 'warning',
      text: 'It stands still: about 2 events are to be done, and it has finished none for 2 min.',
    });
    expect(sinkTrouble({ ...still, lastDoneAt: ago(59_000) }, NOW)).toBeUndefined();
    expect(sinkTrouble(still, NOW, consumer({ paused: true }))).toBeUndefined();
    expect(sinkTrouble(still, NOW, consumer({ waiting: 2 }))).toBeUndefined();
    expect(sinkTrouble(still, NOW, consumer({ waiting: 1 }))).toBeDefined();
    expect(sinkTrouble(still, NOW, consumer({ oldestAgeMs: 59_000 }))).toBeUndefined();
    expect(sinkTrouble(still, NOW, consumer({ oldestAgeMs: 60_000 }))).toBeDefined();
    expect(sinkTrouble(still, NOW, consumer({ oldestAgeMs: null }))).toBeDefined();
    const { since: _, ...ageless } = { ...SINK, pending: 2 };
    expect(sinkTrouble(ageless, NOW)).toBeUndefined();
  });
});

it('become problems of the bus, the worst first, three of them named', () => {
  expect(sinkProblems(undefined, [], NOW)).toEqual([]);
  const failed = (name: string): SinkFigures => ({ ...SINK, ...FAILURE, name, state: 'failed' });
  const waiting: SinkFigures = { ...SINK, ...FAILURE, state: 'waiting' };
  const list = sinkListOf([waiting, failed('a'), failed('webhook')]);
  const problems = sinkProblems(list, [], NOW);
  expect(problems.map(({ severity }) => severity)).toEqual(['bad', 'bad', 'warning']);
  expect(problems[0]!.text).toMatch(/^Sink a \(webhook\): It has ended/);
  expect(problems[1]!.text).toMatch(/^Sink webhook: It has ended/);
  expect(problems[0]!.link).toEqual({ screen: 'consumers', parameters: { show: 'sinks' } });
  const many = sinkListOf(Array.from({ length: 130 }, (_, n) => failed(`s${n}`)));
  const told = sinkProblems(many, [], NOW);
  expect(told).toHaveLength(4);
  expect(told[3]).toMatchObject({
    severity: 'bad',
    text: 'Something is wrong with 127 more sinks.',
  });
});
