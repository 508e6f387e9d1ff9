import { expect, it } from 'vitest';
import { until } from '../bus/support/wait.js';
import { startServer } from '../cli/support/command.js';
import { describeScreen } from './support/screen.js';

const ORDER = { topic: 'orders.new', type: 'order_created', payload: { id: 1 } };

describeScreen('the consumers', ({ open, clientOf }) => {
  it('lists the consumers with what is wrong, sorted as the address says', async () => {
    const server = await startServer();
    const client = clientOf(server);
    const dashboard = await open(server, 'consumers');
    await dashboard.shows('There is no consumer', '.consumers');
    expect(await dashboard.barriers()).toEqual([]);
    const mail = await client.consumer('mail', { filter: 'orders.*', maxAttempts: 1 });
    const billing = await client.consumer('billing', { filter: 'orders.*', order: 'topic' });
    await client.consumer('quiet', { filter: 'stock.*' });
    await client.publishMany([ORDER, ORDER]);
    const [first] = await mail.pull();
    await first!.term('no such address');
    await billing.pause();
    await dashboard.shows('1 event is dead', '.troubled');
    await dashboard.shows('It is paused', '.troubled');
    await dashboard.shows('3 consumers', '.consumers');
    expect(await dashboard.text('.troubled')).not.toContain('quiet');
    await dashboard.picture('consumers');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.press('Consumer');
    const names = '[role="table"] [role="cell"]:first-child a';
    await until('the order is that of the names', async () => {
      const found = await dashboard.page.$$eval(names, (all) =>
        all.map((one) => String(one.textContent)),
      );
      return found.join() === 'billing,mail,quiet';
    });
    expect(await dashboard.page.evaluate('location.hash')).toBe('#/consumers?sort=name');
    expect(dashboard.faults).toEqual([]);
    await server.stop('SIGKILL');
    await dashboard.shows('Not connected', '.connection');
    expect(await dashboard.text('.consumers')).toContain('billing');
    await dashboard.close();
  });
});
