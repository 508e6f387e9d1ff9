import { expect, it } from 'vitest';
import { Collector } from '../../bus/support/collector.js';
import { until } from '../../bus/support/wait.js';
import { READING_DOORS } from './reading-doors.js';
import { eventOn, JSON_TYPE, Served } from './served.js';

/** Every door by which events are read, over threads, sockets and processes. */
const HOUR_MS = 3_600_000;

/** One event on each of these: with an end, without one, and two that are over. */
async function withHistory() {
  const served = await Served.open();
  const { bus } = served;
  await bus.publish(eventOn('t.over', 'over'), { ttlMs: 1 });
  const lasting = await bus.publish(eventOn('t.lasting', 'lasting'), { ttlMs: HOUR_MS });
  const endless = await bus.publish(eventOn('t.endless', 'endless'));
  const past = { ...eventOn('t.past', 'past'), expiresAt: new Date(0) };
  const gone = await bus.publish(past);
  await bus.publish(eventOn('end'));
  const over = Date.now();
  await until('the first has expired', () => Date.now() > over);
  const { expiresAt } = (await bus.get('t.lasting', lasting.id))!;
  return { served, lasting, endless, gone, expiresAt: expiresAt! };
}

it.each(READING_DOORS)(
  '$name shows when an event ends, and none that has ended',
  async ({ read }) => {
    const { served, expiresAt } = await withHistory();
    const events = await read(served, 't.*');
    expect(events.map(({ payload, expiresAt: end }) => [payload, end])).toEqual([
      ['lasting', expiresAt],
      ['endless', undefined],
    ]);
    expect(Object.keys(events[1]!)).not.toContain('expiresAt');
  },
);

it('every door that reads one event shows its end, and does not find one that has ended', async () => {
  const { served, lasting, gone, expiresAt } = await withHistory();
  const { bus, url } = served;
  const client = served.client();
  expect((await client.get('t.lasting', lasting.id))!.expiresAt).toBe(expiresAt);
  for (const one of [bus, client]) expect(await one.get('t.past', gone.id)).toBeUndefined();
  const at = (topic: string, id: string) => `${url}/v1/events/${id}?topic=${topic}`;
  const found = await fetch(at('t.lasting', lasting.id));
  expect(await found.json()).toMatchObject({ payload: 'lasting', expiresAt });
  expect((await fetch(at('t.past', gone.id))).status).toBe(404);
  const got = await served.command(['get', 't.lasting', lasting.id, '--json']);
  expect(JSON.parse(got.stdout)).toMatchObject({ expiresAt });
  expect((await served.command(['get', 't.past', gone.id])).code).toBe(1);
  const socket = await served.socket();
  const frame = await socket.ask('get', { topic: 't.lasting', id: lasting.id });
  expect(frame.payload.events).toMatchObject([{ expiresAt }]);
  const none = await socket.ask('get', { topic: 't.past', id: gone.id });
  expect(none.payload.events).toEqual([]);
});

it('what is read goes back in as it was: an event keeps its end', async () => {
  const { served, expiresAt } = await withHistory();
  const { url } = served;
  const answer = await fetch(`${url}/v1/events?topic=t.lasting`, {
    headers: { accept: 'application/cloudevents-batch+json' },
  });
  const [{ subject: _, ...copy }] = (await answer.json()) as [{ subject: string }];
  const type = { 'content-type': 'application/cloudevents+json' };
  await served.post('/v1/events?topic=copy', JSON.stringify(copy), type);
  const event = { ...eventOn('copy'), expiresAt };
  await served.post('/v1/events', JSON.stringify(event), JSON_TYPE);
  const copies = await served.bus.query({ topic: 'copy' });
  expect(copies.map((one) => one.expiresAt)).toEqual([expiresAt, expiresAt]);
});

it('a live subscription of each kind shows an event’s end', async () => {
  const served = await Served.open();
  const live = await Collector.start(served.bus, 't.*');
  const worker = await served.worker();
  await worker.subscribe('w', 't.*');
  const socket = await served.socket();
  await socket.ask('subscribe', { subscription: 's', filter: 't.*' });
  await socket.next('caughtUp');
  // Live only, stored nowhere: it ends as well.
  await served.bus.publish(eventOn('t.a'), { ttlMs: HOUR_MS, persist: false });
  await live.count(1);
  await worker.count('w', 1);
  const { payload } = await socket.next('events');
  const end = live.events[0]!.expiresAt!;
  expect(Date.parse(end)).toBeGreaterThan(Date.now());
  expect(worker.received('w')[0]!.expiresAt).toBe(end);
  expect(payload.events[0].expiresAt).toBe(end);
});
