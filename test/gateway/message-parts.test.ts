import { describe, expect, it } from 'vitest';
import { MessageParts } from '../../src/gateway/budget/message-parts.js';

class Owner {
  turns = 0;

  onTurn(): void {
    this.turns++;
  }
}

describe('the messages of a principal that come in part', () => {
  it('have so many turns, which go on in the order in which they were asked for', () => {
    const parts = new MessageParts(1);
    const [one, two, three] = [new Owner(), new Owner(), new Owner()];
    expect([one, two, three, one].map((owner) => parts.take(owner))).toEqual([
      true,
      false,
      false,
      true,
    ]);
    parts.leave(one);
    expect([two.turns, three.turns]).toEqual([1, 0]);
    parts.leave(two);
    expect(three.turns).toBe(1);
  });

  it('are passed over where their connection has gone', () => {
    const parts = new MessageParts(1);
    const [one, two, three] = [new Owner(), new Owner(), new Owner()];
    for (const owner of [one, two, three]) parts.take(owner);
    parts.leave(two);
    parts.leave(two);
    parts.leave(one);
    expect([two.turns, three.turns]).toEqual([0, 1]);
    parts.leave(three);
    expect(parts.take(two)).toBe(true);
  });
});
