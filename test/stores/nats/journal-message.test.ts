import { describe, expect, it } from 'vitest';
import {
  decodeMessage,
  ENTRY,
  encodeMessage,
  type JournalMessage,
  JournalReading,
  SNAPSHOT,
  SNAPSHOT_END,
  SNAPSHOT_ENTRY,
  TAKEN,
} from '../../../src/store/nats/consumers/journal-message.js';

type Short = readonly [kind: number, piece?: string, place?: 'first' | 'middle' | 'last'];

const ONE = '01HZZZZZZZZZZZZZZZZZZZZZZZ';
const OTHER = '01J00000000000000000000000';

function messagesOf(owner: string, all: readonly Short[], from = 1): JournalMessage[] {
  return all.map(([kind, piece = '', place], n) => ({
    kind,
    shard: 3,
    owner,
    number: from + n,
    isFirst: place === undefined || place === 'first',
    isLast: place === undefined || place === 'last',
    piece: Buffer.from(piece),
  }));
}

function read(...messages: readonly JournalMessage[]): string[] {
  const reading = new JournalReading();
  for (const one of messages) reading.add(decodeMessage(encodeMessage(one))!);
  return reading.entries('s').map((bytes) => Buffer.from(bytes).toString());
}

const CORRUPT = expect.objectContaining({ code: 'STORE_CORRUPT' });

describe('the messages of a journal', () => {
  it('say what they are and whose', () => {
    const [message] = messagesOf(ONE, [[ENTRY, 'ß', 'first']]);
    expect(decodeMessage(encodeMessage(message!))).toMatchObject(message!);
    expect(decodeMessage(Buffer.from('short'))).toBe(undefined);
  });

  it('make entries of their pieces, and none of pieces whose last one is missing', () => {
    const pieces: Short[] = [
      [TAKEN],
      [ENTRY, 'a'],
      [ENTRY, 'b', 'first'],
      [ENTRY, 'c', 'middle'],
      [ENTRY, 'd', 'last'],
      [ENTRY, 'lost', 'first'],
    ];
    const one = messagesOf(ONE, pieces);
    expect(read(...one)).toEqual(['a', 'bcd']);
    // The broker had no room for the rest of it, and then for a shorter one.
    const more = messagesOf(ONE, [[ENTRY, 'e']], one.length + 1);
    expect(read(...one, ...more)).toEqual(['a', 'bcd', 'e']);
    const other = messagesOf(OTHER, [[TAKEN], [ENTRY, 'f']]);
    expect(read(...one, ...other)).toEqual(['a', 'bcd', 'f']);
  });

  it('put a snapshot in the place of what was before it, if its end is there', () => {
    const begun: Short[] = [[TAKEN], [ENTRY, 'a'], [SNAPSHOT], [SNAPSHOT_ENTRY, 's']];
    const one = messagesOf(ONE, begun);
    expect(read(...one)).toEqual(['a']);
    expect(read(...one, ...messagesOf(OTHER, [[TAKEN], [ENTRY, 'b']]))).toEqual(['a', 'b']);
    expect(read(...one, ...messagesOf(ONE, [[ENTRY, 'b']], 5))).toEqual(['a', 'b']);
    const end: Short[] = [[SNAPSHOT_END], [ENTRY, 'b']];
    expect(read(...one, ...messagesOf(ONE, end, 5))).toEqual(['s', 'b']);
  });

  it('are not read over a hole, unless a whole snapshot follows it', () => {
    const entries = messagesOf(ONE, [[TAKEN], [ENTRY, 'a'], [ENTRY, 'b'], [ENTRY, 'c']]);
    expect(() => read(...entries.slice(1))).toThrow(CORRUPT);
    expect(() => read(entries[0]!, entries[1]!, entries[3]!)).toThrow(CORRUPT);
    const snapshot: Short[] = [[SNAPSHOT], [SNAPSHOT_ENTRY, 's'], [SNAPSHOT_ENTRY, 't']];
    const begun = messagesOf(ONE, snapshot, 5);
    const end = messagesOf(ONE, [[SNAPSHOT_END]], 8);
    expect(read(entries[0]!, entries[1]!, ...begun, ...end)).toEqual(['s', 't']);
    expect(read(...begun, ...end)).toEqual(['s', 't']);
    expect(() => read(entries[0]!, entries[1]!, ...begun)).toThrow(CORRUPT);
    expect(() => read(entries[0]!, begun[0]!, begun[2]!, ...end)).toThrow(CORRUPT);
  });
});
