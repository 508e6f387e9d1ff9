import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { MessagePort } from 'node:worker_threads';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ReaderPorts } from '../../src/endpoint/read/reader-ports.js';
import { type Caller, PortCaller } from '../../src/link/port-calls.js';
import type * as readerThreads from '../../src/main/reader-threads.js';
import { BusError } from '../../src/protocol/errors.js';
import { READER_THREADS } from '../../src/protocol/limits/endpoint.js';
import { within } from '../bus/support/wait.js';

/** As built: readers are threads, and start from there. */
const { ReaderThreads }: typeof readerThreads = await import(
  /* @vite-ignore */ new URL('../../dist/main/reader-threads.js', import.meta.url).href
);

/** The history never answers for this shard. */
const UNANSWERED = 9;
/** A look into this shard's history ends the thread. */
const DEADLY = 8;

/**
 * A position is the thread's number, which tells a thread from its successor. With `lookMs` a look takes that long, and
 * its position is the number of looks that the thread has had.
 */
const NUMBERED = `
import { threadId } from 'node:worker_threads';
const UNANSWERED = ${UNANSWERED};
const DEADLY = ${DEADLY};
export function openHistory({ fails, hangs, lookMs, closeMs = 0 }) {
  if (fails) throw new Error('planted');
  const never = new Promise(() => {});
  let looks = 0;
  const position = () => {
    if (lookMs === undefined) return threadId;
    for (const end = performance.now() + lookMs; performance.now() < end; );
    return ++looks;
  };
  return {
    page() {},
    positionAt(shard) {
      if (shard === DEADLY) process.exit();
      return shard === UNANSWERED ? never : position();
    },
    close: () => (hangs ? never : new Promise((resolve) => setTimeout(resolve, closeMs))),
  };
}`;

function readers(options: object = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-readers-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'history.mjs');
  writeFileSync(file, NUMBERED);
  const threads = new ReaderThreads({ module: pathToFileURL(file).href, options }, () => {});
  onTestFinished(() => threads.close());
  return threads;
}

/** An endpoint's end of a port. */
function endpoint(port: MessagePort) {
  const caller = new PortCaller<'history'>(port);
  port.on('message', (message) => caller.take(message));
  const closed = new Promise<void>((resolve) => {
    port.on('close', resolve);
  });
  return {
    look: (shard = 0) => caller.call('positionAt', { shard, timeMs: 1 }),
    close: () => port.close(),
    closed,
  };
}

const CLOSED = new BusError('BUS_CLOSED', 'the bus is closed');
const at = (shard: number) => ({ shard, timeMs: 1 });

function mainOf(threads: ReturnType<typeof readers>): Caller<'main'> {
  const call = async (_: string, { ended }: { ended: readonly number[] }) => threads.connect(ended);
  return { call } as Caller<'main'>;
}

const connect = (threads: ReturnType<typeof readers>) => threads.connect().ports.map(endpoint);

describe('threads that read history', () => {
  test('serve every endpoint, each over ports of its own', async () => {
    const threads = readers();
    const one = connect(threads);
    const other = connect(threads);
    expect(one).toHaveLength(READER_THREADS);
    const numbers = await Promise.all(one.map(({ look }) => look()));
    expect(new Set(numbers).size).toBe(READER_THREADS);
    expect(await Promise.all(other.map(({ look }) => look()))).toEqual(numbers);
  });

  test('end when their last port has closed, and start again for the next endpoint', async () => {
    const threads = readers();
    const one = connect(threads);
    const other = connect(threads);
    const [number] = await Promise.all(one.map(({ look }) => look()));
    for (const { close } of one) close();
    expect(await other[0]!.look()).toBe(number);
    for (const { close } of other) close();
    for (let found: unknown = number; found === number; ) {
      // The thread ends only if it sees these ports close before it gets others.
      await new Promise((resolve) => setTimeout(resolve, 20));
      const [next, ...rest] = connect(threads);
      found = await next!.look();
      for (const { close } of [next!, ...rest]) close();
    }
  });

  test('answer every look, however shortly before it the last endpoint left', async () => {
    const threads = readers();
    for (let round = 0; round < 50; round++) {
      const ports = connect(threads);
      const closed = ports.map((port) => port.closed.then(() => 'closed'));
      const looks = ports.map((port, n) => Promise.race([port.look(), closed[n]]));
      expect(await Promise.all(looks)).not.toContain('closed');
      for (const { close } of ports) close();
      // Zero to a few turns of the event loop, in which the threads see that their last port has closed.
      for (let turn = 0; turn < round % 10; turn++) await new Promise(setImmediate);
    }
  });

  test('take turns, so that one endpoint does not wait for all looks of another', async () => {
    const threads = readers({ lookMs: 1 });
    const [greedy] = connect(threads);
    const [modest] = connect(threads);
    await Promise.all([greedy!.look(), modest!.look()]);
    const looks = Array.from({ length: 300 }, () => greedy!.look());
    expect(await modest!.look()).toBeLessThan(150);
    await Promise.all(looks);
  });

  test('forget the looks of an endpoint that has gone', async () => {
    const threads = readers({ lookMs: 1 });
    const [gone] = connect(threads);
    const [other] = connect(threads);
    await Promise.all([gone!.look(), other!.look()]);
    for (let n = 0; n < 300; n++) gone!.look().catch(() => {});
    gone!.close();
    let looks = 0;
    for (let n = 0; n < 10; n++) looks = await other!.look();
    expect(looks).toBeLessThan(150);
  });

  test('that are about to end are replaced for an endpoint that begins to read', async () => {
    const threads = readers({ closeMs: 100 });
    const one = connect(threads);
    await Promise.all(one.map(({ look }) => look()));
    for (const { close } of one) close();
    for (const pauseMs of [0, 10, 50]) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      const ports = new ReaderPorts({ ports: [], threads: [] }, mainOf(threads));
      expect(await ports.call('positionAt', at(0))).toBeGreaterThan(0);
      ports.close(CLOSED);
    }
  });

  test('are replaced where an endpoint has seen them end before the bus has', async () => {
    const threads = readers();
    const first = threads.connect();
    const [seen, other] = first.threads;
    const next = threads.connect([seen!]);
    expect(next.threads[0]).not.toBe(seen);
    expect(next.threads[1]).toBe(other);
    // Another endpoint tells of the same end later.
    expect(threads.connect([seen!]).threads).toEqual(next.threads);
    expect(await endpoint(next.ports[0]!).look()).toBe(next.threads[0]);
  });

  test('answer a look just after some or all of them died', async () => {
    const threads = readers();
    const ports = new ReaderPorts(threads.connect(), mainOf(threads));
    for (let round = 0; round < 10; round++) {
      await expect(ports.call('positionAt', at(DEADLY))).rejects.toMatchObject({
        code: 'STORE_FAILED',
      });
      expect(await ports.call('positionAt', at(0))).toBeGreaterThan(0);
    }
    ports.close(CLOSED);
  });

  test('whose history cannot be opened refuse a look with the reason, and end', async () => {
    const [reader] = connect(readers({ fails: true }));
    await expect(reader!.look()).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining('planted'),
    });
    await reader!.closed;
  });

  test.each([
    ['answers', {}, UNANSWERED],
    ['closes', { hangs: true }, 0],
  ])('end with the bus even if their store never %s', async (_, options, shard) => {
    const threads = readers(options);
    const [reader] = connect(threads);
    void reader!.look(shard);
    await reader!.look();
    await within('the end', threads.close(), 8000);
    await reader!.closed;
  });

  test('end when the bus closes, and are not started again', async () => {
    const threads = readers();
    const [reader] = connect(threads);
    await reader!.look();
    await threads.close();
    await reader!.closed;
    expect(() => threads.connect()).toThrow(expect.objectContaining({ code: 'BUS_CLOSED' }));
  });
});
