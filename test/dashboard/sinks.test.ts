import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { connect } from '../../dist/client.js';
import { until } from '../bus/support/wait.js';
import { run, startServer, temporaryDirectory } from '../cli/support/command.js';
import { accept, answer, startReceiver } from '../sinks/webhook/support/receiver.js';
import { describeScreen } from './support/screen.js';

/** Sinks on the page: a problem on the overview, and their card among the consumers. */

const SECRET = `whsec_${Buffer.alloc(32, 5).toString('base64')}`;
const env = { HOOK_SECRET: SECRET };

function configFile(sinks: object, more: object = {}): string[] {
  const file = join(temporaryDirectory(), 'millrace.config.json');
  writeFileSync(file, JSON.stringify({ sinks, ...more }));
  return ['--config', file];
}

const hookTo = (url: string) => ({
  kind: 'webhook',
  consumer: { filter: 'orders.*', from: 'earliest', backoffMs: [100], maxAttempts: 1000 },
  url,
  secret: { env: 'HOOK_SECRET' },
  allow: ['loopback'],
});

async function newKey(dir: string, name: string, ...grants: readonly string[]): Promise<string> {
  const keys = ['--keys-file', join(dir, 'keys.json'), '--json'];
  const { stdout } = await run(['token', 'key', '--name', name, ...grants, ...keys]);
  return JSON.parse(stdout).key;
}

describeScreen('the sinks', ({ open, clientOf }) => {
  it('are told on the overview while one is refused or has failed, with a link to their card', async () => {
    let isOpen = false;
    const [gone, slow] = [
      await startReceiver(answer(410)),
      await startReceiver((...one) => (isOpen ? accept : answer(503, 'try later'))(...one)),
    ];
    const trail = join(temporaryDirectory(), 'trail');
    const config = configFile({
      billing: hookTo(`${gone.url}?token=s3cr3t`),
      shipping: hookTo(`${slow.url}?token=s3cr3t`),
      trail: { kind: 'audit', consumer: { filter: 'orders.*', from: 'earliest' }, path: trail },
    });
    const server = await startServer(undefined, config, env);
    const dashboard = await open(server);
    await dashboard.shows('All is well', '.overview');
    await clientOf(server).publish({ topic: 'orders.new', type: 'order_created', payload: 1 });
    await dashboard.shows(
      'Sink billing (webhook): It has ended with an error and is not started',
      '.problems',
    );
    await dashboard.shows('Sink shipping (webhook): It has failed for ', '.problems');
    expect(await dashboard.text('.problems')).not.toContain('Sink trail');
    await dashboard.picture('overview-sinks');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.page.locator('.problem a').click();
    await until('the card has the focus', () =>
      dashboard.page.evaluate('document.activeElement?.id === "show-sinks"').then(Boolean),
    );
    const card = '#show-sinks';
    await dashboard.shows('3 sinks', card);
    await dashboard.shows(`${gone.url}?…`, card);
    await dashboard.shows('HTTP 503 Service Unavailable: try later', card);
    const states = async () =>
      dashboard.page.$$eval(`${card} [role="row"] .tag`, (all) =>
        all.map((one) => String(Reflect.get(one, 'textContent'))),
      );
    expect(await states()).toEqual(['failed', 'waiting', 'running']);
    await dashboard.picture('sinks');
    expect(await dashboard.barriers()).toEqual([]);
    expect(await dashboard.page.content()).not.toMatch(/s3cr3t/);
    isOpen = true;
    await until(
      'the refused one goes on',
      async () => (await states()).join() === 'failed,running,running',
    );
    await dashboard.goTo('overview');
    await until('its problem is gone', async () => {
      const text = await dashboard.text('.problems').catch(() => '');
      return text.includes('billing') && !text.includes('shipping');
    });
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('have no card for a token that may not see the figures of the bus', async () => {
    const dir = temporaryDirectory();
    const receiver = await startReceiver();
    const all = await newKey(
      dir,
      'all',
      '--admin',
      '*',
      '--publish',
      '*',
      '--subscribe',
      '*',
      '--consume',
      '*',
    );
    const little = await newKey(dir, 'little', '--consume', 'shipping', '--subscribe', 'orders.*');
    const config = configFile({ shipping: hookTo(receiver.url) });
    const server = await startServer(dir, [...config, '--keys-file', join(dir, 'keys.json')], env);
    const signedIn = async (key: string) => {
      const dashboard = await open(server, 'consumers');
      await dashboard.shows('asks for a token');
      await dashboard.fill('Token', key);
      await dashboard.press('Sign in');
      await dashboard.shows('1 consumer', '.consumers');
      return dashboard;
    };
    await using client = connect(server.url, { getToken: () => all });
    await until('the sink is shown', async () => (await client.stats()).sinks.count === 1);
    const limited = await signedIn(little);
    expect(await limited.page.$('#show-sinks')).toBeNull();
    expect(await limited.page.content()).not.toContain(receiver.url);
    expect(limited.faults).toEqual([]);
    await limited.close();
    const full = await signedIn(all);
    await full.shows('1 sink', '#show-sinks');
    await full.close();
  });

  it('say that there are none', async () => {
    const dashboard = await open(await startServer(), 'consumers');
    await dashboard.shows('No sink runs on this bus', '#show-sinks');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.close();
  });
});
