import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { StreamPieces } from '../../../src/gateway/websocket/stream-pieces.js';

/** What the listeners of a stream get of it; `mustWait` is asked before each piece. */
function pieces(pieceBytesMax: number, waits: { is: boolean }) {
  const stream = new PassThrough();
  const got: string[] = [];
  let waited = 0;
  const owner = {
    pieceBytesMax,
    get mustWait() {
      return waits.is;
    },
    onWait: () => waited++,
  };
  const one = new StreamPieces(stream, owner);
  const listener = (chunk: Buffer): void => {
    got.push(chunk.toString());
  };
  stream.on('data', listener);
  for (const event of ['end', 'close']) stream.on(event, () => got.push(event));
  const come = (text: string): void => {
    stream.emit('data', Buffer.from(text));
  };
  return { one, stream, got, come, listener, waited: () => waited };
}

test('a chunk is handed on in pieces, in its order', () => {
  const { got, come, one } = pieces(4, { is: false });
  come('abcdefghij');
  come('k');
  expect(got).toEqual(['abcd', 'efgh', 'ij', 'k']);
  expect(one.hasMore).toBe(false);
});

test('what has to wait goes on later, and nothing that comes overtakes it', () => {
  const waits = { is: true };
  const { one, got, come, waited } = pieces(4, waits);
  come('abcdef');
  expect(waited()).toBe(1);
  waits.is = false;
  come('g');
  expect(got).toEqual([]);
  expect(one.hasMore).toBe(true);
  one.read();
  expect(got).toEqual(['abcd', 'ef', 'g']);
});

test('a listener that has enough gets no further piece of the chunk', () => {
  const { stream, got, come, listener } = pieces(4, { is: false });
  stream.prependListener('data', (chunk: Buffer) => {
    if (chunk.toString() === 'efgh') stream.removeListener('data', listener);
  });
  come('abcdefghijkl');
  expect(got).toEqual(['abcd', 'efgh']);
});

test('all of it comes before the end, and none after a stream has broken', () => {
  for (const [event, hadError, expected] of [
    ['end', undefined, ['abcd', 'ef', 'end']],
    ['close', false, ['abcd', 'ef', 'close']],
    ['close', true, ['close']],
  ] as const) {
    const { stream, got, come, one } = pieces(4, { is: true });
    come('abcdef');
    stream.emit(event, hadError);
    expect(got).toEqual(expected);
    expect(one.hasMore).toBe(false);
  }
});
