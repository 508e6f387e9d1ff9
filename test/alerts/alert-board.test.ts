import { describe, expect, it, onTestFinished } from 'vitest';
import { AlertBoard } from '../../src/alerts/alert-board.js';
import type {
  AlertClock,
  AlertsText,
  TallyQuestion,
  TallyReport,
  WatchedBus,
  WatchedConsumer,
} from '../../src/alerts/watched-bus.js';
import { parseAlertRules } from '../../src/protocol/alert-rule.js';
import { BusError } from '../../src/protocol/errors.js';
import { shardOf } from '../../src/protocol/topic-hash.js';

const SHARDS = 2;
const topicIn = (shard: number): string => {
  for (let n = 0; ; n++) if (shardOf(`a.${n}`, SHARDS) === shard) return `a.${n}`;
};

/** A bus of two shards, whose answers can be held back; each counts what the test says. */
class FakeBus implements WatchedBus {
  readonly shards = SHARDS;
  readonly segments = 0;
  readonly published: [topic: string, type: string][] = [];
  readonly reported: BusError[] = [];
  readonly events = [0, 0];
  readonly asked = [0, 0];
  readonly failures: (BusError | undefined)[] = [undefined, undefined];
  /** Shards that do not answer. */
  readonly held = new Map<number, () => void>();
  readonly hung = new Set<number>();
  lastStoredAt: number | undefined;

  async tally(shard: number, { filters }: TallyQuestion): Promise<TallyReport> {
    this.asked[shard]!++;
    if (this.hung.has(shard)) await new Promise<void>((go) => this.held.set(shard, go));
    const tallies = filters.map(({ topics: [topic = ''] }) => {
      const isHere = topic.includes('*') || shardOf(topic, SHARDS) === shard;
      return { events: isHere ? this.events[shard]! : 0, lastTopic: topic, lastSequence: 1 };
    });
    return { thread: 1, position: 0, tallies };
  }

  shardFailure = (shard: number): BusError | undefined => this.failures[shard];
  lastAt = async (_pattern?: string): Promise<number | undefined> => this.lastStoredAt;
  /** The consumers that there are, and the names of each question about them. */
  readonly known = new Map<string, WatchedConsumer>();
  readonly namesAsked: (readonly string[])[] = [];
  consumersFault: Error | undefined;

  async consumers(names: readonly string[]): Promise<WatchedConsumer[]> {
    this.namesAsked.push(names);
    if (this.consumersFault !== undefined) throw this.consumersFault;
    return names.flatMap((name) => this.known.get(name) ?? []);
  }

  lag = (): number => 0;
  laggards = async (): Promise<[]> => [];
  publish = (topic: string, type: string): void => void this.published.push([topic, type]);
  report = (error: BusError): void => void this.reported.push(error);
}

/** Its elapsed time and its time of day can be set apart. */
class FakeClock implements AlertClock {
  elapsed = 0;
  day = 1_700_000_000_000;

  elapsedMs(): number {
    return this.elapsed;
  }

  now(): number {
    return this.day;
  }

  advance(ms: number): void {
    this.elapsed += ms;
    this.day += ms;
  }
}

function open(whens: readonly string[], text?: AlertsText) {
  const rules = parseAlertRules(whens.map((when, n) => ({ name: `rule-${n}`, when })));
  const clock = new FakeClock();
  const bus = new FakeBus();
  const board = new AlertBoard(rules, text, clock);
  onTestFinished(() => board.stop());
  return { board, bus, clock };
}

const states = (board: AlertBoard) => board.list().alerts.map(({ state }) => state);

describe('alerts', () => {
  it('ask nothing without a rule, and no more once the last one is removed', async () => {
    const { board, bus } = open([]);
    await board.start(bus);
    await board.evaluate();
    expect(bus.asked).toEqual([0, 0]);
    await board.set({ name: 'a', when: 'any x on a' });
    expect(bus.asked).toEqual([1, 1]);
    board.remove('a');
    await board.evaluate();
    const { asked } = bus;
    const before = [...asked];
    await board.evaluate();
    expect(asked).toEqual(before);
  });

  it('go on where a shard does not answer, and leave only the rules as they are that need it', async () => {
    const [silent, live] = [topicIn(0), topicIn(1)];
    const { board, bus, clock } = open([
      `no event on ${silent} for 10 s`,
      `no event on ${live} for 10 s`,
      'no event on a.* for 10 s',
    ]);
    await board.start(bus);
    await board.evaluate();
    bus.hung.add(0);
    const waiting = board.evaluate();
    clock.advance(10_000);
    await board.evaluate(false);
    expect(states(board)).toEqual(['ok', 'firing', 'ok']);
    const faults = board.list().alerts.map(({ fault }) => fault);
    const fault = 'shard 0 has not answered';
    expect(faults).toEqual([fault, undefined, fault]);
    bus.hung.clear();
    bus.events[0] = 1;
    bus.held.get(0)!();
    await waiting;
    await board.evaluate();
    expect(states(board)).toEqual(['ok', 'firing', 'ok']);
    clock.advance(10_000);
    await board.evaluate();
    expect(states(board)).toEqual(['firing', 'firing', 'firing']);
    expect(bus.published.map(([topic]) => topic).sort()).toEqual([
      '$sys.alert.rule-0',
      '$sys.alert.rule-1',
      '$sys.alert.rule-2',
    ]);
  });

  it('on silence learn when the last event came side by side: one that waits holds up no other', async () => {
    const [silent, live] = [topicIn(0), topicIn(1)];
    const { board, bus, clock } = open([]);
    await board.start(bus);
    bus.lastStoredAt = clock.day - 20_000;
    const { lastAt } = bus;
    bus.lastAt = (pattern) => (pattern === silent ? new Promise<undefined>(() => {}) : lastAt());
    void board.set({ name: 'silent', when: `no event on ${silent} for 10 s` });
    void board.set({ name: 'live', when: `no event on ${live} for 10 s` });
    await new Promise((resolve) => setImmediate(resolve));
    await board.evaluate(false);
    expect(states(board)).toEqual(['firing', 'ok']);
  });

  it('publish each change once, however often they are judged', async () => {
    const { board, bus, clock } = open(['any event on a.* within 10 s']);
    await board.start(bus);
    for (let n = 0; n < 5; n++) await board.evaluate();
    bus.events[1] = 1;
    for (let n = 0; n < 5; n++) await board.evaluate();
    clock.advance(10_000);
    await Promise.all([board.evaluate(), board.evaluate(), board.evaluate(false)]);
    expect(bus.published).toEqual([
      ['$sys.alert.rule-0', 'alert_firing'],
      ['$sys.alert.rule-0', 'alert_resolved'],
    ]);
  });

  it('fire nothing because somebody sets the clock', async () => {
    const { board, bus, clock } = open(['no event on a.* for 1 min']);
    bus.lastStoredAt = clock.day;
    await board.start(bus);
    await board.evaluate();
    clock.day += 3_600_000;
    await board.evaluate();
    clock.day -= 7_200_000;
    await board.evaluate();
    expect(states(board)).toEqual(['ok']);
    clock.advance(60_000);
    await board.evaluate();
    expect(states(board)).toEqual(['firing']);
  });

  it('count from now where the last stored event is of the future, as after a clock was set back', async () => {
    const { board, bus, clock } = open(['no event on a.* for 1 min']);
    bus.lastStoredAt = clock.day + 3_600_000;
    await board.start(bus);
    clock.advance(60_000);
    await board.evaluate();
    expect(states(board)).toEqual(['firing']);
  });

  it('tell nothing anew after a restart, and go on with since when they fire', async () => {
    let kept: string | undefined;
    const text: AlertsText = {
      file: 'alerts.json',
      read: () => kept,
      write: (written) => {
        kept = written;
      },
    };
    const whens = ['any event on a.* within 10 s', 'rate on a.* over 1/s for 10 s'];
    const first = open(whens, text);
    await first.board.start(first.bus);
    first.bus.events[0] = 100;
    await first.board.evaluate();
    expect(states(first.board)).toEqual(['firing', 'firing']);
    const { since } = first.board.list().alerts[0]!;
    first.board.stop();
    const again = open(whens, text);
    again.clock.advance(5000);
    await again.board.start(again.bus);
    await again.board.evaluate();
    expect(states(again.board)).toEqual(['firing', 'firing']);
    expect(again.board.list().alerts[0]!.since).toBe(since);
    expect(again.bus.published).toEqual([]);
    again.clock.advance(10_000);
    await again.board.evaluate();
    expect(states(again.board)).toEqual(['ok', 'ok']);
    again.board.stop();
    // A rule of the same name with another condition has never fired.
    const other = open(['any event on b.*'], text);
    await other.board.start(other.bus);
    expect(states(other.board)).toEqual(['ok']);
  });

  it('are never more than the file may hold, also where those of the options hide some', async () => {
    let kept: string | undefined;
    const text: AlertsText = {
      file: 'alerts.json',
      read: () => kept,
      write: (written) => {
        kept = written;
      },
    };
    const first = open([], text);
    await first.board.start(first.bus);
    for (let n = 0; n < 100; n++) {
      await first.board.set({ name: `rule-${n}`, when: 'lag over 1' });
    }
    first.board.stop();
    const again = open(['lag over 2'], text);
    await again.board.start(again.bus);
    const more = { name: 'more', when: 'lag over 1' };
    await expect(again.board.set(more)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    again.board.remove('rule-99');
    await again.board.set(more);
    expect(open(['lag over 2'], text).board.list()).toMatchObject({ transitions: [] });
    expect(open(['lag over 2'], text).board.list().fault).toBeUndefined();
    const tooMany = Array.from({ length: 101 }, () => 'lag over 1');
    expect(() => open(tooMany)).toThrow(/101 rules; 100 is the limit/);
  });

  it('on silence fire on after a restart where no event is stored that tells since when', async () => {
    let kept: string | undefined;
    const text: AlertsText = {
      file: 'alerts.json',
      read: () => kept,
      write: (written) => {
        kept = written;
      },
    };
    const first = open(['no event on a.* for 10 s'], text);
    await first.board.start(first.bus);
    first.clock.advance(10_000);
    await first.board.evaluate();
    expect(states(first.board)).toEqual(['firing']);
    const { since } = first.board.list().alerts[0]!;
    first.board.stop();
    const again = open(['no event on a.* for 10 s'], text);
    again.clock.day += 60_000;
    await again.board.start(again.bus);
    await again.board.evaluate();
    expect(again.board.list().alerts[0]).toMatchObject({ state: 'firing', since, value: 60_000 });
    expect(again.bus.published).toEqual([]);
    again.bus.events[0] = 1;
    await again.board.evaluate();
    expect(states(again.board)).toEqual(['ok']);
  });

  it('are refused by a full store, and stay as they were', async () => {
    const full = new BusError('STORE_FULL', 'no room');
    let isFull = false;
    const text: AlertsText = {
      file: 'alerts.json',
      read: () => undefined,
      write: () => {
        if (isFull) throw full;
      },
    };
    const { board, bus } = open([], text);
    await board.start(bus);
    await board.set({ name: 'a', when: 'any event on a.*' });
    isFull = true;
    await expect(board.set({ name: 'b', when: 'lag over 1' })).rejects.toBe(full);
    await expect(board.set({ name: 'a', when: 'lag over 1' })).rejects.toBe(full);
    expect(() => board.remove('a')).toThrow(full);
    expect(board.list().alerts.map(({ text: when }) => when)).toEqual(['any event on a.*']);
    bus.events[0] = 1;
    await board.evaluate();
    await board.evaluate();
    expect(bus.reported).toEqual([full]);
    expect(board.list().fault).toMatchObject({ code: 'STORE_FULL' });
    expect(bus.published).toEqual([['$sys.alert.a', 'alert_firing']]);
  });
});

const IDLE = { pending: 0, inFlight: 0, oldestAgeMs: null, dead: 0, isBlocked: false };

describe('alerts on consumers', () => {
  it('ask for the consumers that rules name, each once with a judgement, and for none without such a rule', async () => {
    const { board, bus } = open(['any x on a']);
    await board.start(bus);
    await board.evaluate();
    expect(bus.namesAsked).toEqual([]);
    await board.set({ name: 'a', when: 'consumer mailer pending over 5' });
    await board.set({ name: 'b', when: 'consumer mailer dead over 5' });
    await board.set({ name: 'c', when: 'consumer billing blocked' });
    bus.namesAsked.length = 0;
    await board.evaluate();
    expect(bus.namesAsked).toEqual([['mailer', 'billing']]);
    for (const name of ['a', 'b', 'c']) board.remove(name);
    await board.evaluate();
    bus.namesAsked.length = 0;
    await board.evaluate();
    expect(bus.namesAsked).toEqual([]);
  });

  it('judge each figure by its bound and its time', async () => {
    const { board, bus, clock } = open([
      'consumer mailer pending over 1000 for 60 s',
      'consumer mailer in flight over 10',
      'consumer mailer oldest age over 30 s',
      'consumer mailer dead over 0',
      'consumer mailer blocked for 10 s',
    ]);
    bus.known.set('mailer', { name: 'mailer', ...IDLE });
    await board.start(bus);
    await board.evaluate();
    expect(states(board)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
    const behind = { pending: 1001, inFlight: 11, oldestAgeMs: 30_001, dead: 1, isBlocked: true };
    bus.known.set('mailer', { name: 'mailer', ...behind });
    await board.evaluate();
    expect(states(board)).toEqual(['pending', 'firing', 'firing', 'firing', 'pending']);
    clock.advance(10_000);
    await board.evaluate();
    expect(states(board)).toEqual(['pending', 'firing', 'firing', 'firing', 'firing']);
    clock.advance(50_000);
    await board.evaluate();
    expect(states(board)).toEqual(['firing', 'firing', 'firing', 'firing', 'firing']);
    const near = { pending: 900, inFlight: 9, oldestAgeMs: 27_000, dead: 0, isBlocked: false };
    bus.known.set('mailer', { name: 'mailer', ...near });
    await board.evaluate();
    expect(states(board)).toEqual(['firing', 'firing', 'firing', 'ok', 'ok']);
    bus.known.set('mailer', { name: 'mailer', ...IDLE });
    await board.evaluate();
    expect(states(board)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
    expect(board.list().transitions.map(({ text }) => text)).toEqual([
      'consumer mailer in flight over 10: 11 in flight',
      'consumer mailer oldest age over 30 s: the oldest open event is 30 s old',
      'consumer mailer dead over 0: 1 dead',
      'consumer mailer blocked for 10 s: it is blocked',
      'consumer mailer pending over 1000 for 1 min: 1001 pending',
      'consumer mailer dead over 0: resolved, 0 dead',
      'consumer mailer blocked for 10 s: resolved, it is not blocked',
      'consumer mailer pending over 1000 for 1 min: resolved, 0 pending',
      'consumer mailer in flight over 10: resolved, 0 in flight',
      'consumer mailer oldest age over 30 s: resolved, the oldest open event is 0 s old',
    ]);
  });

  it('fire nothing for a consumer that does not exist, say so, and resolve when it is deleted', async () => {
    const { board, bus } = open(['consumer mailer pending over 5']);
    await board.start(bus);
    await board.evaluate();
    const fault = 'there is no consumer "mailer"';
    expect(board.list().alerts).toMatchObject([{ state: 'ok', fault }]);
    expect(board.list().alerts[0]).not.toHaveProperty('value');
    bus.known.set('mailer', { name: 'mailer', ...IDLE, pending: 6 });
    await board.evaluate();
    expect(board.list().alerts).toMatchObject([{ state: 'firing', value: 6 }]);
    expect(board.list().alerts[0]).not.toHaveProperty('fault');
    bus.known.clear();
    await board.evaluate();
    expect(board.list().alerts).toMatchObject([{ state: 'ok', fault }]);
    expect(board.list().transitions.at(-1)).toMatchObject({
      state: 'resolved',
      text: `consumer mailer pending over 5: resolved, ${fault}`,
    });
  });

  it('stay as they are while the figures cannot be had, and say why', async () => {
    const { board, bus } = open(['consumer mailer pending over 5', 'lag over 5']);
    bus.known.set('mailer', { name: 'mailer', ...IDLE, pending: 6 });
    await board.start(bus);
    await board.evaluate();
    bus.consumersFault = new Error('shard 1 is dead');
    bus.known.clear();
    await board.evaluate();
    expect(board.list().alerts).toMatchObject([
      { state: 'firing', fault: 'shard 1 is dead' },
      { state: 'ok' },
    ]);
    expect(board.list().alerts[1]).not.toHaveProperty('fault');
  });
});
