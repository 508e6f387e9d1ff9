import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { connect } from '../../src/client/connect.js';
import { attachBus } from '../../src/endpoint/attach-bus.js';
import type { Bus } from '../../src/main/bus.js';
import type { BusError } from '../../src/protocol/errors.js';
import { openBus } from './support/millrace.js';

/** Mistakes of people who use the bus for the first time: the error of each says what is wrong, and what to do. */

type Call = (bus: Bus, url: string) => unknown;

const event = { topic: 'a.b', type: 'x', payload: 1 };

/** As a program in JavaScript calls it: no type stands in the way. */
function call(target: object, method: string, ...args: unknown[]): unknown {
  return Reflect.apply(Reflect.get(target, method), target, args);
}

const MISTAKES: [mistake: string, call: Call, code: string, message: RegExp][] = [
  [
    'publishes a topic and a payload',
    (bus) => call(bus, 'publish', 'a.b', { done: 1 }),
    'EVENT_INVALID',
    /an event is an object { topic, type, payload }, not "a\.b"/,
  ],
  [
    'publishes a list of events',
    (bus) => call(bus, 'publish', [event]),
    'EVENT_INVALID',
    /not an array; publishMany takes several/,
  ],
  [
    'publishes an event without a type',
    (bus) => call(bus, 'publish', { topic: 'a.b', payload: 1 }),
    'EVENT_INVALID',
    /type is undefined; an event has one, such as "order_created"/,
  ],
  [
    'calls the payload data',
    (bus) => call(bus, 'publish', { topic: 'a.b', type: 'x', data: 1 }),
    'EVENT_INVALID',
    /unknown field "data" \(there are topic, type, payload, /,
  ],
  [
    'misspells an option',
    (bus) => call(bus, 'publish', event, { persists: false }),
    'OPTION_INVALID',
    /persists: is unknown \(did you mean persist\?\)/,
  ],
  [
    'subscribes to two patterns in one text',
    (bus) => bus.subscribe('a.b, c.d'),
    'PATTERN_INVALID',
    /segment 2 has whitespace .*; several patterns are a list/,
  ],
  [
    'asks for history by a pattern alone',
    (bus) => call(bus, 'query', 'a.*'),
    'QUERY_INVALID',
    /query: has to be an object, such as { topic: 'orders\.\*' }, not "a\.\*"/,
  ],
  [
    'asks for the type instead of the types',
    (bus) => call(bus, 'query', { topic: 'a.*', type: 'x' }),
    'QUERY_INVALID',
    /type: is unknown \(did you mean types\?\)/,
  ],
  [
    'looks up an id without a topic',
    (bus) => call(bus, 'get', '01M7YGH3SPNY9XQPWKBXM3GZ5F'),
    'QUERY_INVALID',
    /get takes a topic and an id/,
  ],
  [
    'iterates a subscription that has a handler',
    (bus) =>
      bus
        .subscribe('a.*', () => {})
        [Symbol.asyncIterator]()
        .next(),
    'OPTION_INVALID',
    /with a handler cannot be iterated; subscribe without one/,
  ],
  [
    'hands a worker the whole attachment',
    (bus) => attachBus(bus.attachment()),
    'OPTION_INVALID',
    /not the data of bus\.attachment\(\); hand over its data and its transferList/,
  ],
  [
    'misspells an option of the gateway',
    (bus) => call(bus, 'serve', { port: 0, allowOrigins: [] }),
    'OPTION_INVALID',
    /allowOrigins is no option of the gateway \(did you mean allowedOrigins\?\)/,
  ],
  [
    'gives connect a token',
    (_, url) => Reflect.apply(connect, undefined, [url, { token: 'x' }]),
    'OPTION_INVALID',
    /token: is unknown \(did you mean getToken\?\)/,
  ],
  [
    'connects where nobody listens',
    () => connected('http://127.0.0.1:9'),
    'CONNECTION_FAILED',
    /was not made: no server listens there \(ECONNREFUSED\)/,
  ],
  [
    'connects with TLS to a server without',
    (_, url) => connected(url.replace('http:', 'https:')),
    'CONNECTION_FAILED',
    /was not made: the server speaks no TLS; try http: or ws: \(EPROTO\)/,
  ],
  [
    'connects to a server of another kind',
    (_, url) => connected(url),
    'CONNECTION_FAILED',
    /answered with HTTP 200: no Millrace is served at this address/,
  ],
];

async function connected(url: string): Promise<void> {
  const client = connect(url, { maxReconnectAttempts: 0, onError: () => {} });
  try {
    await client.connected();
  } finally {
    await client.close();
  }
}

describe('a newcomer who', () => {
  it.each(MISTAKES)(
    '%s gets an error that says what is wrong, and what to do',
    async (_, act, code, message) => {
      await using bus = await openBus({ dir: ':memory:', shards: 1 });
      const other = createServer((_request, response) => response.end('hello'));
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
      const { port } = other.address() as { port: number };
      const failure = await Promise.resolve()
        .then(() => act(bus, `http://127.0.0.1:${port}`))
        .then(
          () => 'nothing',
          (error: BusError) => error,
        );
      other.close();
      expect(failure).toMatchObject({ code, message: expect.stringMatching(message) });
    },
  );
});
