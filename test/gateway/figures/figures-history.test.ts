import { describe, expect, it } from 'vitest';
import { FiguresHistory, type KeptFigures } from '../../../src/gateway/figures/figures-history.js';
import type { BusStats, ShardStats } from '../../../src/protocol/bus-api.js';
import { FIGURE_SAMPLES_MAX, FIGURES_EVERY_MS } from '../../../src/protocol/limits/gateway.js';
import type { FigureSample } from '../../../src/protocol/operations.js';
import { NO_SINKS } from '../../../src/protocol/sink-list.js';

const none = { bounds: [1, 10], counts: [0, 0, 0], sum: 0 };

const SHARD: ShardStats = {
  shard: 0,
  state: 'running',
  restarts: 0,
  head: 0,
  published: 0,
  ephemeral: 0,
  duplicates: 0,
  refused: 0,
  expired: 7,
  delivered: 0,
  dropped: 0,
  subscriptions: 0,
  lag: 0,
  commits: 0,
  commitMsMean: 0,
  commitMsMax: 0,
  commitMs: none,
  walBytes: 0,
  payloadFiles: 0,
  payloadFileBytes: 0,
  unindexedEvents: 0,
  dedupeReachMs: 0,
  clockAheadMs: 0,
  publishRingFill: 0,
  deliveryRingFill: 0,
  upMs: 10_000,
  busy: 0,
};

function statsOf(bus: Partial<BusStats>, ...shards: Partial<ShardStats>[]): BusStats {
  return {
    epoch: 'e',
    uptimeMs: 0,
    published: 0,
    delivered: 0,
    dropped: 0,
    subscriptions: 0,
    lag: 0,
    endpoints: 1,
    connections: 0,
    gateways: [],
    sinks: NO_SINKS,
    gatewayRestarts: 0,
    scheduled: 0,
    requests: { responders: 0, pending: 0, asked: 0, answered: 0, failed: 0, noResponders: 0 },
    consumers: { count: 0, pending: 0, inFlight: 0, waiting: 0, dead: 0 },
    retention: [],
    deliveryMs: none,
    shards: shards.map((shard) => ({ ...SHARD, ...shard })),
    ...bus,
  };
}

/** A history whose clocks and counters the test sets. */
function historyOf(kept?: KeptFigures) {
  const clock = { at: 1_000_000, elapsedMs: 0 };
  let read = async (): Promise<BusStats> => statsOf({});
  const source = { stats: () => read(), heldBytes: () => 7 };
  const history = new FiguresHistory(source, kept, () => ({ ...clock }));
  const look = async (stats: BusStats, ms = FIGURES_EVERY_MS): Promise<void> => {
    read = async () => stats;
    clock.at += ms;
    clock.elapsedMs += Math.abs(ms);
    await history.take();
  };
  return { history, look, fail: () => (read = () => Promise.reject(new Error('closed'))) };
}

describe('a history of figures', () => {
  it('tells rates and times of the events between two looks', async () => {
    const { history, look } = historyOf();
    const before = { counts: [4, 0, 0], bounds: [1, 10], sum: 0 };
    const after = { counts: [4, 8, 0], bounds: [1, 10], sum: 0 };
    await look(statsOf({ published: 10, delivered: 100 }, { published: 10, commitMs: before }));
    expect(history.since().samples).toEqual([]);
    await look(
      statsOf(
        { published: 30, delivered: 105, dropped: 3, deliveryMs: after, connections: 2, lag: 9 },
        { published: 26, ephemeral: 4, refused: 6, delivered: 5, commitMs: after, walBytes: 5 },
      ),
    );
    const { everyMs, samples } = history.since();
    expect(everyMs).toBe(2000);
    expect(samples).toMatchObject([
      {
        at: 1_004_000,
        publishedPerSecond: 10,
        deliveredPerSecond: 2.5,
        droppedPerSecond: 1.5,
        refusedPerSecond: 3,
        commitMs: { p50: 5.5, p95: 9.55, p99: 9.91 },
        connections: 2,
        lag: 9,
        heldBytes: 7,
        rssBytes: expect.any(Number),
        heapBytes: expect.any(Number),
        shards: [
          { state: 'running', publishedPerSecond: 10, deliveredPerSecond: 2.5, walBytes: 5 },
        ],
      },
    ]);
  });

  it('leaves times out where nothing happened', async () => {
    const { history, look } = historyOf();
    for (let n = 0; n < 2; n++) await look(statsOf({}, {}));
    const [sample] = history.since().samples;
    expect(sample).not.toHaveProperty('deliveryMs');
    expect(sample).not.toHaveProperty('commitMs');
    expect(sample!.shards[0]).not.toHaveProperty('commitMs');
  });

  it('tells how busy a shard was since the look before, also when its thread was replaced', async () => {
    const { history, look } = historyOf();
    await look(statsOf({}, { upMs: 10_000, busy: 0.1 }));
    await look(statsOf({}, { upMs: 12_000, busy: 0.25 }));
    await look(statsOf({}, { upMs: 500, busy: 0.5 }));
    const busy = history.since().samples.map(({ shards }) => shards[0]!.busy);
    expect(busy).toEqual([1, 0.5]);
  });

  it('keeps 15 minutes and no more', async () => {
    const { history, look } = historyOf();
    for (let n = 0; n < FIGURE_SAMPLES_MAX + 51; n++) await look(statsOf({ published: n * n }, {}));
    const { samples } = history.since();
    expect(samples).toHaveLength(FIGURE_SAMPLES_MAX);
    expect(FIGURE_SAMPLES_MAX * FIGURES_EVERY_MS).toBe(15 * 60_000);
    expect(samples.at(-1)!.at - samples[0]!.at).toBe((FIGURE_SAMPLES_MAX - 1) * FIGURES_EVERY_MS);
  });

  it('answers only what came after a sample', async () => {
    const { history, look } = historyOf();
    for (let n = 0; n < 5; n++) await look(statsOf({}, {}));
    const times = history.since().samples.map(({ at }) => at);
    expect(history.since(times[1]).samples.map(({ at }) => at)).toEqual(times.slice(2));
    expect(history.since(times.at(-1)).samples).toEqual([]);
  });

  it('goes on with the samples of the gateway before, and hands its own on', async () => {
    const handed: FigureSample[] = [];
    const kept = (samples: readonly FigureSample[] = []) => ({
      samples,
      keep: (sample: FigureSample) => void handed.push(sample),
    });
    const before = historyOf(kept());
    for (let n = 0; n < 5; n++) await before.look(statsOf({}, {}));
    const { samples } = before.history.since();
    expect(handed).toEqual(samples);
    const { history, look } = historyOf(kept(samples));
    expect(history.since().samples).toEqual(samples);
    expect(history.since(samples.at(-2)!.at).samples).toEqual(samples.slice(-1));
    expect(history.since(samples.at(-1)!.at).samples).toEqual([]);
    await look(statsOf({}, {}), 60_000);
    await look(statsOf({}, {}));
    expect(history.since().samples).toEqual(handed);
    expect(handed).toHaveLength(5);
  });

  it('drops samples of the gateway before that are ahead of the clock', async () => {
    const before = historyOf();
    for (let n = 0; n < 5; n++) await before.look(statsOf({}, {}));
    const { samples } = before.history.since();
    const { history, look } = historyOf({ samples, keep: () => {} });
    await look(statsOf({}, {}), 5000);
    await look(statsOf({}, {}));
    const times = history.since().samples.map(({ at }) => at);
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
    expect(times).toHaveLength(2);
  });

  it('shows no time twice after the clock was set back, and tells all of it to a client that was ahead', async () => {
    const { history, look } = historyOf();
    for (let n = 0; n < 10; n++) await look(statsOf({}, {}));
    const ahead = history.since().samples.at(-1)!.at;
    await look(statsOf({}, {}), -11_000);
    const times = history.since().samples.map(({ at }) => at);
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
    expect(times.at(-1)).toBeLessThan(ahead);
    expect(history.since(ahead).samples).toHaveLength(times.length);
  });

  it('goes on after a look that failed', async () => {
    const { history, look, fail } = historyOf();
    await look(statsOf({ published: 1 }, {}));
    fail();
    await history.take();
    await look(statsOf({ published: 5 }, {}), 4000);
    expect(history.since().samples).toMatchObject([{ publishedPerSecond: 1 }]);
  });
});
