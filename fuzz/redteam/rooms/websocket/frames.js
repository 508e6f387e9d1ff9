import assert from 'node:assert/strict';
import { deflateRawSync } from 'node:zlib';
import { closeCodeOf, frame, RawSocket } from '../../stage/frames.js';
import { until } from '../../stage/stage.js';

/** Frames that break the protocol, or that cost the server more than the client. Mallory comes from an address of her own. */

const MIB = 1024 * 1024;
const FROM = '127.0.0.2';

const open = (stage, options = {}) =>
  RawSocket.open(stage.port, { token: stage.tokens.mallory, localAddress: FROM, ...options });

/** The most that the server's memory grew while `work` ran, and how much is left after it. */
async function grown(stage, work) {
  const before = stage.server.residentBytes();
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, stage.server.residentBytes())), 50);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return (Math.max(most, stage.server.residentBytes()) - before) / MIB;
}

export const attacks = [
  {
    name: 'frames that break the protocol',
    wants: 'a thread that dies of a frame, or another connection that ends with it',
    async play(stage) {
      const other = await stage.socket('mallory');
      const shapes = {
        'not masked': [frame('{}', { masked: false }), 1002],
        'a reserved bit': [frame('{}', { rsv: 4 }), 1002],
        'all reserved bits': [frame('{}', { rsv: 7 }), 1002],
        'an opcode that is not known': [frame('{}', { opcode: 3 }), 1002],
        'a control opcode that is not known': [frame('', { opcode: 11 }), 1002],
        'a ping in two parts': [frame('x', { opcode: 9, fin: false }), 1002],
        'a ping that is too long': [frame('x'.repeat(126), { opcode: 9 }), 1002],
        'a continuation of nothing': [frame('{}', { opcode: 0 }), 1002],
        'two beginnings': [Buffer.concat([frame('{', { fin: false }), frame('}')]), 1002],
        'a close code that is reserved': [frame(Buffer.from([0x03, 0xed]), { opcode: 8 }), 1002],
        'a close code of one byte': [frame(Buffer.from([3]), { opcode: 8 }), 1002],
        'a reason that is not UTF-8': [frame(Buffer.from([0x03, 0xe8, 0xff]), { opcode: 8 }), 1007],
        'a text that is not UTF-8': [frame(Buffer.from([0xc0, 0xae])), 1007],
        'a length of 2^63': [frame('', { length: 2n ** 63n }), 1009],
        'a length of 2^53': [frame('', { length: 2n ** 53n }), 1009],
        'a length of 4 GiB': [frame('', { length: 2n ** 32n }), 1009],
        'a binary message': [frame('{}', { opcode: 2 }), 1003],
        'a message beyond the limit': [frame('', { length: 2n * 1024n * 1024n }), 1009],
        'parts that together are beyond the limit': [
          Buffer.concat([
            frame('x'.repeat(MIB), { fin: false }),
            frame('x'.repeat(MIB), { opcode: 0 }),
          ]),
          1009,
        ],
      };
      await Promise.all(
        Object.entries(shapes).map(async ([shape, [bytes, code]]) => {
          const socket = await open(stage);
          await socket.write(bytes);
          await until(
            `${shape} is answered`,
            () => socket.socket.destroyed || closeCodeOf(socket.text) !== undefined,
          );
          assert.equal(closeCodeOf(socket.text), code, shape);
          socket.end();
        }),
      );
      assert.equal((await other.one('ping')).type, 'pong');
    },
  },
  {
    name: 'a message in a million parts',
    wants: 'memory that grows by far more than was sent',
    async play(stage) {
      const part = frame('x', { opcode: 0, fin: false });
      const parts = Buffer.concat(Array.from({ length: 4096 }, () => part));
      const mib = await grown(stage, async () => {
        await Promise.all(
          Array.from({ length: stage.isLong ? 64 : 8 }, async () => {
            const socket = await open(stage);
            await socket.write(frame('{', { fin: false }));
            for (let n = 0; n < 256 && !socket.socket.destroyed; n++) await socket.write(parts);
            await until(
              'it is closed',
              () => socket.socket.destroyed || closeCodeOf(socket.text) !== undefined,
            );
            assert.equal(closeCodeOf(socket.text), 1008);
            socket.end();
          }),
        );
      });
      assert.ok(mib < 200, `${mib} MiB`);
      return { mib: Math.round(mib) };
    },
  },
  {
    name: 'pings whose answers nobody reads',
    wants: 'memory, for answers that wait',
    async play(stage) {
      const pings = Buffer.concat(
        Array.from({ length: 1000 }, () => frame('x'.repeat(125), { opcode: 9 })),
      );
      const sockets = [];
      const mib = await grown(stage, async () => {
        for (let n = 0; n < (stage.isLong ? 64 : 8); n++)
          sockets.push(await open(stage, { reads: false }));
        await Promise.all(
          sockets.map(async (socket) => {
            for (let n = 0; n < 100; n++) {
              const sent = await Promise.race([
                socket.write(pings).then(() => true),
                new Promise((resolve) => setTimeout(resolve, 300, false)),
              ]);
              // The server reads no more from her.
              if (!sent) break;
            }
          }),
        );
      });
      for (const socket of sockets) socket.end();
      assert.ok(mib < 20 + sockets.length * 4, `${mib} MiB for ${sockets.length} sockets`);
      return { mib: Math.round(mib) };
    },
  },
  {
    name: 'a bomb of compressed messages',
    wants: 'memory and time, for a few bytes that become many',
    async play(stage) {
      const inflated = deflateRawSync(Buffer.alloc(64 * MIB, 0x20), { level: 9 });
      const bomb = frame(inflated, { rsv: 4 });
      const mib = await grown(stage, async () => {
        await Promise.all(
          Array.from({ length: 16 }, async () => {
            const socket = await open(stage, { deflate: true });
            await socket.write(bomb);
            await until(
              'it is closed',
              () => socket.socket.destroyed || closeCodeOf(socket.text) !== undefined,
            );
            assert.equal(closeCodeOf(socket.text), 1009);
            socket.end();
          }),
        );
      });
      assert.ok(mib < 150, `${mib} MiB`);
      return { sent: bomb.length, mib: Math.round(mib) };
    },
  },
  {
    name: 'sockets that never say who they are',
    wants: 'all places of the server, without a token',
    async play(stage) {
      const opened = [];
      const refused = [];
      await Promise.all(
        Array.from({ length: 90 }, async () => {
          try {
            opened.push(await RawSocket.open(stage.port, { localAddress: FROM }));
          } catch (error) {
            refused.push(error.status);
          }
        }),
      );
      assert.deepEqual([opened.length, new Set(refused)], [64, new Set([429])]);
      // Another address has its own, and so has whoever shows a token at once.
      (await RawSocket.open(stage.port, { localAddress: '127.0.0.3' })).end();
      (await open(stage)).end();
      // A first frame that is no token, or too long for one, is not kept.
      await opened[0].write(frame(JSON.stringify({ type: 'query', payload: { topic: '*' } })));
      await opened[1].write(
        frame(`{"type":"authenticate","payload":{"token":"${'a'.repeat(10_000)}"}}`),
      );
      await opened[2].write(frame('x', { fin: false }));
      for (const socket of opened.slice(0, 2)) {
        await until('it is closed', () => closeCodeOf(socket.text) === 1008);
        assert.match(socket.text, /UNAUTHENTICATED/);
      }
      for (const socket of opened) socket.end();
    },
  },
  {
    name: 'thousands of subscriptions, and giant filters',
    wants: 'memory and work in every shard, for one principal',
    async play(stage) {
      const socket = await stage.socket('mallory', { localAddress: FROM });
      const counts = {};
      for (let n = 0; n < 300; n++)
        socket.send({
          type: 'subscribe',
          requestId: `s${n}`,
          payload: { subscription: `s${n}`, filter: `mallory.s${n}` },
        });
      for (let n = 0; n < 300; n++) {
        const { type, payload } = await socket.next(({ requestId }) => requestId === `s${n}`);
        const what = type === 'error' ? payload.code : type;
        counts[what] = (counts[what] ?? 0) + 1;
      }
      assert.deepEqual(counts, { subscribed: 128, LIMIT_EXCEEDED: 172 });
      const second = await stage.socket('mallory', { localAddress: FROM });
      const many = (length, make) => Array.from({ length }, (_, n) => make(n));
      const wild = (n) => `mallory.${many(14, (bit) => ((n >> bit) & 1 ? '+' : '*')).join('.')}`;
      const filters = {
        'too many patterns': many(1025, (n) => `mallory.${n}`),
        'too many types': { topics: ['mallory.*'], types: many(1025, String) },
        'too many sources': { topics: ['mallory.*'], sources: many(1025, String) },
        'too many values of an attribute': {
          topics: ['mallory.*'],
          attributes: { a: many(1025, String) },
        },
        'too many attributes': {
          topics: ['mallory.*'],
          attributes: Object.fromEntries(many(17, (n) => [`a${n}`, ['x']])),
        },
        'a pattern like a regular expression': 'mallory.(a+)+$',
        'a pattern that is very long': `mallory.${'a'.repeat(300)}`,
        'a pattern of many segments': `mallory.${'a.'.repeat(20)}a`,
        'no patterns': [],
        'a filter of filters': [['mallory.*']],
      };
      for (const [what, filter] of Object.entries(filters)) {
        const answer = await second.one('subscribe', { subscription: what, filter });
        if (what !== 'a pattern like a regular expression')
          assert.equal(answer.type, 'error', what);
        else assert.equal(answer.code, 'PATTERN_INVALID', what);
      }
      const began = performance.now();
      for (let n = 0; n < 8; n++)
        await second.one('subscribe', {
          subscription: `w${n}`,
          filter: many(1024, (at) => wild(at + n * 1024)),
        });
      assert.equal(
        (await second.one('subscribe', { subscription: 'w8', filter: many(1024, wild) })).code,
        'LIMIT_EXCEEDED',
      );
      return { ms: Math.round(performance.now() - began) };
    },
  },
];
