import { describe, expect, it } from 'vitest';
import { RELAY_ALIVE_MS, RELAY_SILENT_MS } from '../../src/protocol/limits/relay.js';
import {
  ALIVE,
  BYE,
  DATA,
  decodeFrame,
  encodeFrame,
  type Frame,
  LOST,
} from '../../src/relay/frames.js';
import { Session } from '../../src/relay/session.js';

function pair() {
  const clock = { now: 1000 };
  const wires: Record<string, Frame[]> = { one: [], other: [] };
  const end = (here: string, there: string): Session =>
    new Session({
      here,
      there,
      send: (address, message) => wires[address]!.push(decodeFrame(message)!),
      now: () => clock.now,
    });
  return { one: end('one', 'other'), other: end('other', 'one'), wires, clock };
}

describe('a frame', () => {
  it('is decoded as it was encoded', () => {
    const frame = { kind: DATA, from: 'here', number: 7, channel: 3, value: 0.5 };
    const body = Buffer.from('body');
    expect(decodeFrame(encodeFrame({ ...frame, body }))).toEqual({ ...frame, body });
  });

  it('is none where the message is too short for what it says', () => {
    const whole = encodeFrame({ kind: DATA, from: 'an address' });
    for (let length = 0; length < whole.length; length++) {
      expect(decodeFrame(whole.subarray(0, length))).toBeUndefined();
    }
    expect(decodeFrame(whole)).toBeDefined();
  });
});

describe('the session of a relay', () => {
  it('goes on while nothing is lost and both sides live', () => {
    const { one, other, wires, clock } = pair();
    for (let n = 0; n < 50; n++) {
      clock.now += RELAY_ALIVE_MS;
      if (n % 3 === 0) one.send(DATA);
      one.tick();
      other.tick();
      for (const frame of wires.other!.splice(0)) expect(other.take(frame)).toBe(true);
      for (const frame of wires.one!.splice(0)) expect(one.take(frame)).toBe(true);
    }
    expect([one.over, other.over]).toEqual([undefined, undefined]);
  });

  it('is over for both with the first message that is lost, which the next sign of life shows', () => {
    const { one, other, wires, clock } = pair();
    one.send(DATA);
    wires.other!.length = 0;
    clock.now += RELAY_ALIVE_MS;
    one.tick();
    const [sign] = wires.other!.splice(0);
    expect(sign!.kind).toBe(ALIVE);
    expect(other.take(sign!)).toBe(false);
    expect(other.over).toContain('lost');
    const [told] = wires.one!.splice(0);
    expect(told!.kind).toBe(LOST);
    expect(one.take(told!)).toBe(false);
    expect(one.over).toBeDefined();
  });

  it('is over when the other side is silent, and not a moment before', () => {
    const { one, clock } = pair();
    clock.now += RELAY_SILENT_MS - 1;
    one.tick();
    expect(one.over).toBeUndefined();
    clock.now += 1;
    one.tick();
    expect(one.over).toContain('silent');
  });

  it('ends with a goodbye, after which nothing is sent or taken', () => {
    const { one, other, wires } = pair();
    one.end();
    one.send(DATA);
    expect(wires.other!.map(({ kind }) => kind)).toEqual([BYE]);
    expect(other.take(wires.other![0]!)).toBe(false);
    expect(other.over).toContain('ended');
    other.send(DATA);
    expect(wires.one).toEqual([]);
  });
});
