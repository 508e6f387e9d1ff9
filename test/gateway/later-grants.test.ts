import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newKey, temporaryDirectory, writeKeys } from '../auth/support/auth.js';
import { openTestBus } from '../bus/support/open.js';
import { connectTo } from '../client/support/millrace-client.js';

/** Who may publish on a topic may see and change what is published on it later, and nobody else. */
const mine = newKey({ name: 'mine', publish: ['mine.*'], subscribe: [], source: 'held' });
const reader = newKey({ name: 'reader', subscribe: ['*'] });
const masked = newKey({
  name: 'masked',
  publish: ['mine.*'],
  subscribe: [{ pattern: 'mine.*', redact: ['$.hidden'] }],
});
const delayMs = 3_600_000;
const event = (topic: string) => ({ topic, type: 'note', payload: 1 });
const yearly = (topic: string) => ({ cron: '0 0 1 1 *', event: event(topic) });
const forbidden = { code: 'FORBIDDEN' };

async function serve() {
  const keysFile = join(temporaryDirectory(), 'keys.json');
  writeKeys(keysFile, mine, reader, masked);
  const bus = await openTestBus({ shards: 2 });
  const { url } = await bus.serve({ port: 0, auth: { keysFile } });
  for (const topic of ['mine.1', 'secret.1']) {
    await bus.publish({ ...event(topic), id: 'same' }, { delayMs });
    await bus.schedules.set(topic.replace('.', '-'), yearly(topic));
  }
  const as = (key: string) => connectTo(url, { getToken: () => key }).client;
  return { bus, client: as(mine.key), reader: as(reader.key), masked: as(masked.key) };
}

describe('a principal that may publish on some topics', () => {
  it('sees and cancels what waits for them alone', async () => {
    const { bus, client } = await serve();
    expect((await client.scheduled()).publishes).toMatchObject([{ topic: 'mine.1' }]);
    await expect(client.scheduled({ topic: '*' })).rejects.toMatchObject(forbidden);
    await expect(client.cancel('same', { topic: 'secret.1' })).rejects.toMatchObject(forbidden);
    expect(await client.cancel('same')).toBe(true);
    expect(await client.cancel('same')).toBe(false);
    expect((await bus.scheduled()).publishes).toMatchObject([{ topic: 'secret.1' }]);
  });

  it('sees and changes the schedules of them alone, under the source that it is held to', async () => {
    const { bus, client } = await serve();
    const { schedules } = client;
    expect(await schedules.list()).toMatchObject([{ name: 'mine-1' }]);
    expect(await schedules.get('secret-1')).toBeUndefined();
    expect(await schedules.delete('secret-1')).toBe(false);
    for (const call of ['pause', 'resume', 'next'] as const) {
      await expect(schedules[call]('secret-1')).rejects.toMatchObject({ code: 'SCHEDULE_UNKNOWN' });
    }
    await expect(schedules.set('secret-1', yearly('mine.2'))).rejects.toMatchObject(forbidden);
    await expect(schedules.set('mine-1', yearly('secret.2'))).rejects.toMatchObject(forbidden);
    const made = await schedules.set('mine-2', yearly('mine.2'));
    expect(made.event.source).toBe('held');
    expect(await schedules.pause('mine-2')).toMatchObject({ isPaused: true });
    expect((await bus.schedules.list()).map(({ name }) => name)).toEqual([
      'mine-1',
      'mine-2',
      'secret-1',
    ]);
  });

  it('cancels what it means among any number of namesakes that it may not see', async () => {
    const { bus, client } = await serve();
    const many = Array.from({ length: 40 }, (_, n) => ({ ...event(`secret.of.${n}`), id: 'many' }));
    for (const input of many) await bus.publish(input, { delayMs });
    for (const source of Array.from({ length: 20 }, (_, n) => `s${n}`)) {
      const options = { delayMs: delayMs * 2, idScope: 'source' } as const;
      await bus.publish({ ...event('mine.1'), id: 'many', source }, options);
    }
    await expect(client.cancel('many')).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await client.cancel('many', { source: 's19' })).toBe(true);
    expect(await client.cancel('many', { source: 's19' })).toBe(false);
    expect((await bus.scheduled({ id: 'many' })).publishes).toHaveLength(59);
  });

  it('is not told where a schedule publishes that it may not see', async () => {
    const { client } = await serve();
    const refused = await client.schedules
      .set('secret-1', yearly('mine.2'))
      .catch((error) => error);
    expect(refused).toMatchObject(forbidden);
    expect(JSON.stringify([refused.message, refused.details])).not.toContain('secret.1');
  });

  it('sees no payload that it may not read as an event, and masks where they are', async () => {
    const { client, masked } = await serve();
    const payload = { open: 1, hidden: 2 };
    const attributes = { team: 'a' };
    const options = { cron: '0 0 1 1 *', event: { ...event('mine.3'), payload, attributes } };
    const seen = { topic: 'mine.3', type: 'note', source: 'held' };
    expect((await client.schedules.set('three', options)).event).toEqual(seen);
    const all = await client.schedules.list();
    expect(all.find(({ name }) => name === 'three')!.event).toEqual(seen);
    expect((await client.schedules.pause('three')).event).toEqual(seen);
    expect((await client.schedules.get('three'))!.event).toEqual(seen);
    const inFull = (await masked.schedules.get('three'))!.event;
    expect(inFull).toMatchObject({ ...seen, attributes, payload: { open: 1 } });
    expect(inFull.payload).not.toMatchObject({ hidden: 2 });
  });

  it('sees nothing if it may publish nowhere', async () => {
    const { reader } = await serve();
    expect(await reader.scheduled()).toEqual({ publishes: [] });
    expect(await reader.schedules.list()).toEqual([]);
    expect(await reader.cancel('same')).toBe(false);
    await expect(reader.publish(event('mine.1'), { delayMs })).rejects.toMatchObject(forbidden);
  });
});
