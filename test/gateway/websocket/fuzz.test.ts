import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openGateway } from '../support/open-gateway.js';

/**
 * Fuzzes the gateway with random bytes. Here is how it works: raw sockets send a random part of an upgrade, and behind
 * it random WebSocket frames, some of them whole and correctly masked, cut into random pieces. After each run the
 * gateway must still serve a correct client, and at the end it must hold no subscription. fast-check prints the seed of
 * a failing run.
 */

const UPGRADE = [
  'GET /events HTTP/1.1',
  'Host: 127.0.0.1',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\n',
].join('\r\n');

const requests = [
  '{"type":"subscribe","payload":{"subscription":"s","filter":"*","from":"earliest"}}',
  '{"type":"subscribe","payload":{"subscription":"s","filter":"*"}}',
  '{"type":"unsubscribe","payload":{"subscription":"s"}}',
  '{"type":"publish","payload":{"event":{"topic":"a","type":"x","payload":1}}}',
  '{"type":"consumed","payload":{"subscription":"s","events":5}}',
  '{"type":"authenticate","payload":{"token":"x"}}',
  '{"type":"query","payload":{"topic":"*"}}',
  '{"type":"stats"}',
  '{"type":"ping"}',
];

/** A frame as a client sends it, with a mask of zeros. */
function frameOf(first: number, payload: Buffer): Buffer {
  const { length } = payload;
  const header =
    length < 126
      ? Buffer.from([first, 0x80 | length])
      : Buffer.from([first, 0x80 | 126, length >> 8, length & 0xff]);
  return Buffer.concat([header, Buffer.alloc(4), payload]);
}

const text = fc.oneof(
  fc.constantFrom(...requests),
  fc.json(),
  fc.tuple(fc.constantFrom(...requests), fc.nat(80), fc.string()).map(([request, at, junk]) => {
    return request.slice(0, at) + junk + request.slice(at + junk.length);
  }),
);
const frame = fc.oneof(
  text.map((one) => frameOf(0x81, Buffer.from(one))),
  fc
    .tuple(fc.nat(255), fc.uint8Array({ maxLength: 300 }))
    .map(([first, bytes]) => frameOf(first, Buffer.from(bytes))),
  fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
);
const upgrade = fc.oneof(
  { weight: 8, arbitrary: fc.constant(UPGRADE) },
  fc.nat(UPGRADE.length).map((length) => UPGRADE.slice(0, length)),
  fc.string().map((junk) => UPGRADE.replace('websocket', junk)),
);

function write(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else socket.write(bytes, () => setImmediate(resolve));
  });
}

async function say(port: number, bytes: Buffer, pieces: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  const size = Math.max(1, Math.ceil(bytes.length / pieces));
  for (let at = 0; at < bytes.length; at += size)
    await write(socket, bytes.subarray(at, at + size));
  socket.resetAndDestroy();
  await closed;
}

describe('the gateway', () => {
  it('serves other clients whatever bytes a socket sends', async () => {
    const gateway = await openGateway();
    const other = await gateway.connect();
    await fc.assert(
      fc.asyncProperty(
        upgrade,
        fc.array(frame, { maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        async (head, frames, pieces) => {
          await say(gateway.port, Buffer.concat([Buffer.from(head), ...frames]), pieces);
          expect((await other.ask('ping', {})).type).toBe('pong');
        },
      ),
      { numRuns: 300 },
    );
    await other.close();
    while (gateway.endpoint.subscriptions.size > 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await (await gateway.connect()).ask('ping', {})).type).toBe('pong');
    expect(gateway.logs.filter(({ level }) => level === 'error')).toEqual([]);
  }, 120_000);
});
