import { describe, expect, test } from 'vitest';
import { openTestBus } from '../bus/support/open.js';
import { until } from '../bus/support/wait.js';
import { connectTo } from './support/millrace-client.js';

const event = (topic: string, id?: string) => ({
  topic,
  type: 'note',
  payload: 1,
  ...(id === undefined ? {} : { id }),
});
const HOUR_MS = 3_600_000;
const YEARLY = {
  cron: '0 0 1 1 *',
  event: { topic: 'jobs.a', type: 'job_due', payload: { n: 1 } },
};

async function served() {
  const bus = await openTestBus({ shards: 2 });
  const { url } = await bus.serve({ port: 0 });
  return { bus, url };
}

describe('what is published later, over a connection', () => {
  test('waits, is listed and is cancelled as in process', async () => {
    const { bus, url } = await served();
    const { client } = connectTo(url);
    const deliverAt = new Date(Date.now() + HOUR_MS);
    const ack = await client.publish(event('a', 'x'), { deliverAt });
    expect(ack).toMatchObject({ id: 'x', deliverAt: deliverAt.toISOString(), duplicate: false });
    expect([ack.sequence, ack.cursor]).toEqual([undefined, undefined]);
    expect(await client.publish(event('a', 'x'))).toMatchObject({
      deliverAt: ack.deliverAt,
      duplicate: true,
    });
    const many = await client.publishMany([event('a'), event('b')], { delayMs: HOUR_MS });
    expect(many.every((one) => one.deliverAt !== undefined)).toBe(true);
    const page = await client.scheduled({ limit: 2 });
    expect(page.publishes).toHaveLength(2);
    const rest = await client.scheduled({ after: page.next! });
    expect(rest.publishes).toHaveLength(1);
    expect(await client.cancel('x')).toBe(true);
    expect(await client.cancel('x')).toBe(false);
    await client.publish(event('soon'), { delayMs: 20 });
    await until('it is an event', async () => (await bus.query({ topic: 'soon' })).length === 1);
    await expect(client.publish(event('a'), { delayMs: 5, expect: 'none' })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
  });

  test('has schedules', async () => {
    const { bus, url } = await served();
    const { client } = connectTo(url);
    const made = await client.schedules.set('yearly', YEARLY);
    expect(made).toEqual(await bus.schedules.get('yearly'));
    expect(await client.schedules.list()).toEqual([made]);
    expect(await client.schedules.next('yearly', 3)).toEqual(await bus.schedules.next('yearly', 3));
    expect(await client.schedules.pause('yearly')).toMatchObject({ isPaused: true });
    expect(await client.schedules.resume('yearly')).toMatchObject({ isPaused: false });
    await expect(client.schedules.next('none')).rejects.toMatchObject({
      code: 'SCHEDULE_UNKNOWN',
    });
    await expect(
      client.schedules.set('never', { ...YEARLY, cron: '0 0 30 2 *' }),
    ).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    expect(await client.schedules.delete('yearly')).toBe(true);
    expect(await client.schedules.get('yearly')).toBeUndefined();
  });
});

describe('what is published later, over HTTP', () => {
  const json = { 'content-type': 'application/json' };

  test('waits, is listed and is cancelled', async () => {
    const { url } = await served();
    const post = (query: string, headers = {}): Promise<Response> =>
      fetch(`${url}/v1/events${query}`, {
        method: 'POST',
        headers: { ...json, ...headers },
        body: JSON.stringify(event('a', 'x')),
      });
    const [ack] = (await (await post(`?delayMs=${HOUR_MS}`)).json()) as [{ deliverAt: string }];
    expect(ack.deliverAt).toMatch(/Z$/);
    const again = await post('', { 'millrace-delay-ms': '5' });
    expect(await again.json()).toMatchObject([{ duplicate: true, deliverAt: ack.deliverAt }]);
    for (const query of ['?delayMs=x', '?deliverAt=tomorrow', '?delayMs=5&persist=false']) {
      const refused = await post(query);
      expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([
        400,
        'OPTION_INVALID',
      ]);
    }
    const page = await (await fetch(`${url}/v1/scheduled?topic=a&limit=10`)).json();
    expect(page).toMatchObject({ publishes: [{ id: 'x', topic: 'a' }] });
    const cancel = (): Promise<Response> => fetch(`${url}/v1/scheduled/x`, { method: 'DELETE' });
    expect(await (await cancel()).json()).toEqual({ cancelled: true });
    expect(await (await cancel()).json()).toEqual({ cancelled: false });
  });

  test('has schedules', async () => {
    const { bus, url } = await served();
    const at = `${url}/v1/schedules/yearly`;
    const put = await fetch(at, { method: 'PUT', headers: json, body: JSON.stringify(YEARLY) });
    expect([put.status, await put.json()]).toEqual([200, await bus.schedules.get('yearly')]);
    expect(await (await fetch(at)).json()).toMatchObject({ name: 'yearly' });
    expect(await (await fetch(`${url}/v1/schedules`)).json()).toHaveLength(1);
    expect(await (await fetch(`${at}/next?count=2`)).json()).toHaveLength(2);
    const paused = await fetch(`${at}/pause`, { method: 'POST' });
    expect(await paused.json()).toMatchObject({ isPaused: true });
    const deleted = await fetch(at, { method: 'DELETE' });
    expect(await deleted.json()).toEqual({ deleted: true });
    const none = await fetch(at);
    expect([none.status, await none.json()]).toMatchObject([404, { code: 'SCHEDULE_UNKNOWN' }]);
    const bad = await fetch(at, { method: 'PUT', headers: json, body: '{"cron":"x"}' });
    expect(bad.status).toBe(400);
  });
});
