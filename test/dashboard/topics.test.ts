import { openBus } from 'millrace';
import type { Page } from 'puppeteer-core';
import { expect, it } from 'vitest';
import { openTestBus } from '../bus/support/open.js';
import { until } from '../bus/support/wait.js';
import { startServer, type TestServer, temporaryDirectory } from '../cli/support/command.js';
import type { Dashboard } from './support/dashboard.js';
import { describeScreen } from './support/screen.js';

const MANY = 100_000;

describeScreen('the topics screen', ({ open, clientOf }) => {
  const names = (dashboard: Dashboard): Promise<string[]> =>
    dashboard.page.$$eval('.tree-row .name a', (links) =>
      links.map((link) => String(Reflect.get(link, 'title'))),
    );

  it('shows topics as a tree with counts, opens branches by mouse and keyboard, and finds names', async () => {
    const server = await startServer(temporaryDirectory(), ['--shards', '2']);
    const config = ['orders.created', 'orders.paid', 'orders.paid.twice', 'users.joined'];
    for (const topic of config) {
      await server.run(['pub', topic, '{"n":1}', '--type', 'note', '--count', '3']);
    }
    const dashboard = await open(server, 'topics');
    await dashboard.shows('users');
    expect(await names(dashboard)).toEqual([
      'orders',
      'orders.created',
      'orders.paid',
      'orders.paid.twice',
      'users',
      'users.joined',
    ]);
    await dashboard.shows('4 topics, 12 events', '[role=status]:not(.hidden)');
    await dashboard.press('Close orders');
    await until('orders is closed', async () => (await names(dashboard)).length === 3);
    await dashboard.page.focus('[role=tree]');
    await dashboard.page.keyboard.press('Home');
    await dashboard.page.keyboard.press('ArrowRight');
    await until('orders is open', async () => (await names(dashboard)).length === 6);
    await server.run(['pub', 'users.left', '{}', '--type', 'note']);
    await dashboard.shows('left', '.tree');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.picture('topics');
    await dashboard.fill('Find topics', 'PAID');
    await until('two topics are found', async () => (await names(dashboard)).length === 2);
    expect(await dashboard.page.evaluate('location.hash')).toBe('#/topics?find=PAID');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('says of topics how long they are kept, and nothing of branches that are none', async () => {
    const retention = [{ pattern: 'orders.*', maxAgeMs: 604_800_000 }];
    const bus = await openTestBus({ shards: 1, retention });
    for (const topic of ['notes', 'orders.eu.new'])
      await bus.publish({ topic, type: 't', payload: 1 });
    const dashboard = await open(await bus.serve({ port: 0 }), 'topics');
    await dashboard.shows('7 d', '.topics');
    const kept = await dashboard.page.$$eval('.tree-row .kept', (cells) =>
      cells.map((cell) => String(Reflect.get(cell, 'innerText'))),
    );
    expect(kept).toEqual(['for ever', '', '', '7 d (orders.*)']);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('keeps open what is open while the number of topics grows', async () => {
    const server = await startServer();
    const client = clientOf(server);
    await client.publish({ topic: 'orders.created', type: 'note', payload: 1 });
    const dashboard = await open(server, 'topics');
    await dashboard.shows('created', '.tree');
    const inputs = Array.from({ length: 300 }, (_, n) => ({
      topic: `users.${n}`,
      type: 'note',
      payload: 1,
    }));
    await client.publishMany(inputs, { durability: 'written' });
    await dashboard.shows('301 topics', '[role=status]:not(.hidden)');
    await dashboard.shows('created', '.tree');
    await dashboard.close();
  });

  it('asks for nothing while its tab is hidden, and at once when it is shown again', async () => {
    const server = await startServer();
    const client = clientOf(server);
    await client.publish({ topic: 'orders.created', type: 'note', payload: 1 });
    const dashboard = await open(server, 'topics');
    await dashboard.shows('1 topic,', '[role=status]:not(.hidden)');
    await dashboard.page.evaluate(WATCH_LISTS);
    await dashboard.page.evaluate(WATCH_POLLS);
    const asked = async () => Number(await dashboard.page.evaluate('asked'));
    const turns = async (more: number): Promise<void> => {
      const last = Number(await dashboard.page.evaluate('polls')) + more;
      await until('the page would ask', async () =>
        dashboard.page.evaluate(`polls >= ${last}`).then(Boolean),
      );
    };
    await turns(1);
    await until('the page has asked', async () => (await asked()) > 0);
    await setHidden(dashboard.page, true);
    await turns(1);
    const before = await asked();
    await client.publish({ topic: 'orders.paid', type: 'note', payload: 1 });
    await turns(2);
    expect(await asked()).toBe(before);
    expect(await dashboard.text('[role=status]:not(.hidden)')).toContain('1 topic,');
    await setHidden(dashboard.page, false);
    await dashboard.shows('2 topics,', '[role=status]:not(.hidden)');
    await dashboard.close();
  });

  it('stays usable with 100,000 topics: few rows in the document, and every one can be reached', async () => {
    const server = await serverOfMany();
    const dashboard = await open(server);
    await dashboard.page.evaluate(WATCH_LISTS);
    await dashboard.page.evaluate(WATCH_TEXTS);
    await dashboard.goTo('topics');
    await dashboard.shows('100,000 topics, 100,000 events', '[role=status]:not(.hidden)');
    expect((await names(dashboard)).length).toBeLessThan(100);
    await dashboard.page.focus('[role=tree]');
    await dashboard.page.keyboard.press('End');
    await until('the last branch is in sight', async () =>
      (await names(dashboard)).includes('tenant09'),
    );
    await dashboard.page.keyboard.press('ArrowRight');
    await until('the branch is open', async () =>
      (await names(dashboard)).includes('tenant09.device'),
    );
    for (let n = 0; n < 20; n++) await dashboard.page.keyboard.press('ArrowUp');
    await dashboard.page.focus('input[type=search]');
    await dashboard.page.keyboard.type('d');
    await dashboard.shows('100,000 of 100,000 topics', '[role=status]:not(.hidden)');
    await dashboard.page.evaluate('lowered = 0');
    await dashboard.page.keyboard.type('evice.099999');
    await until('one topic is found', async () => (await names(dashboard)).length === 1);
    // One text for each letter, and no name again. How long a letter takes, bench/dashboard-topics.js judges.
    expect(await dashboard.page.evaluate('lowered')).toBeLessThan(1000);
    expect(await dashboard.page.evaluate('asked')).toBe(1);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  }, 180_000);
});

/** A server with 100,000 topics, 1,000 in each of 100 branches. */
async function serverOfMany(): Promise<TestServer> {
  const dir = temporaryDirectory();
  await using bus = await openBus({ dir, shards: 2 });
  for (let from = 0; from < MANY; from += 10_000) {
    const inputs = Array.from({ length: 10_000 }, (_, n) => {
      const number = String(from + n).padStart(6, '0');
      return { topic: `tenant${number.slice(0, 2)}.device.${number}`, type: 'note', payload: 1 };
    });
    await bus.publishMany(inputs, { durability: 'written' });
  }
  await bus.close();
  return startServer(dir);
}

/** Runs in the page: counts how often it asks for the list of topics. */
const WATCH_LISTS = `
  globalThis.asked = 0;
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (frame) {
    if (String(frame).includes('"type":"topics"')) asked++;
    return send.call(this, frame);
  };
`;

/** Runs in the page: counts the texts that are made lower case, the work of a search. */
const WATCH_TEXTS = `
  globalThis.lowered = 0;
  const { toLowerCase } = String.prototype;
  String.prototype.toLowerCase = function () {
    lowered++;
    return toLowerCase.call(this);
  };
`;

/** Runs in the page: counts the turns in which a screen would ask the server again. */
const WATCH_POLLS = `
  globalThis.polls = 0;
  const { setTimeout } = globalThis;
  globalThis.setTimeout = (run, ms) => setTimeout(() => {
    if (ms === 2000) polls++;
    run();
  }, ms);
`;

/** Tells the page that its tab was hidden, or shown. */
async function setHidden(page: Page, isHidden: boolean): Promise<void> {
  await page.evaluate((hidden) => {
    const document = Reflect.get(globalThis, 'document');
    Object.defineProperty(document, 'hidden', { configurable: true, value: hidden });
    document.dispatchEvent(new Event('visibilitychange'));
  }, isHidden);
}
