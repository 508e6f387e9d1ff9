import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { connect, payloadText, withPayloadText } from '../../dist/client.js';
import { defineTopic } from '../bus/support/millrace.js';
import { openTestBus } from '../bus/support/open.js';
import { until } from '../bus/support/wait.js';
import { run, startServer, temporaryDirectory } from '../cli/support/command.js';
import { neededCommand } from '../support/needed-command.js';
import { publishAgentRun } from './support/agent-run.js';
import { openDashboard, openDashboardBrowser } from './support/dashboard.js';

const chromium = neededCommand('chromium', 'publishing in a browser');

describe.runIf(chromium !== undefined)('the screen for publishing', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await openDashboardBrowser(chromium!);
  });

  afterAll(async () => {
    await browser?.close();
  });

  it('publishes an event, shows the whole ack or the refusal, and loads what was sent again', async () => {
    const server = await startServer();
    const dashboard = await openDashboard(browser, server.url, 'publish');
    await dashboard.shows('Sent in this tab', '.sent');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.fill('Topic', 'orders.new');
    await dashboard.fill('Type', 'order_created');
    await dashboard.fill('Payload, JSON', '{\n  "total": 3,\n}');
    await dashboard.shows('Line 3, column 1', '.payload-state');
    await dashboard.fill('Payload, JSON', '{ "total": 3 }');
    await dashboard.shows('Valid JSON', '.payload-state');
    await dashboard.page.locator('.more summary').click();
    await dashboard.fill('Id', 'order-1');
    await dashboard.fill('Correlation id', 'run-9');
    await dashboard.page.locator('.publish-form .primary').click();
    await dashboard.shows('published', '.outcome');
    for (const part of ['order-1', 'orders.new', 'Shard', 'synced', 'Cursor']) {
      await dashboard.shows(part, '.outcome');
    }
    await using client = connect(server.url);
    const stored = await client.get('orders.new', 'order-1');
    expect(stored).toMatchObject({
      type: 'order_created',
      payload: { total: 3 },
      source: 'dashboard',
      correlationId: 'run-9',
    });
    const other = {
      topic: 'orders.new',
      type: 'other',
      source: 'other',
      id: 'order-1',
      payload: 1,
    };
    await client.publish(other, { idScope: 'source' });
    await dashboard.press('Open it');
    await dashboard.shows('order_created', '.event-drawer h2');
    await dashboard.shows('dashboard', '.event-drawer .envelope');
    await dashboard.page.keyboard.press('Escape');
    await dashboard.page.locator('.publish-form .primary').click();
    await dashboard.shows('the bus had stored this id', '.outcome');
    await dashboard.fill('Topic', 'orders..new');
    await dashboard.page.locator('.publish-form .primary').click();
    await dashboard.shows('TOPIC_INVALID', '.outcome');
    await dashboard.picture('publish');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.page.locator('.sent li:last-child button').click();
    await until('the first event is in the form again', async () => {
      const topic = await dashboard.page.$eval('#publish-topic', (field) =>
        Reflect.get(field, 'value'),
      );
      return topic === 'orders.new';
    });
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('fills the form with the event of the address', async () => {
    const server = await startServer();
    await using client = connect(server.url);
    const event = { topic: 'orders.new', type: 'order_created', payload: { total: 3 }, id: 'o1' };
    await client.publish(event);
    const dashboard = await openDashboard(browser, server.url, 'publish?copy=orders.new%2Fo1');
    await until('the form is filled', async () => {
      const type = await dashboard.page
        .$eval('#publish-type', (field) => Reflect.get(field, 'value'))
        .catch(() => '');
      return type === 'order_created';
    });
    await dashboard.page.locator('.publish-form .primary').click();
    await dashboard.shows('published', '.outcome');
    await until('there are two', async () => (await client.query({ topic: '*' })).length === 2);
    await dashboard.close();
  });

  it('publishes an event once for keys that are held down, and not without a faulty attribute', async () => {
    const server = await startServer();
    const dashboard = await openDashboard(browser, server.url, 'publish');
    const { page } = dashboard;
    await dashboard.fill('Topic', 'orders.new');
    await dashboard.fill('Type', 'order_created');
    await dashboard.fill('Payload, JSON', '{"id":9007199254740993}');
    await dashboard.press('Format');
    await page.locator('.more summary').click();
    await dashboard.fill('Attributes', 'region');
    await page.keyboard.down('Control');
    await page.keyboard.press('Enter');
    await dashboard.shows('not of the form key=value', '.more');
    await page.keyboard.up('Control');
    await page.locator('.more summary').click();
    await page.locator('.publish-form .primary').click();
    await until('the fields around the fault are open', () =>
      page.$eval('.more', (details) => Reflect.get(details, 'open') === true),
    );
    await dashboard.fill('Attributes', 'region=eu');
    await page.keyboard.down('Control');
    for (let turn = 0; turn < 5; turn++) await page.keyboard.down('Enter');
    await page.keyboard.up('Enter');
    await page.keyboard.up('Control');
    await dashboard.shows('published', '.outcome');
    await using client = connect(server.url);
    const stored = await client.query({ topic: '*' }, { keepPayloadText: true });
    expect(stored.map(({ attributes }) => attributes)).toEqual([{ region: 'eu' }]);
    expect(payloadText(stored[0]!)).toContain('9007199254740993');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('publishes an ephemeral event again, and keeps what was in the form', async () => {
    const server = await startServer();
    const dashboard = await openDashboard(browser, server.url, 'publish');
    await dashboard.fill('Type', 'half_written');
    await dashboard.goTo('stream?from=now');
    // The state of the stream, not the button of that name, which is there before the stream has begun.
    await dashboard.shows('Live', '.tail-state');
    await using client = connect(server.url);
    const event = { topic: 'a.b', type: 'progress', payload: { id: 2 ** 60 } };
    await client.publish(event, { persist: false });
    await dashboard.shows('progress', '.stream');
    await dashboard.page.locator('.stream-row').click();
    await dashboard.press('Publish again …');
    await dashboard.shows('The event is ephemeral', '.publish-form');
    await dashboard.shows('The form held half_written', '.publish-form');
    await dashboard.page.locator('.publish-form .primary').click();
    await dashboard.shows('none: it is ephemeral', '.outcome');
    await dashboard.press('Bring it back');
    await until('the form is as before', async () => {
      const type = await dashboard.page.$eval('#publish-type', (field) =>
        Reflect.get(field, 'value'),
      );
      return type === 'half_written';
    });
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('shows a running replay and its Stop whatever the address says, and its copies are exact', async () => {
    const server = await startServer();
    await using client = connect(server.url);
    const text = '{"id":9007199254740993,"many":1e400,"key":1,"key":2}';
    const events = Array.from({ length: 60 }, () =>
      withPayloadText({ topic: 'orders.new', type: 'order_created' }, text),
    );
    await client.publishMany(events);
    const dashboard = await openDashboard(
      browser,
      server.url,
      'publish?mode=replay&topic=orders.*',
    );
    await dashboard.fill('To the topic', 'copies.all');
    await dashboard.press('Dry run');
    await dashboard.shows('60 events', '.dry-run');
    await dashboard.fill('Events per second', '9000');
    await dashboard.shows('a whole number from 1 to 5,000', '.replay-run');
    await dashboard.fill('Events per second', '10');
    await dashboard.press('Publish the copies');
    await dashboard.shows('Publishing', '.replay-run');
    await dashboard.goTo('publish');
    await dashboard.shows('publishing', '.publish-ways');
    await dashboard.goTo('publish?mode=replay&topic=a.*&to=elsewhere');
    await dashboard.shows('events of orders.* to copies.all', '.replay-run');
    expect(
      await dashboard.page.$eval('#replay-target', (field) =>
        Reflect.get(field, 'matches').call(field, ':disabled'),
      ),
    ).toBe(true);
    await dashboard.press('Stop');
    await until(
      'the replay is stopped',
      async () => (await dashboard.page.$('.replay-run')) === null,
    );
    const copies = await client.query({ topic: 'copies.all' }, { keepPayloadText: true });
    expect(copies.length).toBeGreaterThan(0);
    expect(copies.length).toBeLessThan(60);
    expect(new Set(copies.map(payloadText))).toEqual(new Set([text]));
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('replays a range after a dry run, at a rate, stops, and goes on where it was', async () => {
    const server = await startServer();
    const { events } = await publishAgentRun(server.url, 'run-42');
    const place = 'publish?mode=replay&topic=*&correlationId=run-42&to=copies.all';
    const dashboard = await openDashboard(browser, server.url, place);
    await dashboard.press('Dry run');
    await dashboard.shows(`${events} events`, '.dry-run');
    await dashboard.shows('user_input', '.dry-run');
    // A single star is every topic, the target as well.
    await dashboard.shows('one of the topics that are replayed', '.replay-form');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.press('Publish to a topic that is replayed');
    await dashboard.fill('Events per second', '20');
    await dashboard.press('Publish the copies');
    await until('some copies are there', async () =>
      /: [1-9]/.test(await dashboard.text('.replay-run')),
    );
    await dashboard.press('Stop');
    await dashboard.shows('Stopped', '.replay-run');
    await dashboard.picture('replay');
    await dashboard.fill('Events per second', '1000');
    await dashboard.press('Go on');
    await dashboard.shows(`Done: ${events} of ${events} events`, '.replay-run');
    await using client = connect(server.url);
    const all = await client.query({ topic: '*', correlationIds: ['run-42'], limit: 1000 });
    const copies = all.filter(({ topic }) => topic === 'copies.all');
    const originals = all.filter(({ topic }) => topic !== 'copies.all');
    expect(copies.map(({ attributes }) => attributes?.replayedFrom)).toEqual(
      originals.map(({ id }) => id),
    );
    expect(copies.map(({ payload }) => payload)).toEqual(originals.map(({ payload }) => payload));
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('shows the time of the address in its field, whatever was typed before', async () => {
    const server = await startServer();
    const place = 'publish?mode=replay&topic=*&to=copies.all';
    const dashboard = await openDashboard(browser, server.url, place);
    const { page } = dashboard;
    const since = `::-p-aria(Recorded at or after)`;
    const shown = (): Promise<unknown> =>
      page
        .locator(since)
        .map((field) => Reflect.get(field, 'value'))
        .wait();
    await page.locator(since).fill('2026-01-31T12:00:00');
    await page.keyboard.press('Enter');
    await until('the address has it', async () => page.url().includes('since=2026-01-31'));
    const label = await page.evaluate('document.activeElement.labels[0].textContent');
    expect(label).toBe('Recorded at or after');
    await dashboard.goTo(`${place}&since=2026-02-01T12:00:00Z`);
    await until('the field follows', async () => String(await shown()).startsWith('2026-02-01'));
    await dashboard.goTo(place);
    await until('the field is empty', async () => (await shown()) === '');
    await page.locator(since).click();
    await page.keyboard.press('Tab');
    await page.focus('#replay-target');
    expect(page.url()).not.toContain('since');
    await dashboard.close();
  });

  it('finishes a replay whose server is killed meanwhile, and stores each copy once', async () => {
    const server = await startServer();
    const { events } = await publishAgentRun(server.url, 'run-42');
    const place = 'publish?mode=replay&topic=*&correlationId=run-42&to=copies.all';
    const dashboard = await openDashboard(browser, server.url, place);
    await dashboard.press('Dry run');
    await dashboard.press('Publish to a topic that is replayed');
    await dashboard.fill('Events per second', '30');
    await dashboard.press('Publish the copies');
    await until('some copies are there', async () =>
      /: [1-9]/.test(await dashboard.text('.replay-run')),
    );
    await server.stop('SIGKILL');
    await dashboard.shows('Not connected', '.connection');
    const again = await startServer(server.dir, ['--port', String(server.port)]);
    await dashboard.shows(`Done: ${events} of ${events} events`, '.replay-run');
    await using client = connect(again.url);
    const copies = await client.query({ topic: 'copies.all', limit: 1000 });
    expect(new Set(copies.map(({ attributes }) => attributes?.replayedFrom)).size).toBe(events);
    expect(copies).toHaveLength(events);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('shows the schema of a registered topic, checks the payload, and fills in an example', async () => {
    const order = z.object({ id: z.string(), total: z.number().min(1) });
    const bus = await openTestBus({ shards: 1, topics: [defineTopic('orders.*', order)] });
    const { url } = await bus.serve({ port: 0 });
    const dashboard = await openDashboard(browser, url, 'publish');
    await dashboard.fill('Topic', 'orders.new');
    await dashboard.shows('"total"', '.schema');
    await dashboard.shows('payload: "id" is missing.', '.misfit');
    await dashboard.fill('Payload, JSON', '{"id":"a","total":0}');
    await dashboard.shows('payload.total: 0 is less than 1.', '.misfit');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.picture('publish-misfit');
    await dashboard.press('Fill in an example');
    await dashboard.shows('It fits the schema', '.payload-state');
    await until('the example is the payload', async () => {
      const text = await dashboard.page.$eval('#publish-payload', (field) =>
        String(Reflect.get(field, 'value')),
      );
      return text.includes('"total": 1');
    });
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.picture('publish-schema');
    await dashboard.fill('Type', 'order_created');
    await dashboard.page.locator('.publish-form .primary').click();
    await dashboard.shows('published', '.outcome');
    // The validator decides, whatever the page thinks of the payload.
    await dashboard.fill('Payload, JSON', '{"total":"many"}');
    await dashboard.shows('is of the type string; expected is "number"', '.misfit');
    await dashboard.page.locator('.publish-form .primary').click();
    await dashboard.shows('PAYLOAD_INVALID', '.outcome');
    await dashboard.shows('"issues"', '.outcome');
    expect(await bus.query({ topic: '*' })).toHaveLength(1);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('is not there in a read-only dashboard, nor for a token that may not publish', async () => {
    const readOnly = await startServer(temporaryDirectory(), ['--dashboard-read-only']);
    const dashboard = await openDashboard(browser, readOnly.url, 'publish');
    await dashboard.shows('The dashboard is read-only here', '.screen');
    expect(await dashboard.text('.side')).not.toContain('Publish');
    await dashboard.close();
    const dir = temporaryDirectory();
    const keys = `${dir}/keys.json`;
    const flags = ['--name', 'reader', '--subscribe', '*', '--keys-file', keys, '--json'];
    const { key } = JSON.parse((await run(['token', 'key', ...flags])).stdout);
    const guarded = await startServer(dir, ['--keys-file', keys]);
    const reader = await openDashboard(browser, guarded.url, 'publish');
    await reader.fill('Token', key);
    await reader.press('Sign in');
    await reader.shows('Your token may not open this screen', '.screen');
    expect(await reader.text('.side')).not.toContain('Publish');
    await reader.close();
  });
});
