import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import {
  AtomicsWaitStrategy,
  Doorbell,
  MessagePortWaitStrategy,
  wakeParked,
} from '../../src/ring/wait.js';
import { countWait, PARKS, TIMEOUTS, WAIT_MS, WORDS_BYTES } from './records.mjs';
import { runThreads } from './threads.js';

const LEFT = { parked: 0, balls: 8 };
const RIGHT = { parked: 32, balls: 40 };

function sharedWords(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(WORDS_BYTES));
}

describe('waiting and waking', () => {
  it('loses no wake-up between two threads that block', async () => {
    const rounds = 20_000;
    const words = sharedWords();
    const data = { memory: words.buffer, rounds };
    Atomics.store(words, LEFT.balls, 1);
    await runThreads(
      { script: 'ping-pong-thread', data: { ...data, own: LEFT, other: RIGHT } },
      { script: 'ping-pong-thread', data: { ...data, own: RIGHT, other: LEFT } },
    );
    expect(words[LEFT.balls]).toBe(rounds + 1);
    expect(words[RIGHT.balls]).toBe(rounds);
    expect(words[PARKS]).toBeGreaterThan(0);
    expect(words[TIMEOUTS]).toBe(0);
  });

  it('loses no wake-up between an event loop and a thread that blocks', async () => {
    const rounds = 5000;
    const words = sharedWords();
    const { port1, port2 } = new MessageChannel();
    const wait = new MessagePortWaitStrategy(words, LEFT.parked);
    wait.listen(port1, () => undefined);
    const data = { memory: words.buffer, rounds, own: RIGHT, other: LEFT, port: port2 };
    const thread = runThreads({ script: 'ping-pong-thread', data, transferList: [port2] });
    for (let round = 1; round <= rounds; round++) {
      Atomics.add(words, RIGHT.balls, 1);
      wakeParked(words, RIGHT.parked);
      const isIdle = (): boolean => Atomics.load(words, LEFT.balls) < round;
      while (isIdle()) countWait(words, await wait.idle(isIdle, WAIT_MS));
    }
    await thread;
    expect(words[LEFT.balls]).toBe(rounds);
    expect(words[TIMEOUTS]).toBe(0);
    port1.close();
  });

  it('marks a thread as parked before its last look, and does not park it if that finds work', async () => {
    const words = sharedWords();
    for (const wait of [new AtomicsWaitStrategy(words, 0), new MessagePortWaitStrategy(words, 0)]) {
      const looked: number[] = [];
      const waited = await wait.idle(() => {
        looked.push(Atomics.load(words, 0));
        return false;
      }, WAIT_MS);
      expect({ waited, looked, after: words[0] }).toEqual({ waited: 0, looked: [1], after: 0 });
    }
  });

  it('does not sleep if it is woken between its last look and the wait', () => {
    const words = sharedWords();
    const wait = new AtomicsWaitStrategy(words, 0);
    const waited = wait.idle(() => wakeParked(words, 0), WAIT_MS);
    expect(waited).toBeLessThan(WAIT_MS);
    expect(words[0]).toBe(0);
  });

  it('ends every wait by itself after its timeout', async () => {
    const words = sharedWords();
    expect(new AtomicsWaitStrategy(words, 0).idle(() => true, 5)).toBeGreaterThan(0);
    expect(await new MessagePortWaitStrategy(words, 1).idle(() => true, 5)).toBeGreaterThan(0);
    expect([words[0], words[1]]).toEqual([0, 0]);
  });

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])(
    'refuses a timeout of %d',
    async (timeout) => {
      const words = sharedWords();
      const isIdle = (): boolean => true;
      expect(() => new AtomicsWaitStrategy(words, 0).idle(isIdle, timeout)).toThrow(RangeError);
      const wait = new MessagePortWaitStrategy(words, 1);
      await expect(wait.idle(isIdle, timeout)).rejects.toThrow(RangeError);
      expect([words[0], words[1]]).toEqual([0, 0]);
    },
  );

  it('leaves no thread marked as parked if its last look throws', async () => {
    const words = sharedWords();
    const isIdle = (): boolean => {
      throw new Error('no');
    };
    expect(() => new AtomicsWaitStrategy(words, 0).idle(isIdle, WAIT_MS)).toThrow('no');
    const wait = new MessagePortWaitStrategy(words, 1);
    await expect(wait.idle(isIdle, WAIT_MS)).rejects.toThrow('no');
    expect([words[0], words[1]]).toEqual([0, 0]);
  });
});

describe('a doorbell', () => {
  it('rings once for all wakers, and only while the other side is parked', async () => {
    const words = sharedWords();
    const doorbell = new Doorbell(words, 0);
    const { port1, port2 } = new MessageChannel();
    const messages: unknown[] = [];
    port2.on('message', (message) => messages.push(message));
    expect(doorbell.ring(port1)).toBe(false);
    doorbell.park();
    expect([doorbell.ring(port1), doorbell.ring(port1)]).toEqual([true, false]);
    doorbell.park();
    doorbell.unpark();
    expect(doorbell.ring(port1)).toBe(false);
    port1.postMessage('last');
    while (messages.at(-1) !== 'last') await new Promise((resolve) => setImmediate(resolve));
    expect(messages).toEqual([null, 'last']);
    port1.close();
  });

  it('wakes an event loop by any of its ports, and passes the message on', async () => {
    const words = sharedWords();
    const wait = new MessagePortWaitStrategy(words, 0);
    const doorbell = new Doorbell(words, 0);
    const channels = [new MessageChannel(), new MessageChannel()];
    const messages: unknown[] = [];
    for (const { port2 } of channels) wait.listen(port2, (message) => messages.push(message));
    for (const { port1 } of channels) {
      const waiting = wait.idle(() => true, WAIT_MS);
      await expect(wait.idle(() => true, WAIT_MS)).rejects.toThrow('already waiting');
      expect(doorbell.ring(port1)).toBe(true);
      expect(await waiting).toBeLessThan(WAIT_MS);
    }
    expect(messages).toEqual([null, null]);
    for (const { port1, port2 } of channels) {
      wait.unlisten(port2);
      port1.close();
    }
  });
});
