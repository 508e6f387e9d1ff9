import { expect, it } from 'vitest';
import { until } from '../bus/support/wait.js';
import { startServer } from '../cli/support/command.js';
import type { Dashboard } from './support/dashboard.js';
import { describeScreen } from './support/screen.js';

const ORDER = { topic: 'orders.new', type: 'order_created', payload: { id: 1 } };
const PAGE = 'consumers?consumer=mail';

/** The name that a screen reader says for what has the focus. */
const FOCUSED = `(() => {
  const { activeElement: element } = document;
  const label = element?.labels?.[0];
  return element?.ariaLabel ?? (label ?? element)?.innerText ?? '';
})()`;

/** Not the cell around it, which a screen reader calls the same. */
const buttonOf = (name: string): string => `::-p-aria(${name}[role="button"])`;

async function focused(dashboard: Dashboard, name: string): Promise<void> {
  await until(`${name} has the focus`, async () => {
    return (await dashboard.page.evaluate(FOCUSED)) === name;
  });
}

async function noDialog(dashboard: Dashboard): Promise<void> {
  await until('no dialog is open', async () => (await dashboard.page.$('dialog')) === null);
}

/** Changes the server's answers in the page: a bus that is large enough to give them would take minutes. */
async function answerWith(dashboard: Dashboard, changes: object): Promise<void> {
  await dashboard.page.evaluate((given) => {
    const { parse } = JSON;
    JSON.parse = (text, reviver) => {
      const frame = parse(text, reviver);
      for (const [field, value] of Object.entries(given)) {
        const { payload } = frame ?? {};
        if (field === 'preview' && payload?.preview) Object.assign(payload.preview, value);
        if (field === 'redrive' && payload?.redriven) Object.assign(payload, value);
      }
      return frame;
    };
  }, changes);
}

describeScreen('the questions about a consumer', ({ open, clientOf }) => {
  it('are opened and left with keys alone, and give the focus back', async () => {
    const server = await startServer();
    const client = clientOf(server);
    const mail = await client.consumer('mail', { filter: 'orders.*' });
    await client.publishMany([ORDER, ORDER]);
    await (await mail.pull({ waitMs: 10_000 }))[0]!.term('no such address');
    const { shard, sequence } = (await mail.open()).events[0]!;
    const skip = `Skip event ${shard}:${sequence}`;
    const dashboard = await open(server, PAGE);
    const { keyboard } = dashboard.page;
    await dashboard.shows('no such address', '.consumers');
    const questions: readonly (readonly [string, string, string])[] = [
      ['Delete …', 'Type its name to delete it', 'Delete this consumer?'],
      ['Redrive all', 'Cancel', 'Redrive all dead events?'],
      [skip, 'Cancel', 'Skip this event?'],
      ['Seek …', 'Cancel', 'Move this consumer?'],
    ];
    for (const [opener, first, title] of questions) {
      await (await dashboard.page.waitForSelector(buttonOf(opener)))!.focus();
      await focused(dashboard, opener);
      await keyboard.press('Enter');
      await dashboard.shows(title, 'dialog');
      await focused(dashboard, first);
      expect(await dashboard.barriers(), title).toEqual([]);
      await keyboard.press('Escape');
      await noDialog(dashboard);
      await focused(dashboard, opener);
    }
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('leave the focus on the screen where the row that had it is gone', async () => {
    const server = await startServer();
    const client = clientOf(server);
    const mail = await client.consumer('mail', { filter: 'orders.*' });
    await client.publish(ORDER);
    await until('the event is open', async () => (await mail.open()).events.length === 1);
    const { shard, sequence } = (await mail.open()).events[0]!;
    const skip = `Skip event ${shard}:${sequence}`;
    const dashboard = await open(server, PAGE);
    const { keyboard } = dashboard.page;
    await (await dashboard.page.waitForSelector(buttonOf(skip)))!.focus();
    await keyboard.press('Enter');
    await focused(dashboard, 'Cancel');
    await keyboard.press('Tab');
    await focused(dashboard, 'Skip the event');
    await keyboard.press('Enter');
    await noDialog(dashboard);
    await dashboard.shows('No event is open here', '.consumers');
    await until('the screen has the focus', () =>
      dashboard.page.evaluate('document.activeElement?.id === "screen"').then(Boolean),
    );
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('move a consumer to a time, and say where not all was counted', async () => {
    const server = await startServer();
    const client = clientOf(server);
    const mail = await client.consumer('mail', { filter: 'orders.*' });
    await client.publishMany([ORDER, ORDER, ORDER]);
    const deliveries = await mail.pull({ max: 3, waitMs: 10_000 });
    for (const one of deliveries) await one.ack();
    const dashboard = await open(server, PAGE);
    await dashboard.shows('No event is open here', '.consumers');
    await answerWith(dashboard, { preview: { unseen: 1234 } });
    await dashboard.page.select('#seek-kind', 'since');
    expect(await dashboard.page.$('.seek button[type="submit"]:disabled')).not.toBeNull();
    await dashboard.fill('Recorded at or after', '2026-01-31T12:00:00');
    await dashboard.press('Seek …');
    await dashboard.shows('recorded at or after 2026-01-31 12:00:00.000', 'dialog');
    await dashboard.shows('At least 3 events that are done or dead would come again', 'dialog');
    await dashboard.shows('1,234 further events of the log', 'dialog');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.picture('consumer-seek-time');
    await dashboard.press('Move the consumer');
    await noDialog(dashboard);
    await until('the events are there again', async () => (await mail.info()).pending === 3);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('say what a redrive leaves dead for now, and offer it again', async () => {
    const server = await startServer();
    const client = clientOf(server);
    const mail = await client.consumer('mail', { filter: 'orders.*' });
    await client.publishMany(Array.from({ length: 12 }, () => ORDER));
    for (const one of await mail.pull({ max: 12, waitMs: 10_000 })) await one.term('no address');
    const dashboard = await open(server, PAGE);
    await dashboard.shows('no address', '.consumers');
    await answerWith(dashboard, { redrive: { isComplete: false } });
    await dashboard.press('Redrive all');
    await dashboard.shows('12 events would come again', 'dialog');
    await dashboard.shows('And 2 more events', 'dialog');
    await dashboard.shows('Others cannot come again now', 'dialog');
    expect((await mail.info()).dead).toBe(12);
    await dashboard.press('Redrive');
    await dashboard.shows('12 events will come again', 'dialog');
    await dashboard.shows('Others are still dead', 'dialog');
    await dashboard.press('Redrive the others');
    await dashboard.shows('0 events will come again', 'dialog');
    await dashboard.press('Close');
    await dashboard.shows('No event is dead', '.consumers');
    expect((await mail.info()).dead).toBe(0);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('say that chosen events are dead no more where another person was first', async () => {
    const server = await startServer();
    const client = clientOf(server);
    const mail = await client.consumer('mail', { filter: 'orders.*' });
    await client.publish(ORDER);
    await (await mail.pull({ waitMs: 10_000 }))[0]!.term('no address');
    const [dead] = (await mail.dead()).events;
    const dashboard = await open(server, PAGE);
    await dashboard.shows('no address', '.consumers');
    await dashboard.press(`Choose event ${dead!.id}`);
    await dashboard.press('Redrive the chosen');
    await dashboard.shows('1 event would come again', 'dialog');
    await mail.redrive();
    await dashboard.press('Redrive');
    await dashboard.shows('0 events will come again', 'dialog');
    await dashboard.shows('1 chosen event cannot come again: dead no more', 'dialog');
    await dashboard.press('Close');
    const [open_] = (await mail.open()).events;
    const place = `${open_!.shard}:${open_!.sequence}`;
    await dashboard.press(`Skip event ${place}`);
    await dashboard.shows(place, 'dialog');
    await mail.skip(open_!);
    await dashboard.press('Skip the event');
    await dashboard.shows('NOT_FOUND', 'dialog');
    await dashboard.press('Cancel');
    await noDialog(dashboard);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });
});
