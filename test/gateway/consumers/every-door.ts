import type { Bus } from '../../../src/main/bus.js';
import type { ConsumerOptions, Delivery } from '../../../src/protocol/consumers.js';
import type { EventInput, PublishAck, PublishManyOptions } from '../../../src/protocol/event.js';
import type { ScheduleOptions } from '../../../src/protocol/schedules.js';
import { connectTo } from '../../client/support/millrace-client.js';
import { ask, connect, type Served, serve, type Taken } from './support.js';

/** The same calls at every door of a bus; each rejects with an error that has a code. */

export interface Held {
  readonly n: unknown;
  readonly lease: string;
  readonly attempt: number;
  ack(): Promise<unknown>;
  nak(): Promise<unknown>;
  term(): Promise<unknown>;
  working(): Promise<unknown>;
  follow(events: readonly EventInput[]): Promise<unknown>;
}

export interface Door {
  /** Makes or opens the consumer `worker`, or one of another name. */
  open(options?: Partial<ConsumerOptions>, name?: string): Promise<unknown>;
  /** Waits for the first event. */
  pull(max: number, name?: string): Promise<Held[]>;
  seek(from: unknown, name?: string): Promise<unknown>;
  act(what: 'pause' | 'resume' | 'delete', name?: string): Promise<unknown>;
  publish(
    events: readonly EventInput[],
    options: PublishManyOptions,
  ): Promise<readonly PublishAck[]>;
  schedule(options: ScheduleOptions): Promise<unknown>;
}

export const DOORS = ['in process', 'a client', 'the WebSocket', 'HTTP'] as const;
export type DoorName = (typeof DOORS)[number];

export interface AtDoor {
  readonly door: Door;
  readonly bus: Bus;
}

export async function openDoor(name: DoorName, shards = 1): Promise<AtDoor> {
  const served = await serve([], {}, shards);
  const { bus } = served;
  return { bus, door: await DOOR_OF[name](served) };
}

const DOOR_OF: Readonly<Record<DoorName, (served: Served) => Door | Promise<Door>>> = {
  'in process': ({ bus }) => overCalls(bus),
  'a client': ({ url }) => overCalls(connectTo(url).client),
  'the WebSocket': ({ port }) => overSocket(port),
  HTTP: ({ url }) => overHttp(url),
};

type Calls = Pick<Bus, 'consumer' | 'publish' | 'publishMany' | 'schedules'>;

function overCalls(calls: Calls): Door {
  const heldOf = (delivery: Delivery): Held => ({
    n: delivery.event.payload,
    lease: delivery.lease,
    attempt: delivery.attempt,
    ack: () => delivery.ack(),
    nak: () => delivery.nak({ delayMs: 0 }),
    term: () => delivery.term('never'),
    working: () => delivery.working(),
    follow: (events) => delivery.ackAndPublish(events),
  });
  return {
    open: (options, name = 'worker') =>
      options === undefined
        ? calls.consumer(name)
        : calls.consumer(name, { ...options, filter: options.filter ?? 'jobs.*' }),
    pull: async (max, name = 'worker') =>
      (await (await calls.consumer(name)).pull({ max, waitMs: 30_000 })).map(heldOf),
    seek: async (from, name = 'worker') => (await calls.consumer(name)).seek(from as never),
    act: async (what, name = 'worker') => (await calls.consumer(name))[what](),
    publish: async (events, options) =>
      events.length === 1
        ? [await calls.publish(events[0]!, options as object)]
        : calls.publishMany(events, options),
    schedule: (options) => calls.schedules.set('plan', options),
  };
}

interface Refused {
  readonly code: string;
  readonly details?: unknown;
}

async function overSocket(port: number): Promise<Door> {
  const client = await connect(port);
  let asked = 0;
  const request = async (type: string, payload: object) => {
    const answer = await client.answerTo(type, payload, ++asked);
    if (answer.type === 'error') throw answer.payload as Refused;
    return answer.payload;
  };
  const settle = async (settlement: object): Promise<unknown> => {
    const { results } = await request('settle', { settlements: [settlement] });
    if (results[0].code !== undefined) throw results[0] as Refused;
    return results[0];
  };
  const heldOf = ({ lease, attempt, event }: Taken): Held => ({
    n: event.payload,
    lease,
    attempt,
    ack: () => settle({ lease, kind: 'ack' }),
    nak: () => settle({ lease, kind: 'nak', delayMs: 0 }),
    term: () => settle({ lease, kind: 'term', reason: 'never' }),
    working: () => settle({ lease, kind: 'working' }),
    follow: (events) => request('ackAndPublish', { lease, events }),
  });
  const alter = (name: string, change: object) => request('alterConsumer', { name, change });
  return {
    open: (options, name = 'worker') =>
      request('consumer', {
        name,
        ...(options === undefined ? {} : { options: { filter: 'jobs.*', ...options } }),
      }),
    pull: async (max, name = 'worker') =>
      (await request('pull', { consumer: name, max, waitMs: 30_000 })).deliveries.map(heldOf),
    seek: (from, name = 'worker') => alter(name, { kind: 'seek', from }),
    act: (what, name = 'worker') => alter(name, { kind: what }),
    publish: async (events, options) =>
      (
        await request('publish', {
          ...(events.length === 1 ? { event: events[0] } : { events }),
          ...options,
        })
      ).acks,
    schedule: (options) => request('setSchedule', { name: 'plan', schedule: options }),
  };
}

function overHttp(url: string): Door {
  const request = async (method: string, path: string, body?: unknown) => {
    const answer = await ask(url, method, path, body);
    if (answer.status >= 400) throw answer.body as Refused;
    return answer.body;
  };
  const post = (name: string, what: string, body: object = {}) =>
    request('POST', `/v1/consumers/${name}/${what}`, body);
  const heldOf =
    (name: string) =>
    ({ lease, attempt, event }: Taken): Held => ({
      n: event.payload,
      lease,
      attempt,
      ack: () => post(name, 'ack', { lease }),
      nak: () => post(name, 'nak', { lease, delayMs: 0 }),
      term: () => post(name, 'term', { lease, reason: 'never' }),
      working: () => post(name, 'working', { lease }),
      follow: (events) => post(name, 'ack', { lease, publish: events }),
    });
  return {
    open: (options, name = 'worker') =>
      options === undefined
        ? request('GET', `/v1/consumers/${name}`)
        : request('PUT', `/v1/consumers/${name}`, { filter: 'jobs.*', ...options }),
    pull: async (max, name = 'worker') =>
      (await post(name, 'pull', { max, waitMs: 30_000 })).map(heldOf(name)),
    seek: (from, name = 'worker') => post(name, 'seek', { from }),
    act: (what, name = 'worker') =>
      what === 'delete' ? request('DELETE', `/v1/consumers/${name}`) : post(name, what),
    publish: (events, options) => {
      const query = new URLSearchParams();
      for (const [key, value] of Object.entries(options)) {
        const text = typeof value === 'object' ? String(value.sequence) : String(value);
        query.set(key, text);
      }
      return request('POST', `/v1/events?${query}`, events.length === 1 ? events[0] : events);
    },
    schedule: (options) => request('PUT', '/v1/schedules/plan', options),
  };
}
