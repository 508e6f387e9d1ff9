import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../bus/support/wait.js';
import { ask } from '../gateway/consumers/support.js';
import { run, startServer, type TestServer, temporaryDirectory } from './support/command.js';

/** Alerts on consumers, at the doors of a server in a process of its own. */

interface Alert {
  readonly name: string;
  readonly state: string;
  readonly value?: number;
  readonly fault?: string;
  readonly origin?: string;
}

async function alertsOf(server: TestServer): Promise<Record<string, Alert>> {
  const { body } = await ask(server.url, 'GET', '/v1/alerts');
  return Object.fromEntries(body.alerts.map((alert: Alert) => [alert.name, alert]));
}

const becomes = (server: TestServer, name: string, state: string): Promise<void> =>
  until(
    `${name} is ${state}`,
    async () => (await alertsOf(server))[name]?.state === state,
    120_000,
  );

describe('an alert on a consumer', () => {
  it('comes from the config file, HTTP and the command line, and stands after the server was killed', {
    timeout: 300_000,
  }, async () => {
    const dir = temporaryDirectory();
    const config = join(dir, 'c.json');
    const fixed = [{ name: 'stuck', when: 'consumer worker blocked', severity: 'critical' }];
    writeFileSync(config, JSON.stringify({ alerts: fixed }));
    const begin = () => startServer(join(dir, 'data'), ['--shards', '2', '--config', config]);
    const server = await begin();
    const put = await ask(server.url, 'PUT', '/v1/alerts/behind', {
      when: 'consumer worker pending over 9',
    });
    expect(put).toMatchObject({ status: 200 });
    const set = await server.run(['alerts', 'set', 'dead', 'consumer worker dead > 0']);
    expect(set).toMatchObject({ code: 0, stderr: 'millrace: dead: consumer worker dead over 0\n' });
    const fault = 'there is no consumer "worker"';
    const alone = { state: 'ok', fault };
    expect(await alertsOf(server)).toMatchObject({ stuck: alone, behind: alone, dead: alone });
    await ask(server.url, 'PUT', '/v1/consumers/worker', { filter: 'jobs.*', from: 'earliest' });
    const events = Array.from({ length: 11 }, (_, n) => ({
      topic: `jobs.${n}`,
      type: 'job',
      payload: n,
    }));
    await ask(server.url, 'POST', '/v1/events', events);
    await becomes(server, 'behind', 'firing');
    await server.stop('SIGKILL');
    const next = await begin();
    await becomes(next, 'behind', 'firing');
    const after = await alertsOf(next);
    expect(after).toMatchObject({
      stuck: { state: 'ok', origin: 'config' },
      behind: { value: 11, origin: 'stored' },
      dead: { state: 'ok', value: 0, origin: 'stored' },
    });
    expect(after.behind).not.toHaveProperty('fault');
    const path = '/v1/consumers/worker';
    const [taken] = (await ask(next.url, 'POST', `${path}/pull`, { waitMs: 30_000 })).body;
    await ask(next.url, 'POST', `${path}/term`, { lease: taken.lease, reason: 'broken' });
    await becomes(next, 'dead', 'firing');
    await next.run(['consumers', 'pause', 'worker']);
    await becomes(next, 'stuck', 'firing');
    const list = await next.run(['alerts', 'list']);
    expect(list.stdout).toMatch(/^stuck +firing .*critical +config +consumer worker blocked$/m);
    await ask(next.url, 'DELETE', path);
    await until('all are over', async () =>
      Object.values(await alertsOf(next)).every((one) => one.state === 'ok' && one.fault === fault),
    );
  });

  it('is refused where its condition is none, at every door', { timeout: 300_000 }, async () => {
    const server = await startServer();
    const wrong = [
      'consumer worker pending over',
      'consumer worker pending over many',
      'consumer worker asleep',
      'consumer a..b blocked',
      'consumer worker blocked over 3',
      'consumer',
    ];
    for (const when of wrong) {
      const put = await ask(server.url, 'PUT', '/v1/alerts/x', { when });
      expect({ status: put.status, code: put.body.code }, when).toEqual({
        status: 400,
        code: 'ALERT_INVALID',
      });
      const set = await server.run(['alerts', 'set', 'x', when]);
      expect({ code: set.code, stdout: set.stdout }, when).toEqual({ code: 2, stdout: '' });
      expect(set.stderr, when).toContain('ALERT_INVALID');
    }
    expect(await alertsOf(server)).toEqual({});
    const config = join(temporaryDirectory(), 'c.json');
    writeFileSync(config, JSON.stringify({ alerts: [{ name: 'x', when: wrong[0] }] }));
    const refused = await run([
      'serve',
      '--dir',
      temporaryDirectory(),
      '--port',
      '0',
      '--config',
      config,
    ]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('alerts');
  });
});
