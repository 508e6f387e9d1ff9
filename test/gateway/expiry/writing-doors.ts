import { EVENT_TTL_MS_MAX } from '../../../src/protocol/limits/events.js';
import { openTestBus } from '../../bus/support/open.js';
import { until } from '../../bus/support/wait.js';
import type { Outcome } from '../../cli/support/command.js';
import { forward } from '../../sinks/built.js';
import { codeOf, eventOn, JSON_TYPE, type Served } from './served.js';

/** The doors by which an event gets a time to live, or its end. */
export interface WritingDoor {
  readonly name: string;
  /**
   * Publishes events that live so long, and returns when they are recorded. Doors that take an absolute time return the
   * end that they gave.
   */
  publish(served: Served, topic: string, ttlMs: number): Promise<string | undefined>;
  /** How many events one `publish` makes; default 1. */
  readonly events?: number;
  /** Values that are no time to live, as this door takes them, and the code of each. */
  readonly refused: readonly (readonly [value: unknown, code: string])[];
  /** The code with which the door refuses a value. */
  refusal?(served: Served, value: unknown): Promise<string>;
}

const NUMBERS = [0, -1, 1.5, Number.NaN, EVENT_TTL_MS_MAX + 1] as const;
const asOption = [...NUMBERS, Infinity, '5', null].map(
  (value) => [value, 'OPTION_INVALID'] as const,
);
/** JSON has neither NaN nor Infinity, and says null. */
const inFrame = [
  ...[0, -1, 1.5, EVENT_TTL_MS_MAX + 1].map((value) => [value, 'OPTION_INVALID'] as const),
  ...[null, '5'].map((value) => [value, 'MESSAGE_INVALID'] as const),
];
const inBody = inFrame.map(([value]) => [value, 'OPTION_INVALID'] as const);
const asText = ['0', '-1', '1.5', 'NaN', 'soon', '', '1e3', ' 5', `${EVENT_TTL_MS_MAX + 1}`].map(
  (value) => [value, 'OPTION_INVALID'] as const,
);
const asTime = ['soon', '', 17, true, '2026-13-01T00:00:00Z', '2026-01-31', '-1'].map(
  (value) => [value, 'EVENT_INVALID'] as const,
);

type Ttl = { ttlMs: number };

const inProcess: WritingDoor[] = [
  {
    name: 'publish of the bus',
    refused: asOption,
    publish: async ({ bus }, topic, ttlMs) => {
      await bus.publish(eventOn(topic), { ttlMs });
      return undefined;
    },
    refusal: ({ bus }, ttlMs) => codeOf(bus.publish(eventOn('a'), { ttlMs } as Ttl)),
  },
  {
    name: 'publishMany of the bus, atomic',
    refused: asOption,
    events: 3,
    publish: async ({ bus }, topic, ttlMs) => {
      const inputs = [1, 2, 3].map((n) => eventOn(topic, n));
      await bus.publishMany(inputs, { ttlMs, atomic: true });
      return undefined;
    },
    refusal: ({ bus }, ttlMs) => codeOf(bus.publishMany([eventOn('a')], { ttlMs } as Ttl)),
  },
  {
    name: 'publish of an attached worker',
    refused: asOption,
    publish: async (served, topic, ttlMs) => {
      await (await served.worker()).publish(eventOn(topic), { ttlMs });
      return undefined;
    },
    refusal: async (served, ttlMs) =>
      codeOf((await served.worker()).publish(eventOn('a'), { ttlMs } as Ttl)),
  },
  {
    name: 'publishMany of an attached worker',
    refused: [[0, 'OPTION_INVALID']],
    events: 2,
    publish: async (served, topic, ttlMs) => {
      await (await served.worker()).publishMany([eventOn(topic), eventOn(topic, 2)], { ttlMs });
      return undefined;
    },
    refusal: async (served, ttlMs) =>
      codeOf((await served.worker()).publishMany([eventOn('a')], { ttlMs } as Ttl)),
  },
  {
    name: 'tryPublish of an attached worker',
    refused: [],
    events: 2,
    publish: async (served, topic, ttlMs) => {
      const worker = await served.worker();
      await worker.tryPublishEach([eventOn(topic), eventOn(topic, 2)], { ttlMs });
      await worker.drain();
      return undefined;
    },
  },
  {
    name: 'a publish that waits',
    refused: asOption,
    publish: async ({ bus }, topic, ttlMs) => {
      await bus.publish(eventOn(topic), { delayMs: 1, ttlMs });
      await until('it is due', async () => (await bus.scheduled()).publishes.length === 0);
      return undefined;
    },
    refusal: ({ bus }, ttlMs) =>
      codeOf(bus.publish(eventOn('a'), { deliverAt: new Date(), ttlMs } as Ttl)),
  },
  {
    name: 'a schedule',
    refused: asOption,
    publish: async ({ bus }, topic, ttlMs) => {
      await bus.schedules.set('tick', { everyMs: 1000, ttlMs, event: eventOn(topic) });
      await until('it has fired', async () => (await bus.schedules.get('tick'))!.fired > 0);
      await bus.schedules.delete('tick');
      return undefined;
    },
    refusal: ({ bus }, ttlMs) =>
      codeOf(bus.schedules.set('x', { everyMs: 1000, event: eventOn('a'), ttlMs } as never)),
  },
  {
    name: 'an ack with events',
    refused: [],
    publish: async ({ bus }, topic, ttlMs) => {
      const consumer = await bus.consumer(topic, { filter: 'jobs', from: 'now' });
      await bus.publish(eventOn('jobs'));
      const [delivery] = await consumer.pull({ max: 1, waitMs: 20_000 });
      await delivery!.ackAndPublish([eventOn(topic)], { ttlMs });
      return undefined;
    },
  },
  {
    name: 'the sink that forwards',
    refused: [],
    publish: async ({ bus }, topic, ttlMs) => {
      const from = await openTestBus({ dir: ':memory:', shards: 1 });
      const end = ttlMs > 1 ? undefined : { expiresAt: new Date(Date.now() + 200) };
      await from.publish({ ...eventOn(topic), ...end }, end === undefined ? { ttlMs } : {});
      const [event] = await from.query({ topic });
      const consumer = await from.consumer('out', {
        filter: '*',
        from: 'earliest',
        order: 'topic',
      });
      const sink = forward({ consumer, to: bus, here: 'here', there: 'there' });
      await until('it is done', async () => {
        const { acked, expired } = await consumer.info();
        return acked + expired === 1;
      });
      await sink.stop();
      return event?.expiresAt;
    },
  },
];

const lines = (topic: string): string =>
  [1, 2].map((n) => `${JSON.stringify(eventOn(topic, n))}\n`).join('');

async function accepted(answer: Promise<Response>): Promise<undefined> {
  const response = await answer;
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status} ${text}`);
  return undefined;
}

async function refusalOf(answer: Promise<Response>): Promise<string> {
  const response = await answer;
  const text = await response.text();
  if (response.status !== 400) return `${response.status} ${text}`;
  return (JSON.parse(text) as { code: string }).code;
}

/** The lease of an event, pulled over HTTP by a consumer of this name. */
async function leaseOf({ bus, url }: Served, name: string): Promise<string> {
  await bus.consumer(name, { filter: `jobs.${name}`, from: 'earliest' });
  await bus.publish(eventOn(`jobs.${name}`));
  const pull = { method: 'POST', headers: JSON_TYPE, body: '{"waitMs":20000}' };
  const pulled = await fetch(`${url}/v1/consumers/${name}/pull`, pull);
  return ((await pulled.json()) as [{ lease: string }])[0].lease;
}

async function giveBack(served: Served, name: string, lease: string): Promise<void> {
  const body = JSON.stringify({ lease, count: false });
  await accepted(served.post(`/v1/consumers/${name}/nak`, body, JSON_TYPE));
}

const overHttp: WritingDoor[] = [
  {
    name: 'the parameter ttlMs over HTTP',
    refused: asText.filter(([value]) => value !== ''),
    publish: (served, topic, ttlMs) =>
      accepted(served.post(`/v1/events?ttlMs=${ttlMs}`, JSON.stringify(eventOn(topic)), JSON_TYPE)),
    refusal: (served, value) => {
      const path = `/v1/events?ttlMs=${encodeURIComponent(String(value))}`;
      return refusalOf(served.post(path, JSON.stringify(eventOn('a')), JSON_TYPE));
    },
  },
  {
    name: 'the header Millrace-Ttl-Ms, for an array',
    // A header loses the spaces around its value.
    refused: asText.filter(([value]) => value !== ' 5'),
    events: 2,
    publish: (served, topic, ttlMs) =>
      accepted(
        served.post('/v1/events', JSON.stringify([eventOn(topic), eventOn(topic, 2)]), {
          ...JSON_TYPE,
          'millrace-ttl-ms': String(ttlMs),
        }),
      ),
    refusal: (served, value) => {
      const headers = { ...JSON_TYPE, 'millrace-ttl-ms': String(value) };
      return refusalOf(served.post('/v1/events', JSON.stringify(eventOn('a')), headers));
    },
  },
  {
    name: 'the header Millrace-Ttl-Ms, for lines',
    refused: [['0', 'OPTION_INVALID']],
    events: 2,
    publish: (served, topic, ttlMs) =>
      accepted(
        served.post('/v1/events', lines(topic), {
          'content-type': 'application/x-ndjson',
          'millrace-ttl-ms': String(ttlMs),
        }),
      ),
    refusal: (served, value) => {
      const type = { 'content-type': 'application/x-ndjson' };
      const headers = { ...type, 'millrace-ttl-ms': String(value) };
      return refusalOf(served.post('/v1/events', lines('a'), headers));
    },
  },
  {
    name: 'expiresAt of a JSON event over HTTP',
    refused: asTime,
    publish: async (served, topic, ttlMs) => {
      const expiresAt = new Date(Date.now() + ttlMs).toISOString();
      const body = JSON.stringify({ ...eventOn(topic), expiresAt });
      // The time of the event counts before the option.
      await accepted(served.post('/v1/events?ttlMs=86400000', body, JSON_TYPE));
      return expiresAt;
    },
    refusal: (served, expiresAt) =>
      refusalOf(
        served.post('/v1/events', JSON.stringify({ ...eventOn('a'), expiresAt }), JSON_TYPE),
      ),
  },
  {
    name: 'an ack with events over HTTP',
    refused: inBody,
    publish: async (served, topic, ttlMs) => {
      const lease = await leaseOf(served, topic);
      const body = JSON.stringify({ lease, publish: [eventOn(topic)], ttlMs });
      return accepted(served.post(`/v1/consumers/${topic}/ack`, body, JSON_TYPE));
    },
    refusal: async (served, ttlMs) => {
      const lease = await leaseOf(served, 'refused');
      const body = JSON.stringify({ lease, publish: [eventOn('a')], ttlMs });
      const code = await refusalOf(served.post('/v1/consumers/refused/ack', body, JSON_TYPE));
      await giveBack(served, 'refused', lease);
      return code;
    },
  },
];

const cloudEvent = (topic: string, more: object = {}) => {
  return {
    specversion: '1.0',
    id: `id-${++ids}`,
    source: 'here',
    type: 'note',
    subject: topic,
    ...more,
  };
};
let ids = 0;

/** A time as it is written three hours east of Greenwich. */
const eastern = (ms: number): string =>
  new Date(ms + 3 * 3_600_000).toISOString().replace('Z', '+03:00');

const STRUCTURED = { 'content-type': 'application/cloudevents+json' };
const BATCH = { 'content-type': 'application/cloudevents-batch+json' };

const asCloudEvent: WritingDoor[] = [
  {
    name: 'expirytime of a CloudEvent, structured',
    refused: asTime,
    publish: async (served, topic, ttlMs) => {
      const expirytime = new Date(Date.now() + ttlMs).toISOString();
      const body = JSON.stringify(cloudEvent(topic, { expirytime }));
      await accepted(served.post('/v1/events', body, STRUCTURED));
      return expirytime;
    },
    refusal: (served, expirytime) =>
      refusalOf(
        served.post('/v1/events', JSON.stringify(cloudEvent('a', { expirytime })), STRUCTURED),
      ),
  },
  {
    name: 'expirytime of a CloudEvent, binary, in another zone',
    refused: asTime,
    publish: async (served, topic, ttlMs) => {
      const at = Date.now() + ttlMs;
      const headers = { ...inHeaders(topic), 'ce-expirytime': eastern(at) };
      await accepted(served.post('/v1/events', '1', headers));
      return new Date(at).toISOString();
    },
    refusal: (served, value) => {
      const headers = { ...inHeaders('a'), 'ce-expirytime': String(value) };
      return refusalOf(served.post('/v1/events', '1', headers));
    },
  },
  {
    name: 'expirytime of a CloudEvent, in a batch',
    refused: asTime,
    events: 2,
    publish: async (served, topic, ttlMs) => {
      const at = Date.now() + ttlMs;
      const expirytime = new Date(at).toISOString();
      const both = [
        cloudEvent(topic, { expirytime }),
        cloudEvent(topic, { expirytime: eastern(at) }),
      ];
      await accepted(served.post('/v1/events', JSON.stringify(both), BATCH));
      return expirytime;
    },
    refusal: (served, expirytime) => {
      const both = [cloudEvent('a'), cloudEvent('a', { expirytime })];
      return refusalOf(served.post('/v1/events', JSON.stringify(both), BATCH));
    },
  },
  {
    name: 'the header Millrace-Ttl-Ms, for a batch of CloudEvents',
    refused: [['0', 'OPTION_INVALID']],
    events: 2,
    publish: (served, topic, ttlMs) => {
      const headers = { ...BATCH, 'millrace-ttl-ms': String(ttlMs) };
      const both = JSON.stringify([cloudEvent(topic), cloudEvent(topic)]);
      return accepted(served.post('/v1/events', both, headers));
    },
    refusal: (served, value) => {
      const headers = { ...BATCH, 'millrace-ttl-ms': String(value) };
      return refusalOf(served.post('/v1/events', JSON.stringify([cloudEvent('a')]), headers));
    },
  },
];

function inHeaders(topic: string): Record<string, string> {
  const { specversion, id, source, type, subject } = cloudEvent(topic);
  return {
    ...JSON_TYPE,
    ...{ 'ce-specversion': specversion, 'ce-id': id, 'ce-source': source },
    ...{ 'ce-type': type, 'ce-subject': subject },
  };
}

const overWebSocket: WritingDoor[] = [
  {
    name: 'a frame publish with one event',
    refused: inFrame,
    publish: async (served, topic, ttlMs) => {
      const socket = await served.socket();
      const { type, payload } = await socket.ask('publish', { event: eventOn(topic), ttlMs });
      if (type !== 'published') throw new Error(JSON.stringify(payload));
      return undefined;
    },
    refusal: async (served, ttlMs) =>
      (await (await served.socket()).ask('publish', { event: eventOn('a'), ttlMs })).payload.code,
  },
  {
    name: 'a frame publish with several events',
    refused: inFrame,
    events: 2,
    publish: async (served, topic, ttlMs) => {
      const events = [eventOn(topic), eventOn(topic, 2)];
      const answer = await (await served.socket()).ask('publish', { events, ttlMs });
      if (answer.type !== 'published') throw new Error(JSON.stringify(answer.payload));
      return undefined;
    },
    refusal: async (served, ttlMs) =>
      (await (await served.socket()).ask('publish', { events: [eventOn('a')], ttlMs })).payload
        .code,
  },
  {
    name: 'expiresAt of an event in a frame',
    refused: [
      ['soon', 'EVENT_INVALID'],
      ['2026-01-31T00:00:00+01:00', 'EVENT_INVALID'],
      [17, 'MESSAGE_INVALID'],
    ],
    publish: async (served, topic, ttlMs) => {
      const expiresAt = new Date(Date.now() + ttlMs).toISOString();
      const event = { ...eventOn(topic), expiresAt };
      await (await served.socket()).ask('publish', { event, ttlMs: 86_400_000 });
      return expiresAt;
    },
    refusal: async (served, expiresAt) => {
      const event = { ...eventOn('a'), expiresAt };
      return (await (await served.socket()).ask('publish', { event })).payload.code;
    },
  },
  {
    name: 'publish of a client',
    refused: asOption,
    publish: async (served, topic, ttlMs) => {
      await served.client().publish(eventOn(topic), { ttlMs });
      return undefined;
    },
    refusal: (served, ttlMs) => codeOf(served.client().publish(eventOn('a'), { ttlMs } as Ttl)),
  },
  {
    name: 'ackAndPublish of a client',
    refused: asOption,
    publish: async (served, topic, ttlMs) => {
      const delivery = await deliveryOf(served, topic);
      await delivery.ackAndPublish([eventOn(topic)], { ttlMs });
      return undefined;
    },
    refusal: async (served, ttlMs) => {
      const delivery = await deliveryOf(served, 'refused');
      return codeOf(delivery.ackAndPublish([eventOn('a')], { ttlMs } as Ttl));
    },
  },
  {
    name: 'a frame ackAndPublish',
    refused: inFrame,
    publish: async (served, topic, ttlMs) => {
      const request = { lease: await leaseOf(served, topic), events: [eventOn(topic)], ttlMs };
      const answer = await (await served.socket()).ask('ackAndPublish', request);
      if (answer.type !== 'published') throw new Error(JSON.stringify(answer.payload));
      return undefined;
    },
    refusal: async (served, ttlMs) => {
      const request = { lease: await leaseOf(served, 'refused'), events: [eventOn('a')], ttlMs };
      return (await (await served.socket()).ask('ackAndPublish', request)).payload.code;
    },
  },
  {
    name: 'publishMany of a client',
    refused: asOption,
    events: 3,
    publish: async (served, topic, ttlMs) => {
      const inputs = [1, 2, 3].map((n) => eventOn(topic, n));
      await served.client().publishMany(inputs, { ttlMs });
      return undefined;
    },
    refusal: (served, ttlMs) =>
      codeOf(served.client().publishMany([eventOn('a')], { ttlMs } as Ttl)),
  },
  {
    name: 'expiresAt of a client’s event',
    refused: [
      ['soon', 'EVENT_INVALID'],
      [17, 'EVENT_INVALID'],
      [new Date(Number.NaN), 'EVENT_INVALID'],
    ],
    publish: async (served, topic, ttlMs) => {
      const expiresAt = new Date(Date.now() + ttlMs);
      await served.client().publish({ ...eventOn(topic), expiresAt }, { ttlMs: 86_400_000 });
      return expiresAt.toISOString();
    },
    refusal: (served, expiresAt) =>
      codeOf(served.client().publish({ ...eventOn('a'), expiresAt: expiresAt as string })),
  },
];

async function deliveryOf(served: Served, name: string) {
  await served.bus.publish(eventOn(`jobs.${name}`));
  const definition = { filter: `jobs.${name}`, from: 'earliest' } as const;
  const consumer = await served.client().consumer(name, definition);
  return (await consumer.pull({ max: 1, waitMs: 20_000 }))[0]!;
}

const byCommand: WritingDoor[] = [
  {
    name: 'millrace consumers ack --publish --ttl',
    refused: [
      ['-1', 'exit code 2'],
      ['0', 'exit code 2: OPTION_INVALID'],
    ],
    publish: async (served, topic, ttlMs) => {
      const lease = await leaseOf(served, topic);
      const event = ['--publish', JSON.stringify(eventOn(topic))];
      const args = ['consumers', 'ack', lease, ...event, '--ttl', `${ttlMs}ms`];
      const { code, stderr } = await served.command(args);
      if (code !== 0) throw new Error(stderr);
      return undefined;
    },
    refusal: async (served, value) => {
      const lease = await leaseOf(served, 'refused');
      const event = ['--publish', JSON.stringify(eventOn('a'))];
      const args = ['consumers', 'ack', lease, ...event, `--ttl=${value}`];
      const code = await exitOf(served.command(args));
      await giveBack(served, 'refused', lease);
      return code;
    },
  },
  {
    name: 'millrace schedules set --ttl',
    refused: [
      ['-1', 'exit code 2'],
      ['0', 'exit code 2: OPTION_INVALID'],
    ],
    publish: async (served, topic, ttlMs) => {
      const args = ['schedules', 'set', 'tick', topic, '1', '--every', '1s', '--ttl', `${ttlMs}ms`];
      const { code, stderr } = await served.command(args);
      if (code !== 0) throw new Error(stderr);
      const { schedules } = served.bus;
      await until('it has fired', async () => (await schedules.get('tick'))!.fired > 0);
      await schedules.delete('tick');
      return undefined;
    },
    refusal: (served, value) =>
      exitOf(
        served.command(['schedules', 'set', 'x', 'a', '1', '--every', '1s', `--ttl=${value}`]),
      ),
  },
  {
    name: 'millrace pub --ttl',
    refused: [
      ...['-1', 'soon', '5x', 'NaN', ''].map((value) => [value, 'exit code 2'] as const),
      // The server says from where to where it goes.
      ...['0', '0.2ms', `${EVENT_TTL_MS_MAX + 1}ms`].map(
        (value) => [value, 'exit code 2: OPTION_INVALID'] as const,
      ),
    ],
    publish: async (served, topic, ttlMs) => {
      const { code, stderr } = await served.command(['pub', topic, '1', '--ttl', `${ttlMs}ms`]);
      if (code !== 0) throw new Error(stderr);
      return undefined;
    },
    refusal: (served, value) => exitOf(served.command(['pub', 'a', '1', `--ttl=${value}`])),
  },
  {
    name: 'millrace pub --ttl, for lines',
    refused: [],
    events: 2,
    publish: async (served, topic, ttlMs) => {
      const args = ['pub', topic, '-', '--ttl', `${ttlMs}ms`];
      const { code, stderr } = await served.command(args, '1\n2\n');
      if (code !== 0) throw new Error(stderr);
      return undefined;
    },
  },
];

/** The exit code, and the code of the server's error where there is one. */
async function exitOf(command: Promise<Outcome>): Promise<string> {
  const { code, stderr } = await command;
  const [, error] = /\(([A-Z_]+)\)\s*$/.exec(stderr) ?? [];
  return `exit code ${code}${error === undefined ? '' : `: ${error}`}`;
}

export const WRITING_DOORS: readonly WritingDoor[] = [
  ...inProcess,
  ...overHttp,
  ...asCloudEvent,
  ...overWebSocket,
  ...byCommand,
];
