import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { MessagePort } from 'node:worker_threads';
import { describe, expect, onTestFinished, test } from 'vitest';
import { PortCaller } from '../../src/link/port-calls.js';
import type * as readerThreads from '../../src/main/reader-threads.js';
import { READER_THREADS } from '../../src/protocol/limits.js';
import { within } from '../bus/support/wait.js';

/** As built: readers are threads, and start from there. */
const { ReaderThreads }: typeof readerThreads = await import(
  /* @vite-ignore */ new URL('../../dist/main/reader-threads.js', import.meta.url).href
);

/** Nobody ever answers for this shard. */
const UNANSWERED = 9;

/** Positions are the thread's number, so that a thread is told from its successor. */
const NUMBERED = `
import { threadId } from 'node:worker_threads';
const UNANSWERED = ${UNANSWERED};
export function openHistory({ fails, hangs }) {
  if (fails) throw new Error('planted');
  const never = new Promise(() => {});
  return {
    page() {},
    positionAt: (shard) => (shard === UNANSWERED ? never : threadId),
    close: () => (hangs ? never : undefined),
  };
}`;

function readers(options: object = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-readers-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'history.mjs');
  writeFileSync(file, NUMBERED);
  const threads = new ReaderThreads({ module: pathToFileURL(file).href, options });
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

const connect = (threads: ReturnType<typeof readers>) => threads.connect().map(endpoint);

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

  test('end when nobody has a port to them, and start again for the next', async () => {
    const threads = readers();
    const one = connect(threads);
    const other = connect(threads);
    const [number] = await Promise.all(one.map(({ look }) => look()));
    for (const { close } of one) close();
    expect(await other[0]!.look()).toBe(number);
    for (const { close } of other) close();
    // A thread that is about to end closes a port that it is handed.
    for (;;) {
      const [next, ...rest] = connect(threads);
      const found = await Promise.race([next!.look(), next!.closed]);
      for (const { close } of [next!, ...rest]) close();
      if (found !== undefined && found !== number) break;
    }
  });

  test('whose history cannot be opened refuse a look with why, and end', async () => {
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
  ])('end with the bus though their store never %s', async (_, options, shard) => {
    const threads = readers(options);
    const [reader] = connect(threads);
    void reader!.look(shard);
    await reader!.look();
    await within('the end', threads.close(), 8000);
    await reader!.closed;
  });

  test('end when the bus closes, and then there are no more', async () => {
    const threads = readers();
    const [reader] = connect(threads);
    await reader!.look();
    await threads.close();
    await reader!.closed;
    expect(() => threads.connect()).toThrow(expect.objectContaining({ code: 'BUS_CLOSED' }));
  });
});
