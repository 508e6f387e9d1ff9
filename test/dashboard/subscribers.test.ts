import { expect, it } from 'vitest';
import { until } from '../bus/support/wait.js';
import { startServer } from '../cli/support/command.js';
import { type Dashboard, PHONE } from './support/dashboard.js';
import { describeScreen } from './support/screen.js';

/** The texts of the cells of a column, from top to bottom. */
function column(dashboard: Dashboard, table: string, index: number): Promise<string[]> {
  const cells = `[role="table"][aria-label="${table}"] [role="cell"]:nth-child(${index})`;
  return dashboard.page.$$eval(cells, (found) =>
    found
      .map((cell) => ({
        top: Number(Reflect.get(cell, 'getBoundingClientRect').call(cell).top),
        text: String(Reflect.get(cell, 'innerText')),
      }))
      .sort((a, b) => a.top - b.top)
      .map(({ text }) => text.trim()),
  );
}

describeScreen('the subscribers', ({ open, clientOf }) => {
  it('shows who would receive an event on a topic, and keeps the topic in the address', async () => {
    const server = await startServer();
    const client = clientOf(server);
    await client.subscribe('orders.*', { name: 'billing', overflow: 'drop-oldest' }).ready;
    await client.subscribe('stock.*', { name: 'stock' }).ready;
    const dashboard = await open(server, 'subscribers');
    await dashboard.shows('billing', '.subscribers');
    await dashboard.shows('stock', '.subscribers');
    await dashboard.shows('drop oldest', '.subscribers');
    await dashboard.fill('Who would receive an event on this topic?', 'orders.new');
    await dashboard.shows('1 subscription would receive it', '.subscribers');
    expect(await column(dashboard, 'Subscriptions', 1)).toEqual(['billing']);
    expect(await dashboard.page.evaluate('location.hash')).toBe('#/subscribers?topic=orders.new');
    await dashboard.fill('Who would receive an event on this topic?', 'orders.*');
    await dashboard.shows('TOPIC_INVALID', '.subscribers');
    await dashboard.page.reload();
    await dashboard.shows('TOPIC_INVALID', '.subscribers');
    await dashboard.fill('Who would receive an event on this topic?', 'nobody.here');
    await dashboard.shows('No subscription would receive an event on nobody.here', '.subscribers');
    expect(await dashboard.barriers()).toEqual([]);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('sorts by a column, and keeps the order in the address', async () => {
    const server = await startServer();
    const client = clientOf(server);
    for (const name of ['b2', 'a', 'b10']) await client.subscribe('a.*', { name }).ready;
    const dashboard = await open(server, 'subscribers?topic=a.b&sort=name');
    await until('the rows are there', async () => {
      return (await column(dashboard, 'Subscriptions', 1)).length === 3;
    });
    expect(await column(dashboard, 'Subscriptions', 1)).toEqual(['a', 'b2', 'b10']);
    await dashboard.press('Subscription');
    await until('the order is the reverse', async () => {
      return (await column(dashboard, 'Subscriptions', 1)).join() === 'b10,b2,a';
    });
    expect(await dashboard.page.evaluate('location.hash')).toContain('sort=-name');
    await dashboard.close();
  });

  it('stays usable with thousands of subscriptions', async () => {
    const server = await startServer();
    const many = Array.from({ length: 16 }, () => clientOf(server));
    for (const client of many) {
      const subscriptions = Array.from({ length: 125 }, () => client.subscribe('a.*', () => {}));
      await Promise.all(subscriptions.map(({ ready }) => ready));
    }
    const dashboard = await open(server, 'subscribers?topic=a.b');
    await dashboard.shows('2,000 subscriptions would receive it', '.subscribers');
    const shown = (await column(dashboard, 'Subscriptions', 1)).length;
    expect(shown).toBeGreaterThan(10);
    expect(shown).toBeLessThan(100);
    await dashboard.close();
  });

  it('lists the connections, and cuts one after a question that names it', async () => {
    const server = await startServer();
    const client = clientOf(server);
    await client.subscribe('orders.*', { name: 'billing' }).ready;
    const cut = client.server!.connection;
    const dashboard = await open(server, 'subscribers');
    await dashboard.shows('this page', '.subscribers');
    await dashboard.shows('2 connections', '.subscribers');
    await dashboard.picture('subscribers');
    expect(await dashboard.barriers()).toEqual([]);
    // There is one button: the page cannot cut itself.
    await dashboard.press('Cut the connection of anonymous from 127.0.0.1');
    await dashboard.shows(cut, 'dialog');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.press('Cancel');
    expect(client.server!.connection).toBe(cut);
    await dashboard.press('Cut the connection of anonymous from 127.0.0.1');
    await dashboard.shows(cut, 'dialog');
    await dashboard.press('Cut the connection');
    await until('the client has another connection', () => client.server!.connection !== cut);
    await until('the dialog is closed', async () => (await dashboard.page.$('dialog')) === null);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('shows all facts of a row on a phone, and gives the focus back', async () => {
    const server = await startServer();
    const client = clientOf(server);
    await client.subscribe('orders.*', { name: 'billing', overflow: 'drop-oldest' }).ready;
    const dashboard = await open(server, 'subscribers');
    await dashboard.page.setViewport(PHONE);
    await dashboard.shows('billing', '.subscribers');
    await dashboard.press('All facts of billing');
    await dashboard.shows('drop oldest', 'dialog');
    const heads = 'dialog dt';
    expect(
      await dashboard.page.$$eval(heads, (all) => all.map((one) => String(one.textContent))),
    ).toEqual([
      ...['Subscription', 'Topics', 'State', 'Behind', 'Waits', 'Queue', 'Policy', 'Dropped'],
      ...['Slow', 'Principal', 'Since'],
    ]);
    await dashboard.press('Close');
    await until('the button has the focus', async () =>
      dashboard.page
        .evaluate('document.activeElement?.innerText === "All facts of billing"')
        .then(Boolean),
    );
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('offers no cut where the dashboard is read-only', async () => {
    const server = await startServer(undefined, ['--dashboard-read-only']);
    await clientOf(server).connected();
    const dashboard = await open(server, 'subscribers');
    await dashboard.shows('2 connections', '.subscribers');
    expect(await dashboard.text('.subscribers')).not.toContain('Cut');
    await dashboard.close();
  });
});
