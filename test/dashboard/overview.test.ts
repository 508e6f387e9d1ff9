import { expect, it } from 'vitest';
import type { BusClient } from '../../src/client.js';
import { until } from '../bus/support/wait.js';
import { startServer } from '../cli/support/command.js';
import { describeScreen } from './support/screen.js';

/** Publishes some events for each of the server's samples, until it has this many. */
async function publishForSamples(client: BusClient, count: number): Promise<void> {
  const samples = async (): Promise<number> => (await client.figures()).samples.length;
  for (let held = await samples(); held < count; held = await samples()) {
    const inputs = Array.from({ length: 50 }, (_, n) => ({
      topic: `orders.${n % 8}`,
      type: 'order_created',
      payload: { n },
    }));
    await client.publishMany(inputs, { durability: 'written' });
    await until('the server has a sample more', async () => (await samples()) > held);
  }
}

describeScreen('the overview', ({ open, clientOf }) => {
  it('has full charts when it opens, says that all is well, and goes on', async () => {
    const server = await startServer(undefined, ['--shards', '2']);
    const client = clientOf(server);
    client.subscribe('orders.*', () => {}, { name: 'audit' });
    await publishForSamples(client, 4);
    const dashboard = await open(server);
    await dashboard.shows('All is well', '.overview');
    const chart = '[aria-label="Events per second: time"]';
    const samples = (): Promise<number> =>
      dashboard.page.$eval(chart, (box) => Number(Reflect.get(box, 'ariaValueMax')) + 1);
    await dashboard.page.waitForSelector(`${chart} canvas`);
    const first = await samples();
    expect(first).toBeGreaterThanOrEqual(4);
    await until('the next sample is drawn', async () => (await samples()) > first);
    expect(await dashboard.text('.threads')).toMatch(/running[\s\S]*running/);
    expect(await dashboard.barriers()).toEqual([]);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('tells the values of the time that the mouse or the keys point at, in all charts', async () => {
    const server = await startServer();
    await publishForSamples(clientOf(server), 4);
    const dashboard = await open(server);
    const chart = await dashboard.page.waitForSelector('[aria-label="Events per second: time"]');
    const times = (): Promise<string[]> =>
      dashboard.page.$$eval('.chart time:not(.is-last)', (list) =>
        list.map((time) => String(Reflect.get(time, 'innerText'))),
      );
    expect(await times()).toEqual([]);
    const valueText = (): Promise<string> =>
      chart!.evaluate((box) => String(Reflect.get(box, 'ariaValueText')));
    const last = await valueText();
    expect(last).toMatch(/^\d\d:\d\d:\d\d: in [\d.k]+, out [\d.k]+$/);
    await chart!.focus();
    await dashboard.page.keyboard.press('Home');
    await until('every chart points at the time', async () => (await times()).length === 9);
    expect(new Set(await times()).size).toBe(1);
    const first = await valueText();
    expect(first.slice(0, 8) < last.slice(0, 8)).toBe(true);
    await dashboard.page.keyboard.press('ArrowRight');
    await until('the next time', async () => (await valueText()) !== first);
    await dashboard.page.keyboard.press('Tab');
    await until('the last values are back', async () => (await times()).length === 0);
    const { x, y, width } = (await chart!.boundingBox())!;
    await dashboard.page.mouse.move(x + width - 60, y + 30);
    await until('the mouse points at a time', async () => (await times()).length === 9);
    await dashboard.close();
  });

  it('says which subscription is behind, with a link to it', async () => {
    const server = await startServer();
    const client = clientOf(server);
    await client.subscribe('orders.*', { name: 'billing' }).ready;
    const dashboard = await open(server);
    await dashboard.shows('All is well', '.overview');
    // Nobody consumes them; its window in the client and the buffers on the way take some 20,000.
    const inputs = Array.from({ length: 30_000 }, (_, n) => ({
      topic: 'orders.new',
      type: 'order_created',
      payload: n,
    }));
    while (inputs.length > 0) {
      await client.publishMany(inputs.splice(0, 5000), { durability: 'written' });
    }
    await dashboard.shows('Subscription billing to orders.* is ', '.problems');
    await dashboard.picture('overview');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.page.locator('.problem a').click();
    await dashboard.shows('billing', '.subscribers');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('brings the part into view that a problem names', async () => {
    const server = await startServer();
    const dashboard = await open(server, 'overview?show=gateways');
    await until('the part has the focus', () =>
      dashboard.page.evaluate('document.activeElement?.id === "show-gateways"').then(Boolean),
    );
    await dashboard.close();
  });

  it('keeps what it showed while the server is gone, and says since when', async () => {
    const server = await startServer();
    await publishForSamples(clientOf(server), 2);
    const dashboard = await open(server);
    await dashboard.page.waitForSelector('.charts canvas');
    await server.stop('SIGKILL');
    await dashboard.shows('This page has no connection to the server since', '.problems');
    expect((await dashboard.page.$$('.charts canvas')).length).toBe(9);
    await dashboard.close();
  });
});
