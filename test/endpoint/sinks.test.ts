import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EndpointSinks, type SinksHost } from '../../src/endpoint/sinks.js';
import { SINK_FIGURES_MS, SINKS_FAILED_KEPT_MAX } from '../../src/protocol/limits/sinks.js';
import type { ShownSink, SinkList, SinkState } from '../../src/protocol/sink-figures.js';

/** The sinks of one thread, on a main thread that notes what it is told, and with timers of the test's own. */

type Figures = ReturnType<ShownSink['figures']>;

const figures = (name: string, state: SinkState = 'running', more: Partial<Figures> = {}) => ({
  ...{ name, kind: 'test', state, done: 0, failed: 0, restarts: 0 },
  ...more,
});
const shown = (name: string, state?: SinkState, more?: Partial<Figures>): ShownSink => ({
  figures: () => figures(name, state, more),
});

function place() {
  const noted: SinkList[] = [];
  const asked: (readonly string[])[] = [];
  const world = { mark: '0', answers: true, pending: 7, answer: async (): Promise<object> => ({}) };
  const call = async (name: string, request: { sinks: SinkList }) => {
    if (name === 'noteSinks') noted.push(request.sinks);
    return name === 'notedSinks' ? world.answer() : null;
  };
  const sinks = new EndpointSinks({
    endpoint: 'e1',
    main: { call } as unknown as SinksHost['main'],
    consumersMark: () => world.mark,
    pendingOf: async (names) => {
      asked.push(names);
      if (!world.answers) throw new Error('a shard does not answer');
      return new Map(names.map((name) => [name, world.pending]));
    },
  });
  return { sinks, noted, asked, world };
}

const tick = () => vi.advanceTimersByTimeAsync(SINK_FIGURES_MS);
const names = (list: SinkList | undefined) => list?.list.map(({ name }) => name);

describe('the sinks of a thread', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('are noted at once, and again only when they have changed', async () => {
    const { sinks, noted } = place();
    let done = 0;
    sinks.add({}, { figures: () => figures('a', 'running', { done }) });
    expect(noted).toMatchObject([{ count: 1, list: [{ name: 'a', endpoint: 'e1', done: 0 }] }]);
    await tick();
    await tick();
    expect(noted).toHaveLength(1);
    done = 5;
    await tick();
    expect(noted[1]).toMatchObject({ list: [{ done: 5 }] });
    expect(vi.getTimerCount()).toBe(1);
  });

  it('ask what their consumers have to do only after something has changed', async () => {
    const { sinks, noted, asked, world } = place();
    sinks.add({}, shown('a', 'running', { consumer: 'mailer' }));
    await tick();
    expect(noted.at(-1)!.list[0]!.pending).toBe(7);
    await tick();
    await tick();
    expect(asked).toEqual([['mailer']]);
    world.mark = '1';
    world.pending = 9;
    await tick();
    await tick();
    expect(asked).toHaveLength(2);
    expect(noted.at(-1)!.list[0]!.pending).toBe(9);
  });

  it('do not say what is pending while a shard does not answer, and ask again', async () => {
    const { sinks, noted, world } = place();
    sinks.add({}, shown('a', 'running', { consumer: 'mailer' }));
    await tick();
    expect(noted.at(-1)!.list[0]!.pending).toBe(7);
    world.mark = '1';
    world.answers = false;
    await tick();
    await tick();
    expect(noted.at(-1)!.list[0]).not.toHaveProperty('pending');
    world.answers = true;
    await tick();
    await tick();
    expect(noted.at(-1)!.list[0]!.pending).toBe(7);
  });

  it('are gone when they have stopped, and stay when they have failed, until one like them comes', async () => {
    const { sinks, noted } = place();
    let state: SinkState = 'running';
    const sink = {};
    const stopped = {};
    sinks.add(sink, { figures: () => figures('a', state) });
    sinks.add(stopped, shown('b', 'stopped'));
    state = 'failed';
    sinks.end(sink);
    sinks.end(stopped);
    expect(noted.at(-1)).toMatchObject({ count: 1, failed: 1, list: [{ name: 'a' }] });
    expect(vi.getTimerCount()).toBe(0);
    sinks.add({}, shown('a'));
    expect(noted.at(-1)).toMatchObject({ count: 1, failed: 0, list: [{ state: 'running' }] });
  });

  it('keep a bounded number of those that have failed, and nothing of one that was taken', () => {
    const { sinks, noted } = place();
    for (let n = 0; n < SINKS_FAILED_KEPT_MAX + 5; n++) {
      const sink = {};
      sinks.add(sink, shown(`s${n}`, 'failed'));
      sinks.end(sink);
    }
    expect(noted.at(-1)!.count).toBe(SINKS_FAILED_KEPT_MAX);
    expect(names(noted.at(-1))).not.toContain('s4');
    const taken = {};
    sinks.add(taken, shown('taken', 'failed'));
    sinks.end(taken);
    expect(names(noted.at(-1))).toContain('taken');
    sinks.take(taken);
    expect(names(noted.at(-1))).not.toContain('taken');
  });

  it('are told as they were last known where the main thread does not answer, with one question at a time', async () => {
    const { sinks, world } = place();
    const list = { count: 1, failed: 0, waiting: 0, list: [{ ...figures('x'), endpoint: 'e2' }] };
    world.answer = async () => ({ sinks: list });
    expect(await sinks.all()).toEqual(list);
    const answer = vi.fn(() => new Promise<object>(() => {}));
    world.answer = answer;
    for (let n = 0; n < 3; n++) {
      const told = sinks.all();
      await vi.advanceTimersByTimeAsync(1000);
      expect(await told).toEqual(list);
    }
    expect(answer).toHaveBeenCalledTimes(1);
  });

  it('note nothing any more after the close', async () => {
    const { sinks, noted } = place();
    sinks.add({}, shown('a'));
    sinks.close();
    sinks.add({}, shown('b'));
    await tick();
    expect(noted).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});
