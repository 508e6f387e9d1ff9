import { describe, expect, test } from 'vitest';
import { Collector } from './support/collector.js';
import { controls } from './support/millrace.js';
import { openTestBus, temporaryDirectory } from './support/open.js';
import { until } from './support/wait.js';

const event = { topic: 'jobs.nightly', type: 'job_due', payload: { n: 1 } };
const YEARLY = '0 0 1 1 *';

describe('a schedule', () => {
  test('publishes an event at each due time, with its name and the due time', async () => {
    const bus = await openTestBus({ shards: 2 });
    const live = await Collector.start(bus, '*');
    const attributes = { team: 'a' };
    const made = await bus.schedules.set('tick', {
      everyMs: 1000,
      event: { ...event, attributes },
    });
    expect(made).toMatchObject({ name: 'tick', everyMs: 1000, fired: 0, missed: 'all' });
    expect(made.anchor).toBe('1970-01-01T00:00:00.000Z');
    await until('three have come', () => live.events.length >= 3, 10_000);
    const due = live.events.map(({ attributes }) => Date.parse(attributes!.dueAt!));
    for (const [index, at] of due.entries()) {
      expect(at % 1000).toBe(0);
      expect(at).toBe(due[0]! + index * 1000);
    }
    const [first] = live.events;
    expect(first).toMatchObject({ ...event, attributes: { team: 'a', schedule: 'tick' } });
    expect(first!.id).toMatch(/^tick-\d{8}T\d{9}Z$/);
    const info = await bus.schedules.get('tick');
    expect(info!.fired).toBeGreaterThanOrEqual(3);
    expect(await bus.schedules.delete('tick')).toBe(true);
    expect(await bus.schedules.delete('tick')).toBe(false);
    expect(await bus.schedules.list()).toEqual([]);
  });

  test('is listed, paused, resumed and shown ahead, and survives', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 3 });
    const { schedules } = bus;
    const options = { cron: '0 9 * * 1-5', timeZone: 'Europe/Berlin', event };
    const made = await schedules.set('work', options);
    expect(made).toMatchObject({ cron: '0 9 * * 1-5', timeZone: 'Europe/Berlin', isPaused: false });
    expect(await schedules.set('work', options)).toEqual(made);
    await schedules.set('yearly', { cron: YEARLY, event: { ...event, topic: 'jobs.other' } });
    expect((await schedules.list()).map(({ name }) => name)).toEqual(['work', 'yearly']);
    const next = await schedules.next('work', 7);
    expect(next).toHaveLength(7);
    expect(next[0]).toBe(made.nextAt);
    const paused = await schedules.pause('work');
    expect(paused).toMatchObject({ isPaused: true });
    expect(paused).not.toHaveProperty('nextAt');
    controls(bus).killShard(made.shard);
    expect(await schedules.get('work')).toMatchObject({ isPaused: true });
    await bus.close();
    const again = await openTestBus({ dir });
    expect(await again.schedules.resume('work')).toMatchObject({ nextAt: made.nextAt });
    expect(await again.schedules.get('none')).toBeUndefined();
    for (const call of ['pause', 'next'] as const) {
      await expect(again.schedules[call]('none')).rejects.toMatchObject({
        code: 'SCHEDULE_UNKNOWN',
      });
    }
  });

  test('moves with its topic to another shard, and is there once', async () => {
    const dir = temporaryDirectory();
    const bus = await openTestBus({ dir, shards: 4 });
    const shards = new Set<number>();
    for (let n = 0; n < 12; n++) {
      const made = await bus.schedules.set('mover', {
        cron: YEARLY,
        event: { ...event, topic: `t.${n}` },
      });
      shards.add(made.shard);
      const all = await bus.schedules.list();
      expect(all.map(({ event: { topic } }) => topic)).toEqual([`t.${n}`]);
    }
    expect(shards.size).toBeGreaterThan(1);
    await bus.close();
    const again = await openTestBus({ dir });
    expect(await again.schedules.list()).toMatchObject([{ name: 'mover', isPaused: false }]);
  });

  test.each([
    ['never comes', { cron: '0 0 30 2 *', event }, /never comes/],
    ['is no cron expression', { cron: 'x * * * *', event }, /no cron expression/],
    ['has too few fields', { cron: '* *', event }, /2 fields/],
    ['is a date', { cron: '2027-01-01T00:00:00', event }, /1 fields/],
    ['has no time zone', { cron: YEARLY, timeZone: 'No/Where', event }, /no time zone/],
    ['is too often', { everyMs: 5, event }, /everyMs/],
    ['says both', { everyMs: 5000, cron: YEARLY, event }, /one of cron and everyMs/],
    ['says neither', { event }, /one of cron and everyMs/],
    ['has an id', { cron: YEARLY, event: { ...event, id: 'x' } }, /is made for each due time/],
    ['is ephemeral', { cron: YEARLY, event: { ...event, topic: 'live.a' } }, /does not store/],
    [
      'has an attribute of ours',
      { cron: YEARLY, event: { ...event, attributes: { dueAt: '' } } },
      /dueAt/,
    ],
  ])('is refused if it %s', async (_, options, message) => {
    const bus = await openTestBus({ shards: 1, noPersistTopics: ['live.*'] });
    const refused = await bus.schedules.set('bad', options as never).catch((error) => error);
    expect([refused.code, refused.message]).toEqual([
      'OPTION_INVALID',
      expect.stringMatching(message),
    ]);
    await expect(bus.schedules.set('bad name', { cron: YEARLY, event })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
  });
});
