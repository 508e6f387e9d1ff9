import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { frame, RawSocket } from '../../stage/frames.js';
import { statuses } from '../../stage/http.js';
import { until } from '../../stage/stage.js';
import { HeldRequest, OpenAnswer } from '../../stage/streams.js';

/** Hundreds of sockets that are slow: heads, bodies and messages that do not end, answers that nobody reads. */

const MIB = 1024 * 1024;
const many = (length, make) => Array.from({ length }, (_, n) => make(n));
const address = (n) => `127.0.${1 + Math.floor(n / 250)}.${2 + (n % 250)}`;

/** The memory that the server holds on account of what is done, MiB. */
async function grown(stage, act) {
  const before = stage.server.residentBytes();
  await act();
  return (stage.server.residentBytes() - before) / MIB;
}

/** Alice is served meanwhile. */
async function assertAliceIsServed(stage) {
  const topic = `alice.${stage.fresh('meanwhile')}`;
  const socket = await stage.socket('alice');
  const published = await socket.one('publish', { event: { topic, type: 't', payload: 1 } });
  assert.equal(published.type, 'published', JSON.stringify(published));
  await socket.close();
  const { status, body } = await stage.ask('alice', { path: `/v1/events?topic=${topic}` });
  assert.deepEqual([status, body.length], [200, 1]);
}

/** A socket that has sent these bytes, and does nothing more. */
class SilentSocket {
  text = '';

  constructor(port, localAddress, bytes = '') {
    this.socket = connect({ port, host: '127.0.0.1', localAddress });
    this.socket.on('error', () => {});
    this.socket.setEncoding('latin1').on('data', (text) => (this.text += text));
    this.isOver = false;
    this.over = new Promise((resolve) => {
      this.socket.once('close', () => {
        this.isOver = true;
        resolve(undefined);
      });
    });
    this.open = new Promise((resolve) => {
      this.socket.once('connect', () => {
        if (bytes !== '') this.socket.write(bytes);
        resolve(undefined);
      });
      this.socket.once('close', () => resolve(undefined));
    });
  }

  end() {
    this.socket.destroy();
    return this.over;
  }
}

const HEADS = {
  'sockets that say nothing': () => '',
  'heads that do not end': () => 'GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ',
  'connections that are kept': () => 'GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
};

/** More sockets than the server has places for, from many addresses. */
async function fill(stage, bytes) {
  // 200 that may be WebSockets, and 1024 beside them.
  const { perAddress, addresses } = { perAddress: 260, addresses: 5 };
  const sockets = [];
  try {
    for (let n = 0; n < addresses; n++) {
      const some = many(perAddress, () => new SilentSocket(stage.port, address(n), bytes));
      sockets.push(...some);
      await Promise.all(some.map(({ open }) => open));
    }
    await assertAliceIsServed(stage);
    return { sockets: sockets.length, cut: sockets.filter(({ isOver }) => isOver).length };
  } finally {
    await Promise.all(sockets.map((socket) => socket.end()));
  }
}

/** A message of which all but the last byte has come, over and over. */
async function almost(stage) {
  const count = stage.isLong ? 250 : 100;
  const whole = frame(JSON.stringify({ type: 'ping', payload: 'x'.repeat(MIB) }));
  const sockets = [];
  const mib = await grown(stage, async () => {
    await Promise.all(
      many(count, async () => {
        const socket = await RawSocket.open(stage.port, {
          token: stage.tokens.mallory,
          localAddress: address(1),
        });
        sockets.push(socket);
        await socket.write(whole.subarray(0, -1));
      }),
    );
    await assertAliceIsServed(stage);
  });
  for (const socket of sockets) socket.end();
  assert.ok(mib < 96, `${mib} MiB for ${count} messages that are not complete`);
  return { sockets: count, mib: Math.round(mib) };
}

/** Bodies that come a byte at a time, each of which the server has to wait for. */
async function bodies(stage) {
  const event = { topic: 'mallory.slow', type: 't', payload: 'x'.repeat(900 * 1024) };
  const held = many(stage.isLong ? 60 : 50, () => {
    const options = { method: 'POST', path: '/v1/events', token: stage.tokens.mallory };
    return new HeldRequest(stage.port, { ...options, body: [event], first: 899 * 1024 });
  });
  const mib = await grown(stage, async () => {
    const isRefused = () => held.some(({ text }) => statuses(text).includes(429));
    await until('some are refused', isRefused, 30_000);
    for (const { socket, rest } of held) socket.write(rest.subarray(0, 1));
    await assertAliceIsServed(stage);
  });
  await Promise.all(held.map((one) => one.close()));
  assert.ok(mib < 128, `${mib} MiB`);
  return { bodies: held.length, mib: Math.round(mib) };
}

/** Streams and histories of which nobody reads anything: three sockets for each of `count` addresses. */
async function openUnread(stage, topic, from, count) {
  const opened = [];
  const filter = JSON.stringify({
    type: 'subscribe',
    payload: { subscription: 's', filter: topic, from: 'earliest' },
  });
  for (let n = from; n < from + count; n++) {
    const given = { token: stage.tokens.mallory, reads: false, localAddress: address(n) };
    const paths = [`?topic=${topic}&limit=10000`, `/stream?topic=${topic}&from=earliest`];
    for (const path of paths) {
      opened.push(OpenAnswer.open(stage.port, { ...given, path: `/v1/events${path}` }));
    }
    const socket = await RawSocket.open(stage.port, given);
    await socket.write(frame(filter));
    opened.push({ close: async () => socket.end() });
  }
  return opened;
}

/** As many again may hold little more: they share the part of their principal. */
async function unread(stage) {
  const topic = `public.${stage.fresh('unread')}`;
  const count = stage.isLong ? 40 : 12;
  const event = { topic, payload: 'x'.repeat(100_000) };
  for (let n = 0; n < 2; n++)
    await stage.publish(
      'alice',
      many(40, () => event),
    );
  const opened = [];
  const open = (from) =>
    grown(stage, async () => {
      opened.push(...(await openUnread(stage, topic, from, count)));
      await stage.publish(
        'alice',
        many(5, () => event),
      );
      await assertAliceIsServed(stage);
    });
  const first = await open(0);
  const second = await open(count);
  const { text } = await stage.ask('operator', { path: '/metrics' });
  const held = Number(/^millrace_gateway_held_bytes (\d+)/m.exec(text)?.[1]) / MIB;
  await Promise.all(opened.map((one) => one.close()));
  const [firstMib, secondMib, heldMib] = [first, second, held].map(Math.round);
  const figures = { readers: opened.length, firstMib, secondMib, heldMib };
  // What the gateway knows to be held is at most half as much again as a principal may hold, 16 MiB in this room.
  assert.ok(first < 640 && second < 256 && held < 32, JSON.stringify(figures));
  return figures;
}

/** Silent sockets end by themselves. */
async function end(stage) {
  const began = performance.now();
  const sockets = Object.values(HEADS)
    .slice(0, 2)
    .map((bytes) => new SilentSocket(stage.port, address(3), bytes()));
  await Promise.all(sockets.map(({ over }) => over));
  const seconds = Math.round((performance.now() - began) / 1000);
  assert.ok(seconds < 120, `${seconds} s`);
  return { seconds };
}

export const attacks = [
  ...Object.entries(HEADS).map(([name, bytes]) => ({
    name: `hundreds of ${name}`,
    isLong: name === 'heads that do not end',
    wants: 'all places of the server',
    play: (stage) => fill(stage, bytes()),
  })),
  {
    name: 'sockets that say nothing, for ever',
    wants: 'places that are never given back',
    isLong: true,
    play: end,
  },
  {
    name: 'messages that lack their last byte',
    wants: 'memory, for messages that are never complete',
    play: almost,
  },
  {
    name: 'bodies byte by byte',
    wants: 'memory, for bodies that are never complete',
    play: bodies,
  },
  {
    name: 'streams and histories that nobody reads',
    isLong: true,
    wants: 'memory, for events that wait',
    play: unread,
  },
];
