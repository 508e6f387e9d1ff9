import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { TIMER_MS_MAX } from '../../src/protocol/limits/units.js';
import {
  AtomicsWaitStrategy,
  Doorbell,
  MessagePortWaitStrategy,
  wakeParked,
  wakeSurely,
} from '../../src/ring/wait.js';
import { countWait, PARKS, TIMEOUTS, WAIT_MS, WORDS_BYTES } from './records.mjs';
import { runThreads } from './threads.js';

const LEFT = { parked: 0, balls: 8 };
/** A word that says that its thread is parked. */
const PARKED = 1;
const RIGHT = { parked: 32, balls: 40 };

interface AsyncWait {
  waitAsync(
    words: Int32Array,
    index: number,
    value: number,
    timeoutMs: number,
  ): { value: Promise<string> };
}
/** As a thread waits that blocks; TypeScript knows this function only of later targets. */
const { waitAsync } = Atomics as unknown as AsyncWait;

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

  it('wakes a parked thread once, and says whether it did', async () => {
    const words = sharedWords();
    expect(wakeParked(words, 0)).toBe(false);
    words[0] = PARKED;
    const waiting = waitAsync(words, 0, PARKED, WAIT_MS);
    expect([wakeParked(words, 0), wakeParked(words, 0)]).toEqual([true, false]);
    expect(await waiting.value).toBe('ok');
    expect(words[0]).toBe(0);
  });

  it('wakes surely also a thread whose word a dead waker has changed before it could notify', async () => {
    const words = sharedWords();
    for (const left of [0, PARKED]) {
      words[0] = PARKED;
      const waiting = waitAsync(words, 0, PARKED, WAIT_MS);
      words[0] = left;
      wakeSurely(words, 0);
      expect(await waiting.value).toBe('ok');
      expect(words[0]).toBe(0);
    }
  });

  it('begins awake, whatever a dead predecessor has left in the word', () => {
    const words = sharedWords().fill(PARKED, 0, 2);
    new AtomicsWaitStrategy(words, 0);
    new MessagePortWaitStrategy(words, 1);
    expect([words[0], words[1]]).toEqual([0, 0]);
  });

  it('may last as long as a timer can, and no longer', async () => {
    const words = sharedWords();
    const strategies = [new AtomicsWaitStrategy(words, 0), new MessagePortWaitStrategy(words, 1)];
    for (const wait of strategies) {
      for (const timeout of [0, TIMER_MS_MAX])
        expect(await wait.idle(() => false, timeout)).toBe(0);
      const tooLong = async () => wait.idle(() => false, TIMER_MS_MAX + 1);
      await expect(tooLong).rejects.toThrow(`0 to ${TIMER_MS_MAX} ms, not ${TIMER_MS_MAX + 1}`);
    }
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

describe('a wait on an event loop', () => {
  afterEach(() => vi.useRealTimers());

  it('ends for work that the thread itself has learned of, and then waits anew', async () => {
    const wait = new MessagePortWaitStrategy(sharedWords(), 0);
    wait.wake();
    for (let round = 0; round < 3; round++) {
      const waiting = wait.idle(() => true, WAIT_MS);
      wait.wake();
      expect(await waiting).toBeLessThan(WAIT_MS);
    }
  });

  it('is not ended by the timer of an earlier one', async () => {
    vi.useFakeTimers();
    const wait = new MessagePortWaitStrategy(sharedWords(), 0);
    const first = wait.idle(() => true, 10);
    wait.wake();
    await first;
    let isOver = false;
    const second = wait.idle(() => true, 100).then(() => (isOver = true));
    await vi.advanceTimersByTimeAsync(99);
    expect(isOver).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await second;
    expect(vi.getTimerCount()).toBe(0);
  });

  it('ends when a port closes or is no longer listened to, as a last message may be in it', async () => {
    const wait = new MessagePortWaitStrategy(sharedWords(), 0);
    const heard: unknown[] = [];
    const { port1, port2 } = new MessageChannel();
    const other = new MessageChannel();
    for (const port of [port2, other.port2]) wait.listen(port, (message) => heard.push(message));
    let waiting = wait.idle(() => true, WAIT_MS);
    wait.unlisten(port2);
    expect(await waiting).toBeLessThan(WAIT_MS);
    waiting = wait.idle(() => true, WAIT_MS);
    other.port1.close();
    expect(await waiting).toBeLessThan(WAIT_MS);
    waiting = wait.idle(() => true, 5);
    wait.unlisten(port2);
    port1.postMessage('unheard');
    await waiting;
    expect(heard).toEqual([]);
    port1.close();
  });

  it('is not needed for a message to be accepted', async () => {
    const wait = new MessagePortWaitStrategy(sharedWords(), 0);
    const { port1, port2 } = new MessageChannel();
    const heard: unknown[] = [];
    wait.listen(port2, (message) => heard.push(message));
    for (let n = 0; n < 3; n++) port1.postMessage(n);
    while (heard.length < 3) await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual([0, 1, 2]);
    port1.close();
  });

  it('hears a port by its last listener alone', async () => {
    const wait = new MessagePortWaitStrategy(sharedWords(), 0);
    const { port1, port2 } = new MessageChannel();
    const heard: string[] = [];
    wait.listen(port2, () => heard.push('first'));
    wait.listen(port2, () => heard.push('second'));
    const waiting = wait.idle(() => true, WAIT_MS);
    port1.postMessage(null);
    await waiting;
    expect(heard).toEqual(['second']);
    port1.close();
  });
});
