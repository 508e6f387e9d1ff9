import { expect, test } from 'vitest';
import {
  captureContext,
  captureHandlerContext,
  handlerOwner,
} from '../../src/async-context/no-context.js';

/** As in browsers: whose handler a call comes from is known until the handler awaits something. */

const one = { name: 'one' };
const other = { name: 'other' };

test('a call within a handler finds its owner, also past calls of others, and nobody finds it after', () => {
  const seen: unknown[] = [];
  const note = (): void => void seen.push(handlerOwner());
  captureHandlerContext(one)(() => {
    note();
    captureHandlerContext(other)(note);
    note();
  });
  note();
  expect(seen).toEqual([one, other, one, undefined]);
});

test('a handler that throws leaves nothing behind', () => {
  const fail = (): never => {
    throw new Error('mine');
  };
  expect(() => captureHandlerContext(one)(fail)).toThrow('mine');
  expect(handlerOwner()).toBeUndefined();
});

test('a listener that is called from within a handler is not taken for it', () => {
  const listener = captureContext();
  const heard = captureHandlerContext(one)(() => listener(handlerOwner));
  expect(heard).toBeUndefined();
});

test('a call after the first await belongs to nobody', async () => {
  const late = captureHandlerContext(one)(async () => {
    await Promise.resolve();
    return handlerOwner();
  });
  expect(await late).toBeUndefined();
});
