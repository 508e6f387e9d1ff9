import { expect, it } from 'vitest';
import { until } from '../bus/support/wait.js';
import { startServer } from '../cli/support/command.js';
import { describeScreen } from './support/screen.js';

const ORDER = { topic: 'orders.new', type: 'order_created', payload: { id: 1 } };
const PAGE = 'consumers?consumer=mail';

describeScreen('a consumer while something else happens to it', ({ open, clientOf }) => {
  it('shows within a moment that another person paused it, and resumed it', async () => {
    const server = await startServer();
    const mail = await clientOf(server).consumer('mail', { filter: 'orders.*' });
    const dashboard = await open(server, PAGE);
    await dashboard.shows('Pause', '.consumers header');
    await mail.pause();
    await dashboard.shows('It is paused by anonymous since', '.troubles');
    await dashboard.shows('Resume', '.consumers header');
    await mail.resume();
    await dashboard.shows('active', '.consumers header');
    await dashboard.shows('Pause', '.consumers header');
    expect(await dashboard.page.$('.troubles')).toBeNull();
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('keeps a question open while the server is away, and answers it once it is back', async () => {
    const first = await startServer();
    const client = clientOf(first);
    const mail = await client.consumer('mail', { filter: 'orders.*' });
    await client.publish(ORDER);
    await (await mail.pull({ waitMs: 10_000 }))[0]!.term('no address');
    const dashboard = await open(first, PAGE);
    await dashboard.shows('no address', '.consumers');
    await dashboard.press('Redrive all');
    await dashboard.shows('1 event would come again', 'dialog');
    await first.stop('SIGKILL');
    await dashboard.shows('Not connected', '.connection');
    expect(await dashboard.text('dialog')).toContain('1 event would come again');
    await startServer(first.dir, ['--port', String(first.port)]);
    await dashboard.shows('Live', '.connection');
    await dashboard.press('Redrive');
    await dashboard.shows('1 event will come again', 'dialog');
    await dashboard.press('Close');
    await dashboard.shows('No event is dead', '.consumers');
    expect((await mail.info()).dead).toBe(0);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('counts anew for a question that the server could not answer', async () => {
    const first = await startServer();
    const client = clientOf(first);
    const mail = await client.consumer('mail', { filter: 'orders.*' });
    await client.publish(ORDER);
    await (await mail.pull({ waitMs: 10_000 }))[0]!.ack();
    const dashboard = await open(first, PAGE);
    await dashboard.shows('No event is open here', '.consumers');
    await dashboard.page.select('#seek-kind', 'earliest');
    await first.stop('SIGKILL');
    await dashboard.shows('Not connected', '.connection');
    await dashboard.press('Seek …');
    await dashboard.shows('Counting what would change', 'dialog');
    expect(await dashboard.page.$('dialog button.danger:disabled')).not.toBeNull();
    await startServer(first.dir, ['--port', String(first.port)]);
    await dashboard.shows('1 event that is done or dead would come again', 'dialog');
    await dashboard.press('Move the consumer');
    await until('the event is there again', async () => (await mail.info()).pending === 1);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('says that it is gone where another person deleted it', async () => {
    const server = await startServer();
    const mail = await clientOf(server).consumer('mail', { filter: 'orders.*' });
    const dashboard = await open(server, PAGE);
    await dashboard.shows('No event is open here', '.consumers');
    await dashboard.press('Delete …');
    await dashboard.fill('Type its name to delete it', 'mail');
    await mail.delete();
    await dashboard.shows('CONSUMER_UNKNOWN', '.consumers .notice');
    await dashboard.press('Delete the consumer');
    await dashboard.shows('CONSUMER_UNKNOWN', 'dialog');
    await dashboard.press('Cancel');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('goes through dead events and held keys of more than one page', async () => {
    const server = await startServer(undefined, ['--shards', '1']);
    const client = clientOf(server);
    const backoffMs = [3_600_000];
    const mail = await client.consumer('mail', { filter: 'orders.*', order: 'topic', backoffMs });
    const topics = Array.from({ length: 120 }, (_, n) => `orders.n${n}`);
    await client.publishMany(topics.map((topic) => ({ ...ORDER, topic })));
    const deliveries = await mail.pull({ max: 120, waitMs: 10_000 });
    expect(deliveries).toHaveLength(120);
    for (const [n, one] of deliveries.entries()) {
      await (n < 60 ? one.term(`dead ${n}`) : one.nak({ reason: 'later' }));
    }
    await client.publishMany(topics.slice(60).map((topic) => ({ ...ORDER, topic })));
    const dashboard = await open(server, PAGE);
    for (const [title, parameter, of] of [
      ['dead-title', 'deadAfter', 'dead events'],
      ['keys-title', 'keysAfter', 'held keys'],
    ]) {
      const list = `[aria-labelledby="${title}"]`;
      const has = (count: number): Promise<void> =>
        until(`${count} rows of ${of}`, async () => {
          return (await dashboard.page.$$(`${list} tbody tr`)).length === count;
        });
      const turn = (name: string): Promise<void> =>
        dashboard.page.locator(`[aria-label="Pages of ${of}"] ::-p-aria(${name})`).click();
      await has(50);
      await turn('Next page');
      await has(10);
      expect(await dashboard.page.evaluate('location.hash')).toContain(`${parameter}=`);
      await turn('First page');
      await has(50);
    }
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });
});
