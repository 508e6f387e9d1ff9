import { mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { openBus } from '../index.js';
import type { ServerSettings } from './config.js';
import { CommandFailure } from './failure.js';
import { Session } from './session.js';

/**
 * The load of `millrace bench`: one publisher and some subscribers, all in this process, so that one clock times both
 * ends. Every subscriber checks that it gets each event once and in the order of its topic; otherwise the command
 * fails, however fast it was.
 */
export interface LoadShape {
  readonly events: number;
  /** Events per second; latencies count from the time at which an event was due. */
  readonly rate?: number;
  readonly topics: number;
  readonly subscribers: number;
  readonly batch: number;
  /** How many events may be published and not yet acknowledged. */
  readonly window: number;
  readonly payloadBytes: number;
  readonly durability: 'synced' | 'written';
  readonly persist: boolean;
}

export interface LoadTarget {
  publish(events: readonly LoadEvent[], shape: LoadShape): Promise<unknown>;
  /** Resolves once every event published from then on will arrive. */
  subscribe(pattern: string, onPayload: (payload: LoadPayload) => void): Promise<unknown>;
  /** Rejects if the target ends before `close`. */
  readonly lost: Promise<never>;
  close(): Promise<void>;
}

export interface LoadEvent {
  readonly topic: string;
  readonly type: string;
  readonly payload: LoadPayload;
}

/** `n` counts from 0; the topic follows from it. */
export interface LoadPayload {
  readonly n: number;
  /** When the event was due, in ms of `performance.now`. */
  readonly at: number;
  readonly pad: string;
}

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export interface LoadOutcome {
  readonly events: number;
  readonly deliveries: number;
  /** From the first publish to the last arrival. */
  readonly seconds: number;
  readonly publishMs: Percentiles;
  readonly deliveryMs: Percentiles;
}

/** Without an arrival for this long the run has failed. */
const STALLED_MS = 15_000;
const ENVELOPE_BYTES = 40;

/** @throws CommandFailure if an event is lost, repeated or out of order */
export async function runLoad(target: LoadTarget, shape: LoadShape): Promise<LoadOutcome> {
  // Each run has its own topics, as the server may have events of earlier runs.
  const root = `bench.${Date.now().toString(36)}`;
  const latencies = createHistogram();
  const sinks = Array.from({ length: shape.subscribers }, () => new Sink(shape, latencies));
  for (const sink of sinks) await target.subscribe(`${root}.*`, sink.take);
  const acks = createHistogram();
  const started = performance.now();
  const arrived = Promise.all(sinks.map((sink) => sink.done));
  arrived.catch(() => {});
  await Promise.race([publishAll(target, shape, root, acks), target.lost]);
  const stalled = watchStall(sinks);
  try {
    await Promise.race([arrived, target.lost, stalled.failed]);
  } finally {
    stalled.stop();
  }
  const seconds = (performance.now() - started) / 1000;
  return {
    events: shape.events,
    deliveries: shape.events * shape.subscribers,
    seconds,
    publishMs: percentilesOf(acks),
    deliveryMs: percentilesOf(latencies),
  };
}

async function publishAll(
  target: LoadTarget,
  shape: LoadShape,
  root: string,
  acks: RecordableHistogram,
): Promise<void> {
  const { events, rate, batch, window } = shape;
  const pad = 'x'.repeat(Math.max(0, shape.payloadBytes - ENVELOPE_BYTES));
  const started = performance.now();
  const inFlight = new Set<Promise<void>>();
  const framesMax = Math.max(1, Math.floor(window / batch));
  for (let first = 0; first < events; ) {
    let due = performance.now();
    if (rate !== undefined) {
      due = started + (first * 1000) / rate;
      const early = due - performance.now();
      if (early > 1) await delay(early);
    }
    while (inFlight.size >= framesMax) await Promise.race(inFlight);
    if (rate === undefined) due = performance.now();
    const count = Math.min(batch, events - first);
    const inputs = Array.from({ length: count }, (_, i) => {
      const n = first + i;
      const payload: LoadPayload = { n, at: due, pad };
      return { topic: `${root}.${n % shape.topics}`, type: 'user_input', payload };
    });
    const sent = target
      .publish(inputs, shape)
      .then(() => record(acks, performance.now() - due))
      .finally(() => inFlight.delete(sent));
    inFlight.add(sent);
    first += count;
  }
  await Promise.all(inFlight);
}

/** One subscriber: counts, checks, times. */
class Sink {
  readonly done: Promise<void>;
  arrived = 0;
  readonly #shape: LoadShape;
  readonly #latencies: RecordableHistogram;
  /** The last event of each topic, by its number. */
  readonly #last: Float64Array;
  #resolve: () => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(shape: LoadShape, latencies: RecordableHistogram) {
    this.#shape = shape;
    this.#latencies = latencies;
    this.#last = new Float64Array(shape.topics).fill(-1);
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  readonly take = ({ n, at }: LoadPayload): void => {
    record(this.#latencies, performance.now() - at);
    const { topics, events } = this.#shape;
    const slot = n % topics;
    const last = this.#last[slot]!;
    const wanted = last < 0 ? slot : last + topics;
    if (n !== wanted) this.#reject(new CommandFailure(`event ${n} came where ${wanted} was due`));
    this.#last[slot] = n;
    this.arrived++;
    if (this.arrived === events) this.#resolve();
  };
}

function watchStall(sinks: readonly Sink[]): { failed: Promise<never>; stop: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const failed = new Promise<never>((_, reject) => {
    let before = -1;
    timer = setInterval(() => {
      const arrived = sinks.reduce((sum, sink) => sum + sink.arrived, 0);
      if (arrived === before) {
        reject(
          new CommandFailure(`nothing has arrived for ${STALLED_MS / 1000} s: events are lost`),
        );
      }
      before = arrived;
    }, STALLED_MS);
  });
  failed.catch(() => {});
  return { failed, stop: () => clearInterval(timer) };
}

function record(histogram: RecordableHistogram, milliseconds: number): void {
  histogram.record(Math.max(1, Math.round(milliseconds * 1e6)));
}

function percentilesOf(histogram: RecordableHistogram): Percentiles {
  const at = (share: number) => histogram.percentile(share) / 1e6;
  return { p50: at(50), p95: at(95), p99: at(99), max: histogram.max / 1e6 };
}

/** Without `dir`: a new directory in the working directory, removed at the end. */
export async function openEmbeddedTarget(dir?: string): Promise<LoadTarget> {
  const own = dir === undefined ? mkdtempSync(join(resolve('.'), '.millrace-bench-')) : undefined;
  const bus = await openBus({ dir: dir ?? own! }).catch((error: unknown) => {
    if (own !== undefined) rmSync(own, { recursive: true, force: true });
    throw error;
  });
  return {
    lost: new Promise(() => {}),
    publish: (events, { durability, persist }) =>
      bus.publishMany(events, persist ? { durability } : { persist }),
    subscribe: (pattern, onPayload) =>
      bus.subscribe<LoadPayload>(pattern, ({ payload }) => onPayload(payload)).ready,
    close: async () => {
      await bus.close();
      if (own !== undefined) rmSync(own, { recursive: true, force: true });
    },
  };
}

/** One connection for the publisher and one for each subscriber. */
export async function openServerTarget(settings: ServerSettings): Promise<LoadTarget> {
  const publisher = await Session.open(settings);
  const sessions = [publisher];
  let lose: (error: unknown) => void = () => {};
  const lost = new Promise<never>((_, reject) => {
    lose = reject;
  });
  lost.catch(() => {});
  publisher.lost.catch(lose);
  return {
    lost,
    publish: (events, { durability, persist }) =>
      publisher.request('publish', {
        events: [...events],
        ...(persist ? { durability } : { persist }),
      }),
    subscribe: async (pattern, onPayload) => {
      const session = await Session.open(settings);
      sessions.push(session);
      session.lost.catch(lose);
      session.onFrame((frame) => {
        if (frame.type === 'events') {
          for (const { payload } of frame.payload.events) onPayload(payload as LoadPayload);
        } else if (frame.type === 'ended') lose(new CommandFailure(frame.payload.message));
      });
      await session.request('subscribe', { subscription: 'bench', filter: pattern });
    },
    close: async () => {
      for (const session of sessions) session.close();
    },
  };
}
