import { Collector } from '../../bus/support/collector.js';
import { until } from '../../bus/support/wait.js';
import { SseClient } from '../http/support/sse-client.js';
import { JSON_TYPE, type Served } from './served.js';

/** An event as a reader gets it. */
export interface ReadEvent {
  readonly payload: unknown;
  readonly expiresAt?: string;
}

/** The doors by which an event is read: each returns all events of a topic, from the earliest on. */
export interface ReadingDoor {
  readonly name: string;
  read(served: Served, topic: string): Promise<readonly ReadEvent[]>;
}

/** A CloudEvent has other names. */
interface CloudEvent {
  readonly data: unknown;
  readonly expirytime?: string;
}

const fromCloudEvent = ({ data, expirytime }: CloudEvent): ReadEvent => ({
  payload: data,
  ...(expirytime === undefined ? {} : { expiresAt: expirytime }),
});

const inProcess: ReadingDoor[] = [
  { name: 'query of the bus', read: ({ bus }, topic) => bus.query({ topic }) },
  {
    name: 'read of the bus, newest first',
    read: async ({ bus }, topic) => {
      const events: ReadEvent[] = [];
      for await (const event of bus.read({ topic, reverse: true })) events.unshift(event);
      return events;
    },
  },
  {
    name: 'latest of the bus',
    read: async ({ bus }, topic) => {
      const events: ReadEvent[] = [];
      for await (const event of bus.latest(topic)) events.push(event);
      return events;
    },
  },
  {
    name: 'subscribe of the bus, from the earliest',
    read: async ({ bus }, topic) => {
      const late = await Collector.start(bus, topic, { from: 'earliest' });
      await until('it has caught up', () => late.caughtUp.length > 0);
      return late.events;
    },
  },
  {
    name: 'subscribe of the bus, from the newest of each topic',
    read: async ({ bus }, topic) => {
      const late = await Collector.start(bus, topic, { from: 'latest' });
      await until('it has caught up', () => late.caughtUp.length > 0);
      return late.events;
    },
  },
  {
    name: 'query of an attached worker',
    read: async (served, topic) => (await served.worker()).query({ topic }),
  },
  {
    name: 'subscribe and read of an attached worker',
    read: async (served, topic) => {
      const worker = await served.worker();
      await worker.subscribe('all', [topic, 'end'], { from: 'earliest' });
      await until('it has caught up', () =>
        worker.received('all').some((event) => event.topic === 'end'),
      );
      return worker.received('all').filter((event) => event.topic !== 'end');
    },
  },
  {
    name: 'pull of a consumer',
    read: async ({ bus }, filter) => {
      const consumer = await bus.consumer('reader', { filter, from: 'earliest' });
      const deliveries = await consumer.pull({ max: 10, waitMs: 20_000 });
      return deliveries.map(({ event }) => event);
    },
  },
];

async function jsonOf(answer: Promise<Response>): Promise<unknown> {
  const response = await answer;
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

/** The events of a stream until it has caught up. */
async function streamed(url: string): Promise<unknown[]> {
  const stream = await SseClient.open(url);
  const events: unknown[] = [];
  for (;;) {
    const { event, data } = await stream.next();
    if (event === 'caughtUp') break;
    if (event === undefined) events.push(JSON.parse(data!));
  }
  stream.response.destroy();
  return events;
}

const overHttp: ReadingDoor[] = [
  {
    name: 'a query over HTTP',
    read: async ({ url }, topic) =>
      (await jsonOf(fetch(`${url}/v1/events?topic=${topic}`))) as ReadEvent[],
  },
  {
    name: 'a query over HTTP, as lines',
    read: async ({ url }, topic) => {
      const headers = { accept: 'application/x-ndjson' };
      const answer = await fetch(`${url}/v1/events?topic=${topic}`, { headers });
      const lines = (await answer.text()).split('\n').filter((line) => line !== '');
      return lines.map((line) => JSON.parse(line) as ReadEvent);
    },
  },
  {
    name: 'a query over HTTP, as CloudEvents',
    read: async ({ url }, topic) => {
      const headers = { accept: 'application/cloudevents-batch+json' };
      const answer = await jsonOf(fetch(`${url}/v1/events?topic=${topic}`, { headers }));
      return (answer as CloudEvent[]).map(fromCloudEvent);
    },
  },
  {
    name: 'a stream of Server-Sent Events',
    read: async ({ url }, topic) =>
      (await streamed(`${url}/v1/events/stream?topic=${topic}&from=earliest`)) as ReadEvent[],
  },
  {
    name: 'a stream of CloudEvents',
    read: async ({ url }, topic) => {
      const at = `${url}/v1/events/stream?topic=${topic}&from=earliest&format=cloudevents`;
      return ((await streamed(at)) as CloudEvent[]).map(fromCloudEvent);
    },
  },
  {
    name: 'a pull over HTTP',
    read: async (served, filter) => {
      await served.bus.consumer('puller', { filter, from: 'earliest' });
      const body = '{"max":10,"waitMs":20000}';
      const answer = await jsonOf(served.post('/v1/consumers/puller/pull', body, JSON_TYPE));
      return (answer as { event: ReadEvent }[]).map(({ event }) => event);
    },
  },
];

const overWebSocket: ReadingDoor[] = [
  {
    name: 'a frame query',
    read: async (served, topic) =>
      (await (await served.socket()).ask('query', { topic })).payload.events,
  },
  {
    name: 'a frame subscribe',
    read: async (served, topic) => {
      const socket = await served.socket();
      const request = { subscription: 's', filter: topic, from: 'earliest' };
      await socket.ask('subscribe', request);
      const events: ReadEvent[] = [];
      for (;;) {
        const { type, payload } = await socket.next();
        if (type === 'caughtUp') return events;
        if (type === 'events') events.push(...payload.events);
      }
    },
  },
  {
    name: 'query of a client',
    read: (served, topic) => served.client().query({ topic }),
  },
  {
    name: 'subscribe of a client',
    read: async (served, filter) => {
      const events: ReadEvent[] = [];
      let isCaughtUp = false;
      served
        .client()
        .subscribe(filter, (event) => void events.push(event), { from: 'earliest' })
        .on('caughtUp', () => {
          isCaughtUp = true;
        });
      await until('it has caught up', () => isCaughtUp);
      return events;
    },
  },
  {
    name: 'pull of a client’s consumer',
    read: async (served, filter) => {
      const definition = { filter, from: 'earliest' } as const;
      const consumer = await served.client().consumer('remote', definition);
      const deliveries = await consumer.pull({ max: 10, waitMs: 20_000 });
      return deliveries.map(({ event }) => event);
    },
  },
];

async function printed(served: Served, args: readonly string[]): Promise<unknown[]> {
  const { code, stdout, stderr } = await served.command([...args, '--json']);
  if (code !== 0) throw new Error(stderr);
  const lines = stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as unknown);
}

const byCommand: ReadingDoor[] = [
  {
    name: 'millrace query',
    read: async (served, topic) => (await printed(served, ['query', topic])) as ReadEvent[],
  },
  {
    name: 'millrace latest',
    read: async (served, topic) => (await printed(served, ['latest', topic])) as ReadEvent[],
  },
  {
    name: 'millrace sub',
    read: async (served, topic) => {
      const args = ['sub', topic, 'end', '--from', 'earliest', '--count', '3'];
      const events = (await printed(served, args)) as (ReadEvent & { topic: string })[];
      return events.filter((event) => event.topic !== 'end');
    },
  },
  {
    name: 'millrace consumers pull',
    read: async (served, filter) => {
      await served.bus.consumer('command', { filter, from: 'earliest' });
      const args = ['consumers', 'pull', 'command', '--max', '10', '--wait', '20s'];
      return ((await printed(served, args)) as { event: ReadEvent }[]).map(({ event }) => event);
    },
  },
];

export const READING_DOORS: readonly ReadingDoor[] = [
  ...inProcess,
  ...overHttp,
  ...overWebSocket,
  ...byCommand,
];
