import { connect as connectTcp } from 'node:net';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { isDeeperThan } from '../../../src/protocol/json-depth.js';
import { parseClientFrame } from '../../../src/protocol/wire.js';
import { openGateway } from '../support/open-gateway.js';

/** Bad frames, each with the path of its fault. Each is answered by a typed error, and the connection stays open. */

const event = { topic: 'a', type: 'agent_log', payload: null };
const subscribe = { subscription: 's', filter: '*' };
const without = (field: string, value: object) =>
  Object.fromEntries(Object.entries(value).filter(([name]) => name !== field));
const frame = (type: string, payload?: unknown) => JSON.stringify({ type, payload });
const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

const NOT_FRAMES = [
  '',
  ' ',
  'hello',
  '{',
  '{"type":"ping"',
  "{'type':'ping'}",
  '{"type":"ping",}',
  '\u0000',
  'null',
  'true',
  '1',
  '"ping"',
  '[]',
  '[{"type":"ping"}]',
  '{"type":"ping"} {"type":"ping"}',
  deep(100),
  '['.repeat(500_000),
  '{"a":'.repeat(100_000),
];

const FAULTS: readonly (readonly [text: string, path: string])[] = [
  ['{}', 'type'],
  ['{"type":5}', 'type'],
  ['{"type":null}', 'type'],
  ['{"type":""}', 'type'],
  ['{"type":"PING"}', 'type'],
  ['{"type":"__proto__"}', 'type'],
  ['{"type":"toString"}', 'type'],
  ['{"type":"constructor"}', 'type'],
  ['{"type":"ping","extra":1}', 'extra'],
  ['{"type":"ping","__proto__":{"a":1}}', '__proto__'],
  ['{"type":"ping","requestId":null}', 'requestId'],
  ['{"type":"ping","requestId":1.5}', 'requestId'],
  ['{"type":"ping","requestId":1e300}', 'requestId'],
  ['{"type":"ping","requestId":""}', 'requestId'],
  ['{"type":"ping","requestId":{}}', 'requestId'],
  [`{"type":"ping","requestId":"${'x'.repeat(129)}"}`, 'requestId'],
  ['{"type":"ping","payload":null}', 'payload'],
  ['{"type":"ping","payload":[]}', 'payload'],
  ['{"type":"ping","payload":{"a":1}}', 'payload.a'],
  ['{"type":"stats","payload":5}', 'payload'],
  ['{"type":"subscribe"}', 'payload'],
  ['{"type":"publish"}', 'payload'],
  ['{"type":"publish","payload":null}', 'payload'],
  ['{"type":"publish","payload":"x"}', 'payload'],
  [frame('publish', {}), 'payload.event'],
  [frame('publish', { event: null }), 'payload.event'],
  [frame('publish', { event: [] }), 'payload.event.topic'],
  [frame('publish', { event: without('topic', event) }), 'payload.event.topic'],
  [frame('publish', { event: without('type', event) }), 'payload.event.type'],
  [frame('publish', { event: without('payload', event) }), 'payload.event.payload'],
  [frame('publish', { event: { ...event, topic: 5 } }), 'payload.event.topic'],
  [frame('publish', { event: { ...event, type: null } }), 'payload.event.type'],
  [frame('publish', { event: { ...event, source: {} } }), 'payload.event.source'],
  [frame('publish', { event: { ...event, id: 7 } }), 'payload.event.id'],
  [frame('publish', { event: { ...event, timestamp: 7 } }), 'payload.event.timestamp'],
  [frame('publish', { event: { ...event, attributes: [] } }), 'payload.event.attributes'],
  [frame('publish', { event: { ...event, attributes: { a: 1 } } }), 'payload.event.attributes.a'],
  [frame('publish', { event: { ...event, shard: 1 } }), 'payload.event.shard'],
  [frame('publish', { event, durability: 'none' }), 'payload.durability'],
  [frame('publish', { event, persist: 'no' }), 'payload.persist'],
  [frame('publish', { event, events: [event] }), 'payload.event'],
  [frame('publish', { events: [] }), 'payload.events'],
  [frame('publish', { events: {} }), 'payload.events'],
  [frame('publish', { events: [event, { ...event, topic: 1 }] }), 'payload.events.1.topic'],
  [frame('subscribe', without('subscription', subscribe)), 'payload.subscription'],
  [frame('subscribe', without('filter', subscribe)), 'payload.filter'],
  [frame('subscribe', { ...subscribe, subscription: '' }), 'payload.subscription'],
  [frame('subscribe', { ...subscribe, subscription: 'x'.repeat(256) }), 'payload.subscription'],
  [frame('subscribe', { ...subscribe, filter: 5 }), 'payload.filter'],
  [frame('subscribe', { ...subscribe, filter: [] }), 'payload.filter'],
  [frame('subscribe', { ...subscribe, filter: ['a', 5] }), 'payload.filter.1'],
  [frame('subscribe', { ...subscribe, filter: {} }), 'payload.filter.topics'],
  [frame('subscribe', { ...subscribe, filter: { topics: 'a' } }), 'payload.filter.topics'],
  [frame('subscribe', { ...subscribe, filter: { topics: ['a'], x: 1 } }), 'payload.filter.x'],
  [frame('subscribe', { ...subscribe, from: 'later' }), 'payload.from'],
  [frame('subscribe', { ...subscribe, from: null }), 'payload.from'],
  [frame('subscribe', { ...subscribe, from: {} }), 'payload.from.after'],
  [frame('subscribe', { ...subscribe, from: { last: 0 } }), 'payload.from.last'],
  [frame('subscribe', { ...subscribe, from: { last: 1.5 } }), 'payload.from.last'],
  [frame('subscribe', { ...subscribe, from: { since: 5 } }), 'payload.from.since'],
  [frame('subscribe', { ...subscribe, from: { last: 1, after: 'x' } }), 'payload.from.after'],
  [frame('subscribe', { ...subscribe, overflow: 'block' }), 'payload.overflow'],
  [frame('subscribe', { ...subscribe, maxBuffer: -1 }), 'payload.maxBuffer'],
  [frame('subscribe', { ...subscribe, name: 'x' }), 'payload.name'],
  [frame('update', { subscription: 's' }), 'payload.filter'],
  [frame('unsubscribe', {}), 'payload.subscription'],
  [frame('query', {}), 'payload.topic'],
  [frame('query', { topic: [] }), 'payload.topic'],
  [frame('query', { topic: 'a', limit: 0 }), 'payload.limit'],
  [frame('query', { topic: 'a', limit: '5' }), 'payload.limit'],
  [frame('query', { topic: 'a', reverse: 1 }), 'payload.reverse'],
  [frame('query', { topic: 'a', types: 'x' }), 'payload.types'],
  [frame('query', { topic: 'a', attributes: { k: 'v' } }), 'payload.attributes.k'],
  [frame('topics', { pattern: 5 }), 'payload.pattern'],
  [frame('subscribers', { topic: 5 }), 'payload.topic'],
  [frame('backup'), 'payload'],
  [frame('backup', {}), 'payload.dir'],
  [frame('backup', { dir: 5 }), 'payload.dir'],
  [frame('backup', { dir: '/x', shards: 1 }), 'payload.shards'],
  [frame('prune', []), 'payload'],
  [frame('prune', { maxEvents: -1 }), 'payload.maxEvents'],
  [frame('prune', { maxBytes: '1' }), 'payload.maxBytes'],
  [frame('prune', { before: 5 }), 'payload.before'],
];

describe('a bad frame', () => {
  it('is answered by a typed error with the path of its fault; the connection stays open', async () => {
    const { endpoint, connect } = await openGateway();
    const client = await connect();
    for (const text of NOT_FRAMES) {
      client.send(text);
      const { payload } = await client.next('error');
      expect(payload.code, text.slice(0, 80)).toBe('MESSAGE_INVALID');
    }
    for (const [text, path] of FAULTS) {
      client.send(text);
      const { payload } = await client.next('error');
      expect(payload, text).toMatchObject({ code: 'MESSAGE_INVALID', details: { path } });
      expect(payload.details, text).toHaveProperty('value');
    }
    expect((await client.ask('ping', {})).type).toBe('pong');
    expect(endpoint.published).toEqual([]);
    expect(endpoint.subscriptions.size).toBe(0);
  });

  it('is answered with the offending value, cut to a bounded length', () => {
    const text = frame('publish', { event: { ...event, source: { a: 1 } } });
    const parsed = parseClientFrame(text);
    expect(parsed).toMatchObject({
      error: { message: 'payload.event.source: expected string, received an object' },
    });
    const long = parseClientFrame(JSON.stringify({ type: 'x'.repeat(100_000) }));
    expect('error' in long && long.error.message.length).toBeLessThan(500);
    expect(parseClientFrame(JSON.stringify({ type: 'subscibe' }))).toMatchObject({
      error: { message: 'type "subscibe" is no type of a request (did you mean subscribe?)' },
    });
  });

  it('is answered with its requestId if that can be read', async () => {
    const client = await (await openGateway()).connect();
    for (const bad of [{ type: 'no' }, { type: 'ping', x: 1 }, { type: 'query', payload: 1 }]) {
      client.send({ ...bad, requestId: 'mine' });
      expect(await client.next('error')).toMatchObject({ requestId: 'mine' });
    }
  });

  it('closes the connection with 1003 if it is binary, after an error with the reason', async () => {
    const client = await (await openGateway()).connect();
    client.socket.send(Buffer.from('{"type":"ping"}'));
    expect((await client.next('error')).payload.code).toBe('MESSAGE_INVALID');
    expect((await client.closed).code).toBe(1003);
  });

  it('closes the connection with 1009 if it is too large; other connections stay open', async () => {
    const gateway = await openGateway({ maxFrameBytes: 2048 });
    const [client, other] = [await gateway.connect(), await gateway.connect()];
    client.send(frame('publish', { event: { ...event, payload: 'x'.repeat(4096) } }));
    expect((await client.closed).code).toBe(1009);
    expect((await other.ask('ping', {})).type).toBe('pong');
    expect(gateway.endpoint.published).toEqual([]);
  });

  it('is not reported for a payload of the largest size', async () => {
    const { connect } = await openGateway();
    const client = await connect();
    const payload = 'x'.repeat(1024 * 1024 - 2);
    const answer = await client.ask('publish', { event: { ...event, payload } });
    expect(answer.type).toBe('published');
  });

  it('is reported for a payload deeper than the limit, and not for one at the limit', async () => {
    const { connect } = await openGateway();
    const client = await connect();
    for (const [levels, type] of [
      [64, 'published'],
      [65, 'error'],
    ] as const) {
      const one = `{"topic":"a","type":"x","payload":${deep(levels)}}`;
      const text = `{"type":"publish","payload":{"events":[${one}]}}`;
      client.send(text);
      await client.next(type);
    }
  });
});

describe('a frame that breaks the WebSocket protocol', () => {
  const cases: readonly (readonly [name: string, bytes: number[], code: number])[] = [
    ['a reserved bit', [0xf1, 0x80, 0, 0, 0, 0], 1002],
    ['an unknown opcode', [0x83, 0x80, 0, 0, 0, 0], 1002],
    ['a frame without a mask', [0x81, 0x01, 0x61], 1002],
    ['a continuation of nothing', [0x80, 0x80, 0, 0, 0, 0], 1002],
    ['a fragmented ping', [0x09, 0x80, 0, 0, 0, 0], 1002],
    ['text that is not UTF-8', [0x81, 0x81, 0, 0, 0, 0, 0xff], 1007],
    ['a length beyond all limits', [0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255], 1009],
  ];

  it('closes its own connection with the right code, and no other', async () => {
    const gateway = await openGateway();
    const other = await gateway.connect();
    for (const [name, bytes, code] of cases) {
      expect(await closeCodeAfter(gateway.port, Buffer.from(bytes)), name).toBe(code);
    }
    expect((await other.ask('ping', {})).type).toBe('pong');
  });

  it('differs from a frame in fragments, which is answered', async () => {
    const client = await (await openGateway()).connect();
    const text = '{"type":"ping","requestId":"f"}';
    for (const [index, character] of [...text].entries()) {
      client.socket.send(character, { fin: index === text.length - 1, binary: false });
    }
    expect(await client.next('pong')).toMatchObject({ requestId: 'f' });
  });

  it('does no harm to others if its socket is cut in the middle', async () => {
    const gateway = await openGateway();
    for (const bytes of [[0x81], [0x81, 0xfe, 0x01], [0x81, 0x85, 1, 2, 3, 4, 5]]) {
      await upgraded(gateway.port, (socket) => {
        socket.write(Buffer.from(bytes));
        socket.resetAndDestroy();
      });
    }
    expect((await (await gateway.connect()).ask('ping', {})).type).toBe('pong');
  });
});

describe('the parser', () => {
  it('never throws, and accepts only frames', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.json().map(disturb)), (text) => {
        const parsed = parseClientFrame(text);
        expect('error' in parsed).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('counts the depth of the JSON, without brackets in strings', () => {
    const depthOf = (value: unknown): number => {
      if (typeof value !== 'object' || value === null) return 0;
      return 1 + Math.max(0, ...Object.values(value).map(depthOf));
    };
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(6), (value, max) => {
        expect(isDeeperThan(JSON.stringify(value), max)).toBe(depthOf(value) > max);
      }),
      { numRuns: 2000 },
    );
    const tricky = JSON.stringify({ 'a"[[[': ['\\"[[[', '\\\\', '[', '"'] });
    expect(isDeeperThan(tricky, 2)).toBe(false);
    expect(isDeeperThan(tricky, 1)).toBe(true);
  });

  it('keeps keys of a payload that have the names of inherited ones', () => {
    const text =
      '{"type":"publish","payload":{"event":{"topic":"a","type":"x",' +
      '"payload":{"__proto__":{"x":1}},"attributes":{"constructor":"c"}}}}';
    const parsed = parseClientFrame(text);
    const { event: parsedEvent } = (parsed as { frame: { payload: { event: typeof event } } }).frame
      .payload;
    expect(JSON.stringify(parsedEvent)).toBe(
      '{"topic":"a","type":"x","payload":{"__proto__":{"x":1}},"attributes":{"constructor":"c"}}',
    );
  });
});

let upgradeRequest = '';
beforeAll(() => {
  upgradeRequest = [
    'GET /events HTTP/1.1',
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    '\r\n',
  ].join('\r\n');
});

/** Upgrades a plain socket by hand, lets `act` write to it, and returns all bytes that the server sent. */
function upgraded(
  port: number,
  act: (socket: ReturnType<typeof connectTcp>) => void,
): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = connectTcp(port, '127.0.0.1', () => socket.write(upgradeRequest));
    const chunks: Buffer[] = [];
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      if (chunks.push(chunk) === 1) act(socket);
    });
    socket.on('close', () => resolve(Buffer.concat(chunks)));
  });
}

/** The code in the close frame, which is the last frame that the server sends. */
async function closeCodeAfter(port: number, bytes: Buffer): Promise<number> {
  const sent = await upgraded(port, (socket) => socket.write(bytes));
  const closeFrame = sent.subarray(-4);
  expect([...closeFrame.subarray(0, 2)]).toEqual([0x88, 2]);
  return closeFrame.readUInt16BE(2);
}

function disturb(text: string): string {
  return text.slice(0, Math.floor(text.length / 2));
}
