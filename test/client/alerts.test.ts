import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { newKey, temporaryDirectory, writeKeys } from '../auth/support/auth.js';
import { controls } from '../bus/support/millrace.js';
import { openTestBus } from '../bus/support/open.js';
import { connectTo } from './support/millrace-client.js';

const RULE = {
  name: 'failed',
  when: 'any worker_failed on worker.*',
  severity: 'critical',
} as const;
const WHEN = {
  kind: 'event',
  filter: { topics: ['worker.*'], types: ['worker_failed'] },
  withinMs: 300_000,
};

describe('a client that watches a bus', () => {
  test('sets a rule, sees it fire as an event and in the list, and removes it', async () => {
    const bus = await openTestBus({ shards: 2, alerts: [{ name: 'fixed', when: 'lag over 5' }] });
    const { client } = connectTo((await bus.serve({ port: 0 })).url);
    const events = client.subscribe('$sys.alert.*');
    await events.ready;
    const set = await client.setAlert(RULE);
    expect(set).toEqual({
      ...RULE,
      when: WHEN,
      text: RULE.when,
      enabled: true,
      origin: 'stored',
      state: 'ok',
      value: 0,
    });
    await client.publish({ topic: 'worker.1', type: 'worker_failed', payload: null });
    await controls(bus).judgeAlerts();
    for await (const event of events) {
      expect(event).toMatchObject({ topic: '$sys.alert.failed', type: 'alert_firing' });
      break;
    }
    const { alerts, transitions } = await client.alerts();
    expect(alerts.map(({ name, state, origin }) => [name, state, origin])).toEqual([
      ['failed', 'firing', 'stored'],
      ['fixed', 'ok', 'config'],
    ]);
    expect(transitions).toMatchObject([{ rule: { name: 'failed' }, state: 'firing' }]);
    expect(await client.removeAlert('failed')).toEqual({ removed: true });
    expect(await client.removeAlert('failed')).toEqual({ removed: false });
    await expect(client.removeAlert('fixed')).rejects.toMatchObject({ code: 'ALERT_FIXED' });
  });

  test('is refused a rule that is none, with the place of the fault', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { client } = connectTo((await bus.serve({ port: 0 })).url);
    await expect(client.setAlert({ ...RULE, when: 'any on' })).rejects.toMatchObject({
      code: 'ALERT_INVALID',
      details: { path: 'when', at: 6 },
    });
    await expect(client.removeAlert('A')).rejects.toMatchObject({ code: 'ALERT_INVALID' });
  });

  test('may only as an administrator of the whole bus, and each act is logged', async () => {
    const keysFile = join(temporaryDirectory(), 'keys.json');
    const operator = newKey({ name: 'operator', admin: ['*'] });
    const half = newKey({ name: 'half', admin: ['worker.*'], subscribe: ['*'] });
    writeKeys(keysFile, operator, half);
    const bus = await openTestBus({ shards: 1 });
    const { url } = await bus.serve({ port: 0, auth: { keysFile } });
    const { client } = connectTo(url, { getToken: () => half.key });
    const forbidden = { code: 'FORBIDDEN' };
    await expect(client.alerts()).rejects.toMatchObject(forbidden);
    await expect(client.setAlert(RULE)).rejects.toMatchObject(forbidden);
    await expect(client.removeAlert('failed')).rejects.toMatchObject(forbidden);
    const headers = { authorization: `Bearer ${operator.key}` };
    const set = await fetch(`${url}/v1/alerts/failed`, {
      method: 'PUT',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ when: WHEN }),
    });
    expect(set.status).toBe(200);
    const metrics = await (await fetch(`${url}/metrics`, { headers })).text();
    expect(metrics).toContain('millrace_admin_total{act="setAlert",result="refused"} 1');
    expect(metrics).toContain('millrace_admin_total{act="setAlert",result="done"} 1');
    expect(metrics).toContain('millrace_admin_total{act="removeAlert",result="refused"} 1');
  });

  test('and another one edit at once: each rule is that of one of them', async () => {
    const bus = await openTestBus({ shards: 1 });
    const gateways = [await bus.serve({ port: 0 }), await bus.serve({ port: 0 })];
    const clients = gateways.map(({ url }) => connectTo(url).client);
    const names = ['a', 'b', 'c', 'd'];
    await Promise.all(
      clients.flatMap((client, above) =>
        names.map((name) => client.setAlert({ name, when: `lag over ${above}` })),
      ),
    );
    const lists = await Promise.all(clients.map((client) => client.alerts()));
    expect(lists[0]).toEqual(lists[1]);
    expect(lists[0]!.alerts.map(({ name }) => name)).toEqual(names);
    for (const { text } of lists[0]!.alerts) expect(text).toMatch(/^lag over [01]$/);
  });
});

describe('alerts over HTTP', () => {
  const put = (url: string, body: string, type = 'application/json') =>
    fetch(url, { method: 'PUT', headers: { 'content-type': type }, body });

  test('are set, listed and removed', async () => {
    const bus = await openTestBus({ shards: 1 });
    const { url } = await bus.serve({ port: 0 });
    const set = await put(`${url}/v1/alerts/failed`, JSON.stringify({ when: RULE.when }));
    expect(set.status).toBe(200);
    expect(await set.json()).toMatchObject({ name: 'failed', when: WHEN, state: 'ok' });
    const list = await (await fetch(`${url}/v1/alerts`)).json();
    expect(list).toMatchObject({ alerts: [{ name: 'failed' }], transitions: [] });
    const remove = () => fetch(`${url}/v1/alerts/failed`, { method: 'DELETE' });
    expect(await (await remove()).json()).toEqual({ removed: true });
    expect(await (await remove()).json()).toEqual({ removed: false });
  });

  test.each<[string, string, number, string]>([
    ['failed', '{"when":"rain"}', 400, 'ALERT_INVALID'],
    ['failed', '{"name":"other","when":"lag over 5"}', 400, 'ALERT_INVALID'],
    ['failed', '[]', 400, 'ALERT_INVALID'],
    ['failed', '{', 400, 'MESSAGE_INVALID'],
    ['Failed', '{"when":"lag over 5"}', 400, 'ALERT_INVALID'],
    ['fixed', '{"when":"lag over 5"}', 409, 'ALERT_FIXED'],
    ['failed?x=1', '{"when":"lag over 5"}', 400, 'QUERY_INVALID'],
  ])('%s set to %s is refused with %d', async (name, body, status, code) => {
    const bus = await openTestBus({ shards: 1, alerts: [{ name: 'fixed', when: 'lag over 5' }] });
    const { url } = await bus.serve({ port: 0 });
    const answer = await put(`${url}/v1/alerts/${name}`, body);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ code });
    expect((await put(`${url}/v1/alerts/failed`, '{}', 'text/plain')).status).toBe(415);
  });
});
