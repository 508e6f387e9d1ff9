import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { WebSocket } from 'ws';
import { Budgets } from '../../../src/gateway/budget/budgets.js';
import { Incoming } from '../../../src/gateway/websocket/incoming.js';
import {
  HELD_BYTES_PER_PRINCIPAL_MAX,
  WORK_INFLATED_MIB_MS,
  WORK_PIECE_BYTES_MAX,
  WORK_PIECE_MS,
  WORK_SLICE_MS,
} from '../../../src/protocol/limits/budgets.js';
import { MIB } from '../../../src/protocol/limits/units.js';
import {
  MESSAGES_HELD_BYTES_MAX,
  MESSAGES_HELD_PRESSED_BYTES_MAX,
} from '../../../src/protocol/limits/websocket.js';
import { principal } from '../http/support/open-http.js';

/** What is read from a WebSocket; `cost` is charged for each message. */
function incoming(cost = 0) {
  const socket = new EventEmitter();
  const stream = new PassThrough();
  const served: string[] = [];
  const cut: number[] = [];
  const budgets = new Budgets();
  const budget = budgets.open(principal({ id: 'mallory' }), '127.0.0.1');
  const owner = {
    onMessage: (data: Buffer) => {
      served.push(data.toString());
      budget.work.charge(cost);
    },
    onHeldUpChange: () => {},
    onOverlongStart: () => {},
    onTooMuchHeld: (bytes: number) => cut.push(bytes),
  };
  const one = new Incoming(socket as EventEmitter as WebSocket, stream, owner);
  one.charge(budget);
  const come = (text: string): void => {
    socket.emit('message', Buffer.from(text), false);
  };
  return { one, stream, served, cut, budget, budgets, come };
}

test('frames behind the end of a stream that has broken are not served: nobody can have the answers', () => {
  const { stream, served, come } = incoming();
  // As `ws` does: it hands on what it has read when it hears of the end.
  stream.on('close', () => come('late'));
  come('in time');
  stream.emit('close', true);
  expect(served).toEqual(['in time']);
});

test('frames of one piece of the stream wait while their principal is held up, and keep their order', async () => {
  const { one, served, budgets, come } = incoming(WORK_SLICE_MS);
  budgets.open(principal({ id: 'alice' }), '127.0.0.1').work.charge(0);
  for (const text of ['a', 'b', 'c']) come(text);
  expect(served).toEqual(['a']);
  expect(one.isHeldUp).toBe(true);
  while (one.isHeldUp) await new Promise((resolve) => setImmediate(resolve));
  expect(served).toEqual(['a', 'b', 'c']);
});

test('frames that wait are served where the client has ended the stream, and not where it has broken', () => {
  for (const hadError of [false, true]) {
    const { stream, served, budgets, come } = incoming(WORK_SLICE_MS);
    budgets.open(principal({ id: 'alice' }), '127.0.0.1').work.charge(0);
    for (const text of ['a', 'b']) come(text);
    stream.emit('close', hadError);
    expect(served).toEqual(hadError ? ['a'] : ['a', 'b']);
  }
});

test('frames that wait go on when the connection has another principal', async () => {
  const { one, served, budget, budgets, come } = incoming(WORK_SLICE_MS);
  budgets.open(principal({ id: 'alice' }), '127.0.0.1').work.charge(0);
  for (const text of ['a', 'b']) come(text);
  const named = budgets.open(principal({ id: 'bob' }), '127.0.0.1');
  budget.close();
  one.charge(named);
  // What waited for the verdict, and came before, is served first.
  expect(served).toEqual(['a']);
  await new Promise((resolve) => setImmediate(resolve));
  expect(served).toEqual(['a', 'b']);
  expect(one.isHeldUp).toBe(false);
});

test('a message that was inflated is charged also where it waits', async () => {
  const { one, budget, budgets, come } = incoming(WORK_SLICE_MS);
  budgets.open(principal({ id: 'alice' }), '127.0.0.1').work.charge(0);
  const charged: number[] = [];
  const charge = budget.work.charge.bind(budget.work);
  budget.work.charge = (ms) => {
    charged.push(ms);
    charge(ms);
  };
  for (const text of ['a', 'x'.repeat(MIB)]) come(text);
  while (one.isHeldUp) await new Promise((resolve) => setImmediate(resolve));
  expect(charged.filter((ms) => ms === WORK_INFLATED_MIB_MS)).toHaveLength(1);
});

test('messages that wait are held by their principal, and too many end the connection, unserved', () => {
  const { stream, served, cut, budgets, come } = incoming(WORK_SLICE_MS);
  budgets.open(principal({ id: 'alice' }), '127.0.0.1').work.charge(0);
  const text = 'x'.repeat(MIB);
  come('first');
  for (let n = 0; n < MESSAGES_HELD_BYTES_MAX / MIB; n++) come(text);
  expect(budgets.heldBytes).toBe(MESSAGES_HELD_BYTES_MAX);
  expect(cut).toEqual([]);
  come('one');
  come('more');
  expect(cut).toEqual([MESSAGES_HELD_BYTES_MAX + 3]);
  // A socket that is cut here ends without an error.
  stream.emit('close', false);
  expect(served).toEqual(['first']);
  expect(budgets.heldBytes).toBe(0);
});

test('fewer may wait while the principal holds all that it may', () => {
  const { cut, budgets, come } = incoming(WORK_SLICE_MS);
  budgets.open(principal({ id: 'alice' }), '127.0.0.1').work.charge(0);
  const other = budgets.open(principal({ id: 'mallory' }), '127.0.0.1');
  other.bytes.hold(HELD_BYTES_PER_PRINCIPAL_MAX);
  come('first');
  come('x'.repeat(MESSAGES_HELD_PRESSED_BYTES_MAX));
  expect(cut).toEqual([]);
  come('y');
  expect(cut).toEqual([MESSAGES_HELD_PRESSED_BYTES_MAX + 1]);
});

test('a chunk is read in pieces while others are busy, and the socket is not read meanwhile', async () => {
  // Who has asked now stays busy.
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const { one, stream, budget, budgets } = incoming();
  const alice = budgets.open(principal({ id: 'alice' }), '127.0.0.1').work;
  const pieces: number[] = [];
  // As `ws` reads them; each piece takes its time.
  stream.prependListener('data', (piece: Buffer) => {
    pieces.push(piece.length);
    budget.work.charge(WORK_PIECE_MS);
    alice.charge(0);
  });
  alice.charge(0);
  stream.emit('data', Buffer.alloc(WORK_PIECE_BYTES_MAX * 3));
  expect(pieces).toEqual([WORK_PIECE_BYTES_MAX]);
  expect(one.isHeldUp).toBe(true);
  while (one.isHeldUp) await new Promise((resolve) => setImmediate(resolve));
  expect(pieces).toHaveLength(3);
});

test('a chunk is read at once where nobody else is there', () => {
  const { stream } = incoming();
  const pieces: number[] = [];
  stream.prependListener('data', (piece: Buffer) => pieces.push(piece.length));
  stream.emit('data', Buffer.alloc(WORK_PIECE_BYTES_MAX * 3));
  expect(pieces).toEqual([WORK_PIECE_BYTES_MAX * 3]);
});
