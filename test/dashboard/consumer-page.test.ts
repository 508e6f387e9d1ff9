import { expect, it } from 'vitest';
import { until } from '../bus/support/wait.js';
import { startServer } from '../cli/support/command.js';
import { describeScreen } from './support/screen.js';

const ORDER = { topic: 'orders.new', type: 'order_created', payload: { id: 1 } };
const PAGE = 'consumers?consumer=mail';

describeScreen('one consumer', ({ open, clientOf }) => {
  it('shows why events are dead, and redrives the chosen after a dry run, then all', async () => {
    const server = await startServer();
    const client = clientOf(server);
    const mail = await client.consumer('mail', { filter: 'orders.*' });
    await client.publishMany([ORDER, ORDER, ORDER]);
    const deliveries = await mail.pull({ max: 3 });
    for (const [index, one] of deliveries.entries()) await one.term(`no address ${index}`);
    const { events } = await mail.dead();
    const dashboard = await open(server, PAGE);
    await dashboard.shows('no address 2', '.consumers');
    await dashboard.shows('3 events are dead', '.troubles');
    await dashboard.picture('consumer');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.press(`Choose event ${events[0]!.id}`);
    await dashboard.shows('1 event chosen', '.consumers');
    await dashboard.press('Redrive the chosen');
    await dashboard.shows('1 event would come again', 'dialog');
    await dashboard.shows(events[0]!.id, 'dialog');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.press('Cancel');
    expect((await mail.info()).dead).toBe(3);
    await dashboard.press('Redrive the chosen');
    await dashboard.shows('1 event would come again', 'dialog');
    await dashboard.press('Redrive');
    await dashboard.shows('1 event will come again', 'dialog');
    await dashboard.press('Close');
    expect((await mail.dead()).events.map(({ id }) => id)).toEqual(
      events.slice(1).map(({ id }) => id),
    );
    await dashboard.press('Redrive all');
    await dashboard.shows('2 events would come again', 'dialog');
    await dashboard.press('Redrive');
    await dashboard.shows('2 events will come again', 'dialog');
    await dashboard.press('Close');
    await dashboard.shows('No event is dead', '.consumers');
    expect((await mail.info()).dead).toBe(0);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('skips a leased event after a question, pauses, moves, and deletes once the name is typed', async () => {
    const server = await startServer();
    const client = clientOf(server);
    const mail = await client.consumer('mail', { filter: 'orders.*' });
    await client.publish(ORDER);
    const [delivery] = await mail.pull();
    const [leased] = (await mail.open()).events;
    const place = `${leased!.shard}:${leased!.sequence}`;
    const dashboard = await open(server, PAGE);
    await dashboard.shows('leased', '.consumers');
    await dashboard.press(`Skip event ${place}`);
    await dashboard.shows(place, 'dialog');
    await dashboard.press('Skip the event');
    await dashboard.shows('No event is open', '.consumers');
    await expect(delivery!.ack()).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await dashboard.press('Pause');
    await dashboard.shows('It is paused by anonymous since', '.troubles');
    expect((await mail.info()).paused).toBe(true);
    await dashboard.press('Resume');
    await until('it is resumed', async () => !(await mail.info()).paused);
    await dashboard.page.select('#seek-kind', 'earliest');
    await dashboard.press('Seek …');
    await dashboard.shows('the beginning of the log', 'dialog');
    await dashboard.shows('1 event that is done or dead would come again', 'dialog');
    await dashboard.picture('consumer-seek');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.press('Move the consumer');
    await until('the event is there again', async () => (await mail.info()).pending === 1);
    await dashboard.press('Delete …');
    await dashboard.fill('Type its name to delete it', 'mai');
    const isOff = 'dialog button.danger:disabled';
    expect(await dashboard.page.$(isOff)).not.toBeNull();
    await dashboard.fill('Type its name to delete it', 'mail');
    await until('the button takes a press', async () => !(await dashboard.page.$(isOff)));
    await dashboard.press('Delete the consumer');
    await dashboard.shows('There is no consumer', '.consumers');
    expect(await client.consumers()).toEqual([]);
    await dashboard.goTo(PAGE);
    await dashboard.shows('CONSUMER_UNKNOWN', '.consumers');
    await dashboard.close();
  });

  it('lists the keys that are held up, with what they wait for, and the members', async () => {
    const server = await startServer();
    const client = clientOf(server);
    const mail = await client.consumer('mail', {
      filter: 'orders.*',
      order: 'topic',
      backoffMs: [3_600_000],
    });
    await client.publishMany([ORDER, ORDER, ORDER]);
    const run = mail.run(
      () => {
        throw new Error('the mail server is away');
      },
      { name: 'ada' },
    );
    const dashboard = await open(server, PAGE);
    await dashboard.shows('the mail server is away', '[aria-labelledby="keys-title"]');
    const keys = await dashboard.text('[aria-labelledby="keys-title"]');
    expect(keys).toMatch(/orders\.new\s+2 events\s+\d+:1\s+comes again/);
    await dashboard.shows('the mail server is away', '[aria-labelledby="open-title"]');
    const open_ = await dashboard.text('[aria-labelledby="open-title"]');
    expect(open_).toMatch(/refused .*: the mail server is away/);
    await dashboard.shows('ada', '[aria-labelledby="members-title"]');
    expect(await dashboard.text('[aria-labelledby="members-title"]')).toMatch(
      /ada\s+anonymous, connection .*\d\d:\d\d/s,
    );
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.page.evaluate(
      'document.getElementById("members-title").scrollIntoView({ block: "start" })',
    );
    await dashboard.picture('consumer-keys');
    await run.stop();
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('goes through lists of more than 50 rows, and keeps the place in the address', async () => {
    const server = await startServer(undefined, ['--shards', '1']);
    const client = clientOf(server);
    const mail = await client.consumer('mail', { filter: 'orders.*' });
    await client.publishMany(Array.from({ length: 60 }, () => ORDER));
    const rows = '[aria-labelledby="open-title"] tbody tr';
    const dashboard = await open(server, PAGE);
    const has = (count: number): Promise<void> =>
      until(`${count} rows`, async () => (await dashboard.page.$$(rows)).length === count);
    await has(50);
    await dashboard.press('Next page');
    await has(10);
    expect(await dashboard.page.evaluate('location.hash')).toContain('openAfter=');
    await dashboard.press('First page');
    await has(50);
    await dashboard.page.select('#seek-kind', 'now');
    await dashboard.press('Seek …');
    await dashboard.shows('60 events that are to be done would be passed over', 'dialog');
    await dashboard.press('Move the consumer');
    await dashboard.shows('No event is open here', '.consumers');
    await dashboard.page.select('#seek-kind', 'after');
    expect(await dashboard.page.$('.seek button[type="submit"]:disabled')).not.toBeNull();
    await dashboard.fill('Cursor', 'no cursor');
    await dashboard.press('Seek …');
    await dashboard.shows('CURSOR_INVALID', 'dialog');
    await dashboard.press('Cancel');
    expect((await mail.info()).pending).toBe(0);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('offers no change where the dashboard is read-only', async () => {
    const server = await startServer(undefined, ['--dashboard-read-only']);
    const client = clientOf(server);
    const mail = await client.consumer('mail', { filter: 'orders.*' });
    await client.publishMany([ORDER, ORDER]);
    const [first] = await mail.pull();
    await first!.term('no address');
    const dashboard = await open(server, PAGE);
    await dashboard.shows('no address', '.consumers');
    await dashboard.shows('Open events', '.consumers');
    const acts = '.consumers button:not(.quiet), .consumers form, .consumers input';
    expect(await dashboard.page.$$(acts)).toEqual([]);
    expect(await dashboard.text('.consumers')).toContain('This dashboard is read-only');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });
});
