import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FaultyProxy } from '../../fuzz/faults/network/proxy.js';
import { until } from '../bus/support/wait.js';

/** The scripted proxy does to a connection what its conditions say, and nothing else. */
let server: Server;
let proxy: FaultyProxy;
/** The server's sides of the connections, in the order in which they came. */
let sides: Socket[];

beforeEach(async () => {
  sides = [];
  server = createServer((socket) => {
    socket.on('error', () => {});
    sides.push(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  proxy = await new FaultyProxy(port).listen();
});

afterEach(async () => {
  await proxy.close();
  for (const side of sides) side.destroy();
  server.close();
});

async function client(): Promise<Socket & { heard: string }> {
  const socket = Object.assign(connect(proxy.port, '127.0.0.1'), { heard: '' });
  socket.on('error', () => {});
  socket.setEncoding('latin1').on('data', (text) => {
    socket.heard += text;
  });
  await once(socket, 'connect');
  return socket;
}

/** `once` of Node would reject with the error that comes before. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

function hear(side: Socket): { text: string } {
  const heard = { text: '' };
  side.setEncoding('latin1').on('data', (text) => {
    heard.text += text;
  });
  return heard;
}

async function pair(): Promise<{ socket: Socket & { heard: string }; side: Socket }> {
  const socket = await client();
  const count = sides.length;
  await until('the server has it', () => sides.length > count || sides.length > 0);
  return { socket, side: sides.at(-1)! };
}

describe('a scripted proxy', () => {
  it('carries bytes and ends both ways', async () => {
    const { socket, side } = await pair();
    const heard = hear(side);
    socket.write('question');
    await until('it came', () => heard.text === 'question');
    side.end('answer');
    await closed(socket);
    expect(socket.heard).toBe('answer');
    expect(proxy.bytes).toBe(14);
  });

  it('lets nothing pass a blackhole, and all of it afterwards', async () => {
    const { socket, side } = await pair();
    const heard = hear(side);
    proxy.become({ isBlackhole: true });
    socket.write('one');
    side.write('two');
    const other = await client();
    other.write('three');
    await until('it is connected', () => sides.length === 2);
    const heardOfOther = hear(sides[1]!);
    expect([heard.text, socket.heard, heardOfOther.text, proxy.bytes]).toEqual(['', '', '', 0]);
    proxy.become();
    await until('all of it came', () => proxy.bytes === 11);
    await until('all was heard', () => heardOfOther.text === 'three');
    expect([heard.text, socket.heard]).toEqual(['one', 'two']);
  });

  it('resets a connection at a byte', async () => {
    const { socket, side } = await pair();
    const heard = hear(side);
    const errors: string[] = [];
    socket.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code!));
    proxy.become({ resetAfter: 5 });
    socket.write('123456789');
    await closed(socket);
    expect(proxy.bytes).toBe(5);
    expect(heard.text.length).toBeLessThanOrEqual(5);
    expect(errors).toEqual(['ECONNRESET']);
  });

  it.each(['server', 'client'] as const)(
    'lets the %s vanish, and tells the other nothing',
    async (gone) => {
      const { socket, side } = await pair();
      side.on('data', () => {});
      expect(proxy.cutHalf(gone)).toBe(1);
      const [left, lost] = gone === 'server' ? [socket, side] : [side, socket];
      if (!lost.destroyed) await closed(lost);
      left.write('to nobody');
      await new Promise(setImmediate);
      expect(left.destroyed).toBe(false);
      expect(proxy.cutHalf(gone)).toBe(0);
    },
  );

  it('lets a later connection overtake an earlier one', async () => {
    // The first connection waits until it is told to.
    proxy.become({ connectDelaysMs: [0, 2000] });
    const first = await client();
    first.write('first');
    const second = await client();
    second.write('second');
    await until('one is there', () => sides.length === 1);
    const heard = hear(sides[0]!);
    await until('it is the second', () => heard.text === 'second');
    await until('the first comes too', () => sides.length === 2);
    const late = hear(sides[1]!);
    await until('it says so', () => late.text === 'first');
  });

  it('passes back-pressure on', async () => {
    const { socket, side } = await pair();
    side.pause();
    const chunk = Buffer.alloc(256 * 1024);
    // Far more than all the buffers on the way hold.
    for (let n = 0; n < 200; n++) socket.write(chunk);
    let before = -1;
    await until('nothing passes any more', async () => {
      const still = proxy.bytes === before && proxy.bytes > 0;
      before = proxy.bytes;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return still && proxy.bytes === before;
    });
    expect(proxy.bytes).toBeLessThan(200 * chunk.length);
    let heard = 0;
    side.on('data', (bytes) => {
      heard += bytes.length;
    });
    side.resume();
    await until('all of it came', () => heard === 200 * chunk.length);
  });

  it('drips, delays and refuses', async () => {
    const { socket, side } = await pair();
    const heard = hear(side);
    proxy.become({ dripBytes: 1, latencyMs: 1, bytesPerSecond: 10_000 });
    socket.write('slowly');
    await until('it came', () => heard.text === 'slowly');
    proxy.become({ refuses: true });
    const refused = await client();
    await closed(refused);
    expect(sides).toHaveLength(1);
    expect(proxy.open).toBe(1);
    proxy.reset();
    await closed(socket);
  });
});
