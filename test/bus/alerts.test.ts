import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { AlertInfo, AlertTransition, Bus, BusOptions, Event } from '../../src/index.js';
import { SUBSCRIBERS_LISTED_MAX } from '../../src/protocol/limits/endpoint.js';
import { shardOf } from '../../src/protocol/topic-hash.js';
import { reshard } from '../../src/store/upkeep/reshard.js';
import { restore } from '../../src/store/upkeep/restore.js';
import { giveBack, onSmallDisk, takeAllRoom } from '../support/small-disk.js';
import { Collector } from './support/collector.js';
import { controls } from './support/millrace.js';
import { closeTestBus, errorsTold, openTestBus, temporaryDirectory } from './support/open.js';
import { Gate, until } from './support/wait.js';

const MINUTE_MS = 60_000;
const event = (topic: string, type = 'note') => ({ topic, type, payload: null });

/** A bus whose alerts are judged by the test alone. */
async function openByHand(options: BusOptions = {}): Promise<Bus> {
  const bus = await openTestBus(options);
  await controls(bus).judgeAlerts();
  return bus;
}

/** Judges the rules, after it has set their clock ahead, and returns one of them. */
async function judged(bus: Bus, name: string, aheadMs = 0): Promise<AlertInfo> {
  await controls(bus).judgeAlerts(aheadMs);
  const { alerts } = await bus.alerts();
  return alerts.find((alert) => alert.name === name)!;
}

/** The events that the bus has published about its alerts. */
async function told(bus: Bus, count: number): Promise<[string, string, AlertTransition][]> {
  const { transitions } = await bus.alerts();
  expect(transitions).toHaveLength(count);
  return transitions.map((one) => [one.rule.name, one.state, one]);
}

describe('an alert', () => {
  it('on silence fires once nothing has come for its time, and resolves with the next event', async () => {
    const bus = await openByHand({ shards: 2 });
    const alerts = new Collector(bus, '$sys.alert.*');
    await alerts.subscription.ready;
    const set = await bus.setAlert({ name: 'quiet', when: 'no event on orders.* for 5 min' });
    expect(set).toMatchObject({ origin: 'stored', severity: 'warning', enabled: true });
    await bus.publish(event('orders.1'));
    expect(await judged(bus, 'quiet')).toMatchObject({
      state: 'ok',
      lastEvent: { topic: 'orders.1', sequence: 1 },
    });
    expect(await judged(bus, 'quiet', 4 * MINUTE_MS)).toMatchObject({ state: 'pending' });
    expect(await judged(bus, 'quiet', MINUTE_MS)).toMatchObject({ state: 'firing' });
    await bus.publish(event('orders.2'));
    const { state, since } = await judged(bus, 'quiet', MINUTE_MS);
    expect({ state, since }).toEqual({ state: 'ok', since: undefined });
    await alerts.count(2);
    const [firing, resolved] = alerts.events;
    expect(firing).toMatchObject({
      topic: '$sys.alert.quiet',
      type: 'alert_firing',
      source: 'millrace',
      payload: { rule: { name: 'quiet' }, state: 'firing', value: expect.any(Number) },
    });
    expect(firing!.sequence).toBeUndefined();
    expect((firing as Event<AlertTransition>).payload.text).toMatch(
      /^no event on orders\.\* for 5 min: none came for 30\d s$/,
    );
    expect(resolved).toMatchObject({ type: 'alert_resolved', payload: { state: 'resolved' } });
    await told(bus, 2);
  });

  it('is judged every second without anybody’s doing', async () => {
    const bus = await openTestBus({ shards: 1 });
    const alerts = await Collector.start(bus, '$sys.alert.*');
    await bus.setAlert({ name: 'a', when: 'any x on a within 1 s' });
    await bus.publish(event('a', 'x'));
    await alerts.count(2);
    expect(alerts.events.map(({ type }) => type)).toEqual(['alert_firing', 'alert_resolved']);
  });

  it('on a rate fires while the mean is over the bound, and does not flap around it', async () => {
    const bus = await openByHand({ shards: 2 });
    await bus.setAlert({ name: 'busy', when: 'rate on a.* over 1/s for 10 s' });
    const publish = (count: number) =>
      bus.publishMany(Array.from({ length: count }, (_, n) => event(`a.${n % 7}`)));
    await publish(10);
    expect(await judged(bus, 'busy')).toMatchObject({ state: 'ok' });
    await publish(1);
    // The window is not full yet, but whatever comes, the mean over it is at least this.
    expect(await judged(bus, 'busy')).toMatchObject({ state: 'firing', value: expect.any(Number) });
    await judged(bus, 'busy', 5000);
    await publish(19);
    expect(await judged(bus, 'busy', 5000)).toMatchObject({ state: 'firing' });
    // 19 events in the last 10 s; then 9.5 in 10 s, which is within the bound by less than a tenth.
    await publish(9);
    const near = await judged(bus, 'busy', 9700);
    expect(near.value).toBeGreaterThan(0.9);
    expect(near).toMatchObject({ state: 'firing' });
    expect(await judged(bus, 'busy', 10_000)).toMatchObject({ state: 'ok', value: 0 });
    await told(bus, 2);
  });

  it('on an event fires with the first one that matches, ephemeral or stored, until none has come for its time', async () => {
    const bus = await openByHand({ shards: 2 });
    const when = 'any worker_failed, worker_cancelled on worker.* within 1 min';
    await bus.setAlert({ name: 'failed', when, severity: 'critical' });
    await bus.publish(event('worker.1', 'worker_complete'));
    await bus.publish(event('other', 'worker_failed'));
    expect(await judged(bus, 'failed')).toMatchObject({ state: 'ok', value: 0 });
    await bus.publish(event('worker.1', 'worker_failed'), { persist: false });
    const firing = await judged(bus, 'failed');
    expect(firing).toMatchObject({ state: 'firing', value: 1, lastEvent: { topic: 'worker.1' } });
    expect(firing.lastEvent!.sequence).toBeUndefined();
    await judged(bus, 'failed', 50_000);
    await bus.publish(event('worker.2', 'worker_cancelled'));
    expect(await judged(bus, 'failed')).toMatchObject({
      state: 'firing',
      value: 2,
      lastEvent: { topic: 'worker.2', sequence: expect.any(Number) },
    });
    expect(await judged(bus, 'failed', 50_000)).toMatchObject({ state: 'firing' });
    expect(await judged(bus, 'failed', 10_000)).toMatchObject({ state: 'ok', value: 0 });
    expect(await told(bus, 2)).toMatchObject([
      ['failed', 'firing', { rule: { severity: 'critical' }, lastEvent: { topic: 'worker.1' } }],
      ['failed', 'resolved', { lastValue: 2 }],
    ]);
  });

  it('on lag fires while subscriptions are behind for its time, of all or by name', async () => {
    const bus = await openByHand({ shards: 1 });
    const gate = new Gate();
    const slow = new Collector(bus, 'a', {
      name: 'mailer-1',
      maxBuffer: 1,
      hold: () => gate.opened,
    });
    await slow.subscription.ready;
    await bus.setAlert({ name: 'all', when: 'lag over 100 for 30 s' });
    await bus.setAlert({ name: 'mailers', when: 'lag of mailer-* over 100' });
    await bus.setAlert({ name: 'others', when: 'lag of other-* over 100' });
    const payload = 'x'.repeat(100_000);
    for (let n = 0; n < 5; n++) {
      await bus.publishMany(Array.from({ length: 60 }, () => ({ ...event('a'), payload })));
    }
    const lags = async () => (await judged(bus, 'all')).state === 'pending';
    await until('it is behind', lags);
    expect(await judged(bus, 'mailers')).toMatchObject({ state: 'firing' });
    expect(await judged(bus, 'all', 30_000)).toMatchObject({ state: 'firing' });
    expect(await judged(bus, 'others')).toMatchObject({ state: 'ok', value: 0 });
    gate.open();
    await slow.count(300);
    const isWell = async () => (await judged(bus, 'all')).state === 'ok';
    await until('it has caught up', isWell);
    expect(await judged(bus, 'mailers')).toMatchObject({ state: 'ok' });
    await told(bus, 4);
  });

  it('on lag by name finds a subscription that more others are further behind than a list shows', async () => {
    const bus = await openByHand({ shards: 2 });
    const gate = new Gate();
    const stuck = (topic: string, name: string) =>
      Collector.start(bus, topic, { name, maxBuffer: 1, hold: () => gate.opened });
    const others = Array.from({ length: SUBSCRIBERS_LISTED_MAX }, (_, n) =>
      stuck('a', `busy-${n}`),
    );
    await Promise.all([...others, stuck('b', 'billing')]);
    await bus.setAlert({ name: 'billing', when: 'lag of billing over 5' });
    await bus.setAlert({ name: 'most', when: 'lag of bus* over 5' });
    const payload = 'x'.repeat(100_000);
    const publish = (topic: string, count: number) =>
      bus.publishMany(Array.from({ length: count }, () => ({ ...event(topic), payload })));
    await publish('a', 90);
    await publish('b', 60);
    const isFound = async () => (await judged(bus, 'billing')).state === 'firing';
    await until('the rule fires', isFound);
    const [most, billing] = [await judged(bus, 'most'), await judged(bus, 'billing')];
    expect(most.value).toBeGreaterThan(billing.value!);
    const listed = await bus.subscribers();
    expect(listed.map(({ name }) => name)).not.toContain('billing');
    gate.open();
  });
});

describe('the rules of alerts', () => {
  it('are kept in the directory, with the states of those that fire', async () => {
    const dir = temporaryDirectory();
    const bus = await openByHand({ dir, shards: 2 });
    const rule = { name: 'failed', when: 'any worker_failed on worker.*', description: 'Look.' };
    await bus.setAlert(rule);
    await bus.setAlert({ name: 'quiet', when: 'no event on worker.* for 5 min', enabled: false });
    await bus.publish(event('worker.1', 'worker_failed'));
    const { since } = await judged(bus, 'failed');
    expect(statSync(join(dir, 'alerts.json')).mode & 0o777).toBe(0o600);
    await closeTestBus(bus);
    const again = await openByHand({ dir });
    const alerts = new Collector(again, '$sys.alert.*');
    await alerts.subscription.ready;
    const failed = await judged(again, 'failed');
    expect(failed).toMatchObject({ description: 'Look.', state: 'firing', origin: 'stored' });
    expect(Math.abs(Date.parse(failed.since!) - Date.parse(since!))).toBeLessThan(1000);
    expect(await judged(again, 'quiet')).toMatchObject({ enabled: false, state: 'ok' });
    await told(again, 0);
    expect(await judged(again, 'failed', 5 * MINUTE_MS)).toMatchObject({ state: 'ok' });
    await alerts.count(1);
    expect(alerts.events[0]).toMatchObject({ type: 'alert_resolved' });
  });

  it('on silence count from the last stored event when the bus is opened', async () => {
    const dir = temporaryDirectory();
    const bus = await openByHand({ dir, shards: 2 });
    const hourAgo = new Date(Date.now() - 3_600_000).toISOString();
    await bus.publish({ ...event('orders.1'), timestamp: hourAgo });
    await closeTestBus(bus);
    const alerts = [{ name: 'quiet', when: 'no event on orders.* for 5 min' }];
    const openedAt = Date.now();
    const again = await openByHand({ dir, alerts });
    // The time of recording counts, not the publisher's.
    const quiet = await judged(again, 'quiet', 4 * MINUTE_MS);
    expect(quiet).toMatchObject({ state: 'pending', origin: 'config' });
    expect(Date.parse(quiet.since!)).toBeLessThan(openedAt);
    expect(await judged(again, 'quiet', MINUTE_MS)).toMatchObject({ state: 'firing' });
  });

  it('of the options cannot be changed, and go before stored ones of the same name', async () => {
    const dir = temporaryDirectory();
    const bus = await openByHand({ dir, shards: 1 });
    await bus.setAlert({ name: 'a', when: 'lag over 1' });
    await closeTestBus(bus);
    const again = await openByHand({ dir, alerts: [{ name: 'a', when: 'lag over 2' }] });
    const fixed = { code: 'ALERT_FIXED', details: { name: 'a' } };
    await expect(again.setAlert({ name: 'a', when: 'lag over 3' })).rejects.toMatchObject(fixed);
    await expect(again.removeAlert('a')).rejects.toMatchObject(fixed);
    await again.setAlert({ name: 'b', when: 'lag over 4' });
    const { alerts } = await again.alerts();
    expect(alerts.map(({ name, text, origin }) => [name, text, origin])).toEqual([
      ['a', 'lag over 2', 'config'],
      ['b', 'lag over 4', 'stored'],
    ]);
    await closeTestBus(again);
    const without = await openByHand({ dir });
    expect((await without.alerts()).alerts.map(({ text }) => text)).toEqual([
      'lag over 1',
      'lag over 4',
    ]);
  });

  it('are refused with their fault when the bus is opened', async () => {
    const alerts = [{ name: 'a', when: 'lag over' }];
    await expect(openTestBus({ alerts })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining('alerts: rule 1: when: a number of events is missing'),
    });
  });

  it('resolve with a reason when they are removed, disabled or changed while they fire', async () => {
    const bus = await openByHand({ shards: 1 });
    for (const name of ['changed', 'described', 'disabled', 'removed']) {
      await bus.setAlert({ name, when: 'any x on a' });
    }
    await bus.publish(event('a', 'x'));
    expect(await judged(bus, 'changed')).toMatchObject({ state: 'firing' });
    await bus.setAlert({ name: 'changed', when: 'any x on b' });
    await bus.setAlert({ name: 'described', when: 'any x on a', description: 'more' });
    await bus.setAlert({ name: 'disabled', when: 'any x on a', enabled: false });
    expect(await bus.removeAlert('removed')).toEqual({ removed: true });
    expect(await bus.removeAlert('removed')).toEqual({ removed: false });
    const { alerts, transitions } = await bus.alerts();
    expect(alerts.map(({ name, state }) => [name, state])).toEqual([
      ['changed', 'ok'],
      ['described', 'firing'],
      ['disabled', 'ok'],
    ]);
    expect(transitions.slice(4).map(({ text }) => text)).toEqual([
      'any x on a: resolved, the rule was changed',
      'any x on a: resolved, the rule was disabled',
      'any x on a: resolved, the rule was removed',
    ]);
  });

  it('are a hundred at most, and so are the changes that are kept', async () => {
    const bus = await openByHand({ shards: 2 });
    const names = Array.from({ length: 100 }, (_, n) => `rule-${n}`);
    await Promise.all(names.map((name) => bus.setAlert({ name, when: 'any x on a.*' })));
    const limit = { code: 'LIMIT_EXCEEDED', details: { limit: 100 } };
    await expect(bus.setAlert({ name: 'more', when: 'any x on a' })).rejects.toMatchObject(limit);
    await bus.setAlert({ name: 'rule-7', when: 'any x on a.*', severity: 'info' });
    await bus.publish(event('a.1', 'x'));
    await controls(bus).judgeAlerts();
    expect((await bus.alerts()).alerts.every(({ state }) => state === 'firing')).toBe(true);
    await controls(bus).judgeAlerts(5 * MINUTE_MS);
    const { transitions } = await bus.alerts();
    expect(transitions).toHaveLength(100);
    expect(transitions.every(({ state }) => state === 'resolved')).toBe(true);
  });

  it('are lost with a bus in memory, and watch it all the same', async () => {
    const bus = await openByHand({ dir: ':memory:', shards: 1 });
    await bus.setAlert({ name: 'a', when: 'any x on a' });
    await bus.publish(event('a', 'x'));
    expect(await judged(bus, 'a')).toMatchObject({ state: 'firing' });
  });

  it('are set by two at once, and all are kept', async () => {
    const dir = temporaryDirectory();
    const bus = await openByHand({ dir, shards: 1 });
    const set = (name: string, above: number) => bus.setAlert({ name, when: `lag over ${above}` });
    await Promise.all([set('a', 1), set('b', 1), set('a', 2), set('c', 1), bus.removeAlert('b')]);
    await closeTestBus(bus);
    const { rules } = JSON.parse(readFileSync(join(dir, 'alerts.json'), 'utf8'));
    expect(rules.map(({ name, when }: AlertInfo) => [name, when])).toEqual([
      ['a', { kind: 'lag', above: 2, forMs: 0 }],
      ['c', { kind: 'lag', above: 1, forMs: 0 }],
    ]);
  });
});

describe('a file of alerts', () => {
  it.each([
    ['{', 'it is not JSON'],
    ['[]', 'it is not a JSON object'],
    ['{"format":2,"rules":[]}', 'its format is 2, not 1'],
    ['{"format":1}', 'its rules are not a list'],
    ['{"format":1,"rules":[{"name":"A"}]}', 'rule 1: name: has to be'],
    [
      '{"format":1,"rules":[],"firing":{"a":1}}',
      'its field "firing" has no time and condition for "a"',
    ],
  ])('that is broken (%s) is told, kept, and does not stop the bus', async (text, reason) => {
    const dir = temporaryDirectory();
    await closeTestBus(await openByHand({ dir, shards: 1 }));
    const file = join(dir, 'alerts.json');
    writeFileSync(file, text);
    const fixed = { name: 'fixed', when: 'any x on a' };
    const bus = await openByHand({ dir, alerts: [fixed] });
    const fault = { code: 'STORE_CORRUPT', message: expect.stringContaining(`${file}: ${reason}`) };
    expect(errorsTold(bus)).toMatchObject([fault]);
    expect((await bus.alerts()).fault).toMatchObject(fault);
    await bus.publish(event('a', 'x'));
    expect(await judged(bus, 'fixed')).toMatchObject({ state: 'firing' });
    const more = { name: 'more', when: 'lag over 1' };
    await expect(bus.setAlert(more)).rejects.toMatchObject(fault);
    expect(readFileSync(file, 'utf8')).toBe(text);
    rmSync(file);
    await bus.setAlert(more);
    const list = await bus.alerts();
    expect(list.fault).toBeUndefined();
    expect(list.alerts.map(({ name, state }) => [name, state])).toEqual([
      ['fixed', 'firing'],
      ['more', 'ok'],
    ]);
  });

  it('that cannot be written leaves the rules as they were', async () => {
    const dir = temporaryDirectory();
    const bus = await openByHand({ dir, shards: 1 });
    await bus.setAlert({ name: 'a', when: 'any x on a' });
    // A directory in place of the temporary file, as root may write anywhere.
    mkdirSync(join(dir, 'alerts.json.new'));
    const failed = { code: 'STORE_FAILED', message: expect.stringContaining('alerts.json') };
    await expect(bus.setAlert({ name: 'b', when: 'lag over 1' })).rejects.toMatchObject(failed);
    await expect(bus.removeAlert('a')).rejects.toMatchObject(failed);
    await bus.publish(event('a', 'x'));
    // The states cannot be written either; the rule fires all the same, and that is told once.
    expect(await judged(bus, 'a')).toMatchObject({ state: 'firing' });
    await judged(bus, 'a', 5 * MINUTE_MS);
    expect(errorsTold(bus)).toMatchObject([failed]);
    const list = await bus.alerts();
    expect(list.fault).toMatchObject({ code: 'STORE_FAILED' });
    expect(list.alerts.map(({ name }) => name)).toEqual(['a']);
    rmSync(join(dir, 'alerts.json.new'), { recursive: true });
    await bus.setAlert({ name: 'b', when: 'lag over 1' });
    expect((await bus.alerts()).fault).toBeUndefined();
  });

  it('goes along with a backup, its restoration and another number of shards', async () => {
    const dir = temporaryDirectory();
    const bus = await openByHand({ dir, shards: 1 });
    await bus.setAlert({ name: 'a', when: 'any x on a' });
    await bus.publish(event('a', 'x'));
    await judged(bus, 'a');
    const copies = ['copy', 'restored', 'resharded'].map((name) =>
      join(temporaryDirectory(), name),
    );
    const [copy, restored, resharded] = copies as [string, string, string];
    await bus.backup(copy);
    restore(copy, restored);
    reshard({ from: restored, to: resharded, shards: 2 });
    for (const one of copies) {
      expect(statSync(join(one, 'alerts.json')).mode & 0o777).toBe(0o600);
      const opened = await openByHand({ dir: one });
      expect((await opened.alerts()).alerts).toMatchObject([
        { name: 'a', text: 'any x on a', state: 'firing' },
      ]);
      await closeTestBus(opened);
    }
  });

  it('finds a full disk: the rules stay as they were until there is room', async (context) => {
    await onSmallDisk(context, temporaryDirectory(), async (disk) => {
      const bus = await openByHand({ dir: join(disk, 'data'), shards: 1 });
      await bus.setAlert({ name: 'a', when: 'any x on a', description: 'x'.repeat(1000) });
      const filler = join(disk, 'filler');
      takeAllRoom(filler);
      const more = { name: 'b', when: 'lag over 1', description: 'x'.repeat(1000) };
      const full = { code: 'STORE_FULL', message: expect.stringContaining('alerts.json') };
      await expect(bus.setAlert(more)).rejects.toMatchObject(full);
      expect((await bus.alerts()).alerts.map(({ name }) => name)).toEqual(['a']);
      giveBack(filler, 64 * 1024);
      await bus.setAlert(more);
      expect((await bus.alerts()).alerts.map(({ name }) => name)).toEqual(['a', 'b']);
      await closeTestBus(bus);
    });
  });
});

describe('alerts and threads', () => {
  const topicIn = (shard: number) => {
    for (let n = 0; ; n++) if (shardOf(`a.${n}`, 2) === shard) return `a.${n}`;
  };

  it('go on counting where a shard’s thread dies', async () => {
    const bus = await openByHand({ shards: 2 });
    await bus.setAlert({ name: 'failed', when: 'any x on a.*' });
    await bus.publish(event(topicIn(0)));
    await judged(bus, 'failed');
    await bus.publish(event(topicIn(0), 'x'));
    await controls(bus).killShard(0);
    expect(await judged(bus, 'failed')).toMatchObject({ state: 'firing', value: 1 });
    await bus.publish(event(topicIn(0), 'x'));
    expect(await judged(bus, 'failed')).toMatchObject({ state: 'firing', value: 2 });
  });

  it('say which shard is given up, and judge by what it had', async () => {
    const dir = temporaryDirectory();
    const bus = await openByHand({ dir, shards: 2 });
    const [dead, live] = [topicIn(0), topicIn(1)];
    await bus.setAlert({ name: 'quiet', when: `no event on ${dead} for 5 min` });
    await bus.setAlert({ name: 'failed', when: 'any x on a.*' });
    await bus.setAlert({ name: 'elsewhere', when: `any x on ${live}` });
    await bus.publish(event(dead));
    await judged(bus, 'quiet');
    for (const file of readdirSync(dir)) if (file.startsWith('shard-000')) rmSync(join(dir, file));
    controls(bus).killShard(0);
    await until('the shard is given up', async () => {
      const { shards } = await bus.stats();
      return shards[0]!.state === 'failed';
    });
    await bus.publish(event(live, 'x'));
    const fault = expect.stringContaining('shard 0 is given up and takes no events');
    expect(await judged(bus, 'failed')).toMatchObject({ state: 'firing', fault });
    expect((await judged(bus, 'elsewhere')).fault).toBeUndefined();
    expect(await judged(bus, 'quiet', 5 * MINUTE_MS)).toMatchObject({ state: 'firing', fault });
  });
});
