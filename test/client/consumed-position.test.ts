import { describe, expect, it } from 'vitest';
import { ConsumedPosition } from '../../src/client/consumed-position.js';
import { decodeCursor, encodeCursor } from '../../src/protocol/cursor.js';

const cursor = (...positions: number[]): string => encodeCursor({ epoch: 'e', positions });

describe('how far a subscription has got', () => {
  it('is unknown at first, then moves by events and by frames', () => {
    const position = new ConsumedPosition('');
    position.pass(0, 4);
    expect(position.cursor).toBe('');
    position.reach(cursor(4, 9, 0));
    position.pass(0, 5);
    position.pass(2, 3);
    position.pass(0, 7);
    expect(decodeCursor(position.cursor).positions).toEqual([7, 9, 3]);
    position.reach(cursor(8, 10, 3));
    expect(position.cursor).toBe(cursor(8, 10, 3));
  });

  it('goes back with the history: a new epoch drops the events beyond', () => {
    const position = new ConsumedPosition(cursor(5));
    position.pass(0, 9);
    const later = encodeCursor({ epoch: 'f', positions: [3] });
    position.reach(later);
    expect(position.cursor).toBe(later);
  });
});
