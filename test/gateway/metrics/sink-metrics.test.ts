import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { addSinkMetrics } from '../../../src/gateway/metrics/sink-metrics.js';
import type { SinkFigures } from '../../../src/protocol/sink-figures.js';

const sink = (figures: Partial<SinkFigures>): SinkFigures => ({
  ...{ name: 'hook', kind: 'webhook', state: 'running', endpoint: 'main' },
  ...{ done: 0, failed: 0, restarts: 0 },
  ...figures,
});

async function linesOf(sinks: readonly SinkFigures[]): Promise<string[]> {
  const registry = new Registry();
  addSinkMetrics(registry, () => sinks);
  const text = await registry.metrics();
  return text.split('\n').filter((line) => line.startsWith('millrace_sink_'));
}

it('a sink that waits until the server starts it again is down, and one that tries again by itself is up', async () => {
  const retryAt = '2026-01-01T00:00:00.000Z';
  expect(await linesOf([sink({ state: 'waiting', retryAt, restarts: 2 })])).toEqual(
    expect.arrayContaining([
      'millrace_sink_up{sink="hook",kind="webhook"} 0',
      'millrace_sink_restarts_total{sink="hook",kind="webhook"} 2',
    ]),
  );
  const up = 'millrace_sink_up{sink="hook",kind="webhook"} 1';
  expect(await linesOf([sink({ state: 'waiting' })])).toContain(up);
});

it('of several sinks of one name and kind, the worst counts', async () => {
  for (const pending of [
    [3, 70, 5],
    [70, 3, 5],
    [5, 3, 70],
  ]) {
    const states = ['running', 'failed', 'running'] as const;
    const sinks = pending.map((count, at) => sink({ pending: count, state: states[at]! }));
    const lines = await linesOf(sinks);
    expect(lines).toContain('millrace_sink_pending{sink="hook",kind="webhook"} 70');
    expect(lines).toContain('millrace_sink_up{sink="hook",kind="webhook"} 0');
  }
});
