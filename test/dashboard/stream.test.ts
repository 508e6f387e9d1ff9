import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../dist/client.js';
import { until } from '../bus/support/wait.js';
import { run, startServer, type TestServer, temporaryDirectory } from '../cli/support/command.js';
import { neededCommand } from '../support/needed-command.js';
import { type Dashboard, openDashboard, openDashboardBrowser, PHONE } from './support/dashboard.js';

const chromium = neededCommand('chromium', 'the stream in a browser');

const ROWS = '.stream-list .virtual';

async function publish(
  server: TestServer,
  topics: readonly string[],
  fields: { type?: string; source?: string } = {},
): Promise<void> {
  await using client = connect(server.url);
  await client.publishMany(
    topics.map((topic, n) => ({ topic, type: 'order_created', payload: { n }, ...fields })),
  );
}

const hash = (dashboard: Dashboard): Promise<unknown> => dashboard.page.evaluate('location.hash');

describe.runIf(chromium !== undefined)('the stream', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await openDashboardBrowser(chromium!);
  });

  afterAll(async () => {
    await browser?.close();
  });

  it('shows what was and what comes, of the topics that are chosen, and keeps the choice in the address', async () => {
    const server = await startServer();
    await publish(server, ['orders.new', 'refunds.new']);
    const dashboard = await openDashboard(browser, server.url, 'stream');
    await dashboard.shows('orders.new', ROWS);
    await dashboard.shows('refunds.new', ROWS);
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.page.locator('.filter-bar input').click();
    await dashboard.page.keyboard.type('ord');
    await dashboard.shows('orders.*', '.offers');
    await dashboard.page.keyboard.press('ArrowDown');
    await dashboard.page.keyboard.press('Enter');
    await until('only orders are shown', async () => {
      const rows = await dashboard.text(ROWS);
      return rows.includes('orders.new') && !rows.includes('refunds.new');
    });
    expect(await hash(dashboard)).toBe('#/stream?topic=orders.*');
    await publish(server, ['orders.later', 'refunds.later']);
    await dashboard.shows('orders.later', ROWS);
    expect(await dashboard.text(ROWS)).not.toContain('refunds');
    await dashboard.picture('stream');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('goes on after a pause where it was', async () => {
    const server = await startServer();
    const dashboard = await openDashboard(browser, server.url, 'stream');
    await dashboard.shows('Live', '.tail-state');
    await publish(server, ['before.one']);
    await dashboard.shows('before.one', ROWS);
    await dashboard.press('Pause');
    await dashboard.shows('Paused', '.tail-state');
    await publish(server, ['during.one', 'during.two']);
    // The address holds the place: whoever opens it goes on from there too.
    const other = await openDashboard(browser, server.url, String(await hash(dashboard)).slice(2));
    await other.press('Go on');
    await other.shows('during.two', ROWS);
    await until('both are counted', async () => (await other.text('.matched')) === '2');
    await other.close();
    await dashboard.press('Go on');
    await dashboard.shows('during.two', ROWS);
    // A change of the state draws the rows at once, the counts follow with the next frame.
    await until('all three are counted', async () => (await dashboard.text('.matched')) === '3');
    await dashboard.close();
  });

  it('keeps in sight what somebody reads, and tells how many events are new', async () => {
    const server = await startServer();
    await publish(server, Array(200).fill('old.event'));
    const dashboard = await openDashboard(browser, server.url, 'stream?from=earliest');
    await dashboard.shows('200', '.matched');
    await dashboard.page.locator(ROWS).scroll({ scrollTop: 1000 });
    await dashboard.shows('To the end', '.to-end');
    const before = await dashboard.text(ROWS);
    await publish(server, ['new.one', 'new.two']);
    await dashboard.shows('2 new, to the end', '.to-end');
    expect(await dashboard.text(ROWS)).toBe(before);
    await dashboard.page.locator('.to-end').click();
    await dashboard.shows('new.two', ROWS);
    expect(await dashboard.page.$('.to-end')).toBeNull();
    // The keyboard alone: up to a row, and its event.
    await dashboard.page.keyboard.press('ArrowUp');
    await dashboard.page.keyboard.press('ArrowUp');
    await dashboard.page.keyboard.press('Enter');
    await dashboard.shows('new.one', '.event-drawer');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('shows gaps and ephemeral events where they are', async () => {
    const server = await startServer();
    await publish(server, ['a.1', 'a.2', 'a.3']);
    await using client = connect(server.url);
    const [first] = await client.query({ topic: '*' });
    await client.prune({ pattern: '*', maxEvents: 1 });
    const place = `stream?from=after:${first!.cursor}`;
    const dashboard = await openDashboard(browser, server.url, place);
    await dashboard.shows('a.3', ROWS);
    expect(await dashboard.text(ROWS)).toMatch(/^Gap: up to 1 event of shard 0 \(2 to 2\).*a\.3/s);
    const event = { topic: 'a.4', type: 't', payload: 1 };
    await client.publish(event, { persist: false });
    await dashboard.shows('ephemeral', ROWS);
    const legend = (): Promise<string> => dashboard.text('.legend');
    expect(await legend()).not.toContain('not stored');
    await dashboard.page.focus('.legend summary');
    await dashboard.page.keyboard.press('Enter');
    for (const part of ['ephemeral', 'live and not stored', 'again', 'further up']) {
      await dashboard.shows(part, '.legend');
    }
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.picture('stream-marks');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('says on a quiet stream that the connection was lost and that it is back', async () => {
    const first = await startServer();
    const dashboard = await openDashboard(browser, first.url, 'stream?from=now');
    await dashboard.shows('Live', '.tail-state');
    await first.stop('SIGKILL');
    await dashboard.shows('The connection was lost', ROWS);
    await startServer(first.dir, ['--port', String(first.port)]);
    await dashboard.shows('Connected again', ROWS);
    expect(await dashboard.text(ROWS)).toMatch(/lost.*again/s);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('offers nothing that cannot help where the search of the address cannot be read', async () => {
    const server = await startServer();
    await publish(server, ['orders.new']);
    const dashboard = await openDashboard(browser, server.url, 'stream?search=(');
    await dashboard.shows('The search cannot be read', '.notice');
    expect(await dashboard.page.$('.notice button')).toBeNull();
    await dashboard.press('History');
    await dashboard.shows('0 found', '.counts');
    await dashboard.shows('The search cannot be read', '.notice');
    expect(await dashboard.page.$('.tail-bar .primary, .notice button')).toBeNull();
    await dashboard.fill('Search', 'payload exists');
    await dashboard.page.keyboard.press('Enter');
    await dashboard.shows('All searched', '.tail-state');
    expect(await dashboard.text('.counts')).toBe('1 found in 1 events');
    await dashboard.close();
  });

  it('searches what comes and what is stored, and says what is wrong with a search', async () => {
    const server = await startServer();
    await using client = connect(server.url);
    const orders = Array.from({ length: 2500 }, (_, n) => ({
      topic: 'orders.new',
      type: n % 2 === 0 ? 'order_created' : 'refund.made',
      payload: { order: { total: n } },
    }));
    await client.publishMany(orders);
    const dashboard = await openDashboard(browser, server.url, 'stream?from=now');
    await dashboard.shows('Live', '.tail-state');
    await dashboard.fill('Search', 'order.total > 2400');
    await dashboard.shows('Did you mean "payload.order.total"', '.search .fault');
    await dashboard.fill('Search', 'payload.order.total > 2400');
    await dashboard.page.keyboard.press('Enter');
    await dashboard.press('History');
    await dashboard.shows('All searched', '.tail-state');
    expect(await dashboard.text('.counts')).toBe('99 found in 2,500 events');
    await dashboard.goTo('stream?in=history&category=refund&search=total');
    await dashboard.shows('Stopped: there may be more', '.tail-state');
    expect(await dashboard.text('.counts .matched')).toBe('1,000');
    await dashboard.press('Go on');
    await dashboard.shows('All searched', '.tail-state');
    expect(await dashboard.text('.counts')).toBe('1,250 found in 2,500 events');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.picture('history');
    await dashboard.goTo('stream?from=now&search=payload.order.total exists');
    await dashboard.shows('Live', '.tail-state');
    await client.publishMany([{ ...orders[0]!, payload: { other: 1 } }, orders[1]!]);
    await until('one of two matches', async () =>
      /1 events of 2/.test(await dashboard.text('.counts')),
    );
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('begins where the address says, and says what is missing in its field', async () => {
    const server = await startServer();
    await publish(server, Array(8).fill('orders.new'));
    const dashboard = await openDashboard(browser, server.url, 'stream?from=last:3');
    await dashboard.shows('3', '.counts .matched');
    const number = '.from-box input';
    const active = (): Promise<unknown> =>
      dashboard.page.evaluate('document.activeElement.ariaLabel');
    await dashboard.fill('How many events', '5');
    await dashboard.page.keyboard.press('Enter');
    await until('five are shown', async () => (await dashboard.text('.matched')) === '5');
    expect(await hash(dashboard)).toBe('#/stream?from=last%3A5');
    expect(await active()).toBe('How many events');
    await dashboard.fill('How many events', '50000');
    await dashboard.page.keyboard.press('Enter');
    await dashboard.shows('A number from 1 to 20,000', '.from .fault');
    expect(await dashboard.text('.matched')).toBe('5');
    expect(await active()).toBe('How many events');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.page.select('.from-box select', 'after');
    await dashboard.page.locator('.from-box input').click();
    await dashboard.page.keyboard.press('Enter');
    await dashboard.shows('A cursor is missing here', '.from .fault');
    // A kind that was only looked at gives way to the address.
    await dashboard.goTo('stream?from=last:2');
    await until('the field follows', async () =>
      dashboard.page
        .$eval(number, (field) => Reflect.get(field, 'value') === '2')
        .catch(() => false),
    );
    await dashboard.goTo('stream?from=constructor');
    await dashboard.shows('"constructor" is no place to begin from', '.notice');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('keeps what is typed on its screen when the screen changes', async () => {
    const server = await startServer();
    const dashboard = await openDashboard(browser, server.url, 'stream?from=now');
    await dashboard.shows('Live', '.tail-state');
    await dashboard.page.locator('::-p-aria(Search)').click();
    await dashboard.page.keyboard.type('green');
    await dashboard.goTo('topics');
    await dashboard.shows('Topics', 'h1');
    expect(await hash(dashboard)).toBe('#/topics');
    await dashboard.goTo('stream?from=now');
    await dashboard.page.locator('::-p-aria(Search)').click();
    await dashboard.page.keyboard.type('green');
    // The field is left before the browser has told of the new address.
    await dashboard.page.evaluate(
      `location.hash = '#/topics'; document.activeElement.blur(); undefined`,
    );
    await dashboard.shows('Topics', 'h1');
    expect(await hash(dashboard)).toBe('#/topics');
    await dashboard.close();
  });

  it('follows an address that says another pause', async () => {
    const server = await startServer();
    const dashboard = await openDashboard(browser, server.url, 'stream?from=now');
    await dashboard.shows('Live', '.tail-state');
    await dashboard.press('Pause');
    await dashboard.shows('Paused', '.tail-state');
    const paused = String(await hash(dashboard)).slice(2);
    await dashboard.goTo('stream?from=now');
    await dashboard.shows('Live', '.tail-state');
    await dashboard.goTo(paused);
    await dashboard.shows('Paused', '.tail-state');
    await publish(server, ['during.one']);
    await dashboard.press('Go on');
    await dashboard.shows('during.one', ROWS);
    expect(await hash(dashboard)).toBe('#/stream?from=now');
    await dashboard.close();
  });

  it('stays at its end when the list becomes smaller, and tells the day of events that are not of today', async () => {
    const server = await startServer();
    await using client = connect(server.url);
    const timestamp = new Date(2025, 11, 24, 18, 30, 0, 7);
    const event = { topic: 'a.b', type: 't', payload: null, timestamp };
    await client.publishMany(Array(200).fill(event));
    const dashboard = await openDashboard(browser, server.url, 'stream?from=earliest');
    await dashboard.shows('200', '.matched');
    await dashboard.shows('2025-12-24 18:30:00.007', ROWS);
    await dashboard.picture('stream-days');
    const fromEnd = (): Promise<number> =>
      dashboard.page.$eval(
        ROWS,
        (list) =>
          Reflect.get(list, 'scrollHeight') -
          Reflect.get(list, 'scrollTop') -
          Reflect.get(list, 'clientHeight'),
      );
    await until('it is at its end', async () => (await fromEnd()) < 2);
    await dashboard.press('Filters');
    await dashboard.shows('Correlation ids', '#stream-filters');
    await until('it is at its end again', async () => (await fromEnd()) < 2);
    expect(await dashboard.page.$('.to-end')).toBeNull();
    await dashboard.close();
  });

  it('closes an event on a phone with the way back', async () => {
    const server = await startServer();
    await publish(server, ['orders.new']);
    const dashboard = await openDashboard(browser, server.url, 'topics');
    await dashboard.page.setViewport(PHONE);
    await dashboard.goTo('stream');
    await dashboard.shows('orders.new', ROWS);
    const isOpen = async (): Promise<boolean> => (await dashboard.page.$('.event-drawer')) !== null;
    await dashboard.page.locator('.stream-row.is-event').click();
    await dashboard.shows('order_created', '.event-drawer h2');
    await dashboard.page.goBack();
    await until('it is closed', async () => !(await isOpen()));
    expect(await hash(dashboard)).toBe('#/stream');
    await dashboard.page.locator('.stream-row.is-event').click();
    await dashboard.shows('order_created', '.event-drawer h2');
    await dashboard.press('Close the event');
    await until('it is closed', async () => !(await isOpen()));
    // Nothing is left of it on the way back.
    await dashboard.page.goBack();
    await dashboard.shows('Topics', 'h1');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('shows what would turn the direction of a name', async () => {
    const server = await startServer();
    await publish(server, ['orders.\u202egnp'], { source: 'a\u2067b' });
    const dashboard = await openDashboard(browser, server.url, 'stream');
    await dashboard.shows('orders.\\u202egnp', ROWS);
    await dashboard.shows('a\\u2067b', ROWS);
    await dashboard.page.locator('.stream-row.is-event').click();
    await dashboard.shows('orders.\\u202egnp', '.event-drawer');
    await dashboard.goTo('topics');
    await dashboard.shows('orders', '.screen-topics');
    expect(await dashboard.page.evaluate('document.body.innerText')).not.toMatch(/[\u202e\u2067]/);
    await dashboard.close();
  });

  it('leads to a replay of the same events, for those who may publish', async () => {
    const dir = temporaryDirectory();
    const keys = `${dir}/keys.json`;
    const keyFor = async (...grants: readonly string[]): Promise<string> => {
      const flags = ['--name', grants.join('-'), ...grants, '--keys-file', keys, '--json'];
      const made = await run(['token', 'key', ...flags]);
      return (JSON.parse(made.stdout) as { key: string }).key;
    };
    const writer = await keyFor('--subscribe', 'orders.*', '--publish', 'copies.*');
    const reader = await keyFor('--subscribe', 'orders.*');
    const server = await startServer(dir, ['--keys-file', keys]);
    const signIn = async (key: string, place: string): Promise<Dashboard> => {
      const dashboard = await openDashboard(browser, server.url, place);
      await dashboard.fill('Token', key);
      await dashboard.press('Sign in');
      await dashboard.shows('Live', '.tail-state');
      return dashboard;
    };
    const dashboard = await signIn(writer, 'stream?type=order_created&from=now');
    await dashboard.press('Replay these');
    await dashboard.shows('orders.*', '.replay-form');
    await dashboard.shows('order_created', '.replay-form');
    expect(await hash(dashboard)).toBe('#/publish?mode=replay&topic=orders.*&type=order_created');
    await dashboard.goTo('stream?from=now&search=payload exists');
    await dashboard.shows('Live', '.tail-state');
    expect(await dashboard.text('.tail-bar')).not.toContain('Replay');
    await dashboard.close();
    const other = await signIn(reader, 'stream?from=now');
    expect(await other.text('.tail-bar')).not.toContain('Replay');
    await other.close();
  });

  it('opens an event beside the list, from the row or from the address', async () => {
    const server = await startServer();
    await publish(server, ['orders.new'], { source: 'shop' });
    const dashboard = await openDashboard(browser, server.url, 'stream');
    await dashboard.shows('orders.new', ROWS);
    await dashboard.page.locator('.stream-row.is-event').click();
    await dashboard.shows('shop', '.event-drawer');
    await dashboard.shows('order_created', '.event-drawer h2');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.picture('event');
    await dashboard.page.reload();
    await dashboard.shows('shop', '.event-drawer');
    await dashboard.page.keyboard.press('Escape');
    await until(
      'the drawer is gone',
      async () => (await dashboard.page.$('.event-drawer')) === null,
    );
    expect(await hash(dashboard)).toBe('#/stream');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });
});
