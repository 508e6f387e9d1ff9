import { isDeepStrictEqual } from 'node:util';
import { attempt, hold, shown } from '../hold.js';
import { oddText } from '../texts.js';
import { mutateJson, someJson } from '../values.js';

/**
 * CloudEvents: what an event becomes, and what comes back of it; and CloudEvents of strangers in JSON and in headers. A
 * case is `{ event }`, `{ cloudEvent }` or `{ headers, data }`.
 */

const CODES = ['EVENT_INVALID', 'PAYLOAD_INVALID'];
const KEYS = [
  'agentId',
  'agentid',
  'agentid2',
  'x',
  'X',
  '-',
  'é',
  'data',
  'source',
  'time',
  'datacontenttype',
];
const MORE_KEYS = [
  'dataschema',
  'millracenames',
  'constructor',
  'sequence',
  'a b',
  'subject',
  'agent.id',
];
const GOOD = {
  ...{
    specversion: '1.0',
    id: 'order-1',
    source: 'https://shop.example/a?b=c',
    type: 'com.example.made',
  },
  ...{
    subject: 'orders.new',
    time: '2026-01-31T12:00:00Z',
    data: { a: [1] },
    agentid: '7',
    count: 3,
    ok: true,
  },
  ...{
    datacontenttype: 'application/json',
    correlationid: 'run',
    causationid: 'c',
    sequence: '4',
    traceparent: null,
  },
};
const ZONED = [
  ...[
    '2026-01-31T12:00:00+01:00',
    '2026-01-31t12:00:00z',
    '2026-02-30T00:00:00+01:00',
    '2026-01-31T24:00:00+00:00',
  ],
  ...['9999-12-31T23:59:59-23:59', '0000-01-01T00:00:00+23:59', '2026-01-31T12:00:00-00:00'],
];

export async function open(load) {
  const product = {};
  for (const file of [
    'protocol/cloud-event.js',
    'gateway/http/cloud-events.js',
    'protocol/event-input.js',
    'protocol/timestamp.js',
  ]) {
    Object.assign(product, await load(file));
  }
  return { make, check: (one) => check(one, product) };
}

function make(random, pool) {
  const kind = random.below(5);
  if (kind === 0) return { event: someEvent(random) };
  if (kind === 1) return { headers: someHeaders(random), data: someJson(random, 2) };
  const base = kind === 2 ? GOOD : { ...GOOD, time: random.pick(ZONED) };
  const other = random.pick(pool).cloudEvent ?? null;
  return {
    cloudEvent: mutateJson(
      random,
      random.chance(0.7) ? base : (other ?? base),
      someJson(random, 1),
    ),
  };
}

function someEvent(random) {
  const attributes = {};
  for (let left = random.below(5); left > 0; left--) {
    const key = random.pick(random.chance(0.7) ? KEYS : MORE_KEYS);
    attributes[key] = random.chance(0.5)
      ? random.pick(['7', '', 'application/json'])
      : oddText(random, 3).toWellFormed();
  }
  const source = random.chance(0.5)
    ? random.pick(['shop', '/a/b', 'a%20b'])
    : `a${oddText(random, 3).toWellFormed()}`;
  /** @type {any} */
  const event = {
    ...{ id: 'order-1', topic: 'orders.new', type: random.pick(['a', 'é']), source },
    ...{
      timestamp: '2026-01-31T12:00:00.000Z',
      payload: someJson(random, 2),
      shard: 0,
      sequence: 5,
    },
  };
  if (random.chance(0.7)) event.attributes = attributes;
  if (random.chance(0.3)) event.correlationId = `r${oddText(random, 2).toWellFormed()}`;
  if (random.chance(0.3)) event.causationId = 'c';
  if (random.chance(0.3)) event.expiresAt = '2027-01-31T12:00:00.000Z';
  return event;
}

function someHeaders(random) {
  const headers = {
    'ce-specversion': '1.0',
    'ce-id': '1',
    'ce-source': 's',
    'ce-type': 't',
    'ce-subject': 'a',
  };
  for (let left = random.below(4); left > 0; left--) {
    const name = random.pick([
      'ce-id',
      'ce-time',
      'ce-agentid',
      'ce-',
      'ce-a-b',
      'ce-data',
      'ce-source',
      'x',
    ]);
    headers[name] = random.pick([
      '"a\\"b"',
      '%c3%a9',
      '%ff',
      '%',
      'é',
      'Ã©',
      '',
      '"',
      ...ZONED,
      oddText(random, 4),
    ]);
  }
  return headers;
}

function check({ event, cloudEvent, headers, data }, product) {
  if (event !== undefined) return checkRoundTrip(event, product);
  const { value: input } =
    headers === undefined
      ? attempt(CODES, () => product.fromCloudEvent(cloudEvent, '', 'fallback'))
      : attempt(CODES, () =>
          product.fromBinaryMode(headers, { value: data, text: undefined }, 'application/json'),
        );
  if (input === undefined) return undefined;
  const { error } = attempt(['TOPIC_INVALID', ...CODES], () => product.checkEventInput(input));
  if (error !== undefined || headers !== undefined) return undefined;
  hold(input.topic === (cloudEvent.subject ?? 'fallback') && input.id === cloudEvent.id, () =>
    shown(input),
  );
  checkTime(cloudEvent.time, input.timestamp);
  checkTime(cloudEvent.expirytime, input.expiresAt);
  return undefined;
}

/** A time that is taken is the time that was given, on a day that there is. */
function checkTime(given, taken) {
  if (given === undefined || given === null)
    return hold(taken === undefined, () => `made ${taken}`);
  const [, wall, fraction = '', zone] = /^(.{19})(?:\.(\d+))?(.*)$/.exec(given.toUpperCase()) ?? [];
  const day = new Date(`${wall}Z`);
  hold(day.toJSON()?.startsWith(wall), () => `${given} is no time, and is taken for ${taken}`);
  const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)$/.exec(zone) ?? [null, '+', 0, 0];
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1);
  const expected = day.getTime() - offset + Number(`0${fraction.padEnd(3, '0').slice(0, 3)}`);
  return hold(Date.parse(taken) === expected, () => `${given} is taken for ${taken}`);
}

function checkRoundTrip(event, product) {
  const text = product.cloudEventText(event);
  const cloudEvent = JSON.parse(text);
  const names = Object.keys(cloudEvent).filter((name) => name !== 'data');
  hold(
    names.every((name) => /^[a-z0-9]+$/.test(name)),
    () => `names ${shown(names)}`,
  );
  const input = product.fromCloudEvent(cloudEvent, '');
  const { shard: _, sequence: __, source, ...expected } = event;
  const { source: sent, ...taken } = input;
  if (expected.attributes?.datacontenttype === 'application/json') {
    const { datacontenttype: ___, ...others } = expected.attributes;
    expected.attributes = others;
  }
  if (Object.keys(expected.attributes ?? {}).length === 0) delete expected.attributes;
  hold(
    isDeepStrictEqual(normal(taken), normal(expected)),
    () => `${shown(taken)}, not ${shown(expected)}`,
  );
  hold(/^[!-~]*$/.test(sent), () => `a source that no URI can be: ${shown(sent)}`);
  hold(source.includes('%') || decodeURIComponent(sent) === source, () => `source ${shown(sent)}`);
}

function normal(value) {
  return JSON.parse(JSON.stringify(value));
}
