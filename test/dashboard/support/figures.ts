import type { FigureSample, ShardFigures } from '../../../src/protocol/operations.js';

/** Samples of a bus on which nothing happens, but for what a test says. */

export function sampleAt(at: number, given: Partial<FigureSample> = {}): FigureSample {
  return {
    at,
    publishedPerSecond: 0,
    deliveredPerSecond: 0,
    droppedPerSecond: 0,
    refusedPerSecond: 0,
    subscriptions: 0,
    connections: 0,
    lag: 0,
    rssBytes: 0,
    heapBytes: 0,
    heldBytes: 0,
    shards: [],
    ...given,
  };
}

export function shardFigures(given: Partial<ShardFigures> = {}): ShardFigures {
  return {
    state: 'running',
    publishedPerSecond: 0,
    deliveredPerSecond: 0,
    publishRingFill: 0,
    deliveryRingFill: 0,
    walBytes: 0,
    lag: 0,
    busy: 0,
    ...given,
  };
}
