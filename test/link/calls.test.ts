import { MessageChannel } from 'node:worker_threads';
import { describe, expect, onTestFinished, test } from 'vitest';
import { decodeAnswer, encodeAnswer } from '../../src/link/answers.js';
import { CALLS, type CallName, type Handlers, nameOf, numberOf } from '../../src/link/calls.js';
import { type CallContext, PortCaller, PortServer } from '../../src/link/port-calls.js';
import { BusError } from '../../src/protocol/errors.js';

type MainHandlers = Handlers<'main', CallContext>;

/** A caller and a server, with a port between them. A test leaves out the handlers that it does not call. */
function connected(handlers: Partial<MainHandlers>) {
  const { port1, port2 } = new MessageChannel();
  const caller = new PortCaller<'main'>(port1);
  const server = new PortServer<'main'>(port2, handlers as MainHandlers);
  port1.on('message', (message) => caller.take(message));
  port2.on('message', (message) => server.take(message));
  onTestFinished(() => port1.close());
  return { caller, port: port1 };
}

describe('a call over a port', () => {
  test('is answered', async () => {
    const { caller } = connected({
      resolveCursor: ({ cursor }) => ({ positions: [cursor.length], gaps: [] }),
    });
    const answer = await caller.call('resolveCursor', { cursor: 'abc' });
    expect(answer).toEqual({ positions: [3], gaps: [] });
  });

  test('keeps the code of its refusal', async () => {
    const { caller } = connected({
      resolveCursor: () => {
        throw new BusError('CURSOR_EXPIRED', 'too old', { details: { epoch: 'e' } });
      },
    });
    const answer = caller.call('resolveCursor', { cursor: 'abc' });
    await expect(answer).rejects.toMatchObject({ code: 'CURSOR_EXPIRED', details: { epoch: 'e' } });
  });

  test('fails with STORE_FAILED when its server throws any other error', async () => {
    const { caller } = connected({ backup: () => Promise.reject(new TypeError('a mistake')) });
    const answer = caller.call('backup', { dir: '/d' });
    await expect(answer).rejects.toMatchObject({ code: 'STORE_FAILED', message: 'a mistake' });
  });

  test('is aborted by its signal, and answered with a refusal', async () => {
    const { caller } = connected({
      backup: (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => reject(new BusError('ABORTED', 'given up')));
        }),
    });
    const cancel = new AbortController();
    const answer = caller.call('backup', { dir: '/d' }, { signal: cancel.signal });
    cancel.abort();
    await expect(answer).rejects.toMatchObject({ code: 'ABORTED' });
    expect(caller.pending).toBe(0);
  });

  test('fails once nobody answers any more, as do later calls', async () => {
    const { caller } = connected({ dismiss: () => new Promise(() => {}) });
    const answer = caller.call('dismiss', {});
    const gone = new BusError('BUS_CLOSED', 'gone');
    caller.fail(gone);
    await expect(answer).rejects.toBe(gone);
    await expect(caller.call('dismiss', {})).rejects.toBe(gone);
  });

  test('is refused if its request or its answer has the wrong shape', async () => {
    const { caller } = connected({ resolveCursor: () => JSON.parse('{"positions":7}') });
    const noText = caller.call('resolveCursor', JSON.parse('{"cursor":7}'));
    await expect(noText).rejects.toMatchObject({ code: 'INTERNAL' });
    const noList = caller.call('resolveCursor', { cursor: 'abc' });
    await expect(noList).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  test('is refused if its server does not know it', async () => {
    const { caller } = connected({});
    await expect(caller.call('dismiss', {})).rejects.toMatchObject({ code: 'INTERNAL' });
    const other = caller.call('toString' as 'dismiss', {});
    await expect(other).rejects.toMatchObject({ code: 'INTERNAL' });
  });
});

test('every call has a number of its own', () => {
  for (const name of Object.keys(CALLS) as CallName[]) expect(nameOf(numberOf(name))).toBe(name);
});

test('a page crosses a ring with its records', () => {
  const records = new Uint8Array([1, 2, 3]).buffer;
  const page = { records, count: 1, next: 1, done: true, head: 1, prunedThrough: 0 };
  const { json, bytes } = encodeAnswer('page', page);
  expect(decodeAnswer('page', json, bytes)).toEqual(page);
});
