import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { ReaderPorts } from '../../../src/endpoint/read/reader-ports.js';
import type { Handlers } from '../../../src/link/calls.js';
import { type CallContext, type Caller, PortServer } from '../../../src/link/port-calls.js';
import type { ReaderConnections } from '../../../src/link/reader-mail.js';
import { BusError } from '../../../src/protocol/errors.js';

afterEach(() => {
  vi.useRealTimers();
});

type Answer = (timeMs: number) => number | Promise<number>;

/** A reader thread as seen over one port: its number, the calls that it got, and its end. */
class Reader {
  static #last = 0;
  readonly thread = ++Reader.#last;
  readonly asked: number[] = [];
  readonly port: MessagePort;
  readonly #own: MessagePort;
  readonly closed: Promise<void>;

  constructor(answer: Answer) {
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    this.#own = port2;
    this.closed = new Promise((resolve) => {
      port2.on('close', resolve);
    });
    const server = new PortServer<'history'>(port2, {
      positionAt: ({ timeMs }) => {
        this.asked.push(timeMs);
        return answer(timeMs);
      },
    } as Partial<Handlers<'history', CallContext>> as Handlers<'history', CallContext>);
    port2.on('message', (message) => server.take(message));
    onTestFinished(() => port2.close());
  }

  end(): void {
    this.#own.close();
  }
}

const never: Answer = () => new Promise(() => {});
const echo: Answer = (timeMs) => timeMs;

const given = (...readers: Reader[]): ReaderConnections => ({
  ports: readers.map(({ port }) => port),
  threads: readers.map(({ thread }) => thread),
});
const NONE = given();

/** A main thread that gives ports to these readers, in order; `ended` is what it was told at each call. */
function mainWith(...readers: Reader[]) {
  const ended: (readonly number[])[] = [];
  const call = async (_: string, request: { ended: readonly number[] }) => {
    const reader = readers[ended.length];
    ended.push(request.ended);
    if (reader === undefined) throw new BusError('BUS_CLOSED', 'the bus is closed');
    return given(reader);
  };
  return { main: { call } as Caller<'main'>, ended };
}

const at = (timeMs: number) => ({ shard: 0, timeMs });
const settled = () => new Promise((resolve) => setTimeout(resolve, 20));

describe('looks into history', () => {
  test('are shared among the threads, and main is not asked', async () => {
    const readers = [new Reader(never), new Reader(never)];
    const main = mainWith();
    const ports = new ReaderPorts(given(...readers), main.main);
    for (const timeMs of [1, 2, 3, 4]) void ports.call('positionAt', at(timeMs)).catch(() => {});
    await vi.waitFor(() => expect(readers.map(({ asked }) => asked.length)).toEqual([2, 2]));
    expect(main.ended).toEqual([]);
    ports.close(new BusError('BUS_CLOSED', 'closed'));
  });

  test('get ports from main once if there are none', async () => {
    const main = mainWith(new Reader(echo));
    const ports = new ReaderPorts(NONE, main.main);
    const looks = [1, 2, 3].map((timeMs) => ports.call('positionAt', at(timeMs)));
    expect(await Promise.all(looks)).toEqual([1, 2, 3]);
    expect(main.ended).toEqual([[]]);
  });

  test('whose thread ends are repeated on another thread', async () => {
    const first = new Reader(never);
    const second = new Reader(echo);
    const ports = new ReaderPorts(given(first), mainWith(second).main);
    const look = ports.call('positionAt', at(7));
    await vi.waitFor(() => expect(first.asked).toEqual([7]));
    first.end();
    expect(await look).toBe(7);
    expect(second.asked).toEqual([7]);
  });

  test('of a thread whose port closed before anybody listened are repeated when main says so', async () => {
    const first = new Reader(never);
    const second = new Reader(echo);
    const main = mainWith(second);
    const ports = new ReaderPorts(given(first), main.main);
    const look = ports.call('positionAt', at(7));
    ports.ended(first.thread);
    expect(await look).toBe(7);
    expect(main.ended).toEqual([[first.thread]]);
  });

  test('whose threads end one after another fail, and the next look tries again', async () => {
    const readers = [1, 2, 3].map(() => new Reader(never));
    const healthy = new Reader(echo);
    const ports = new ReaderPorts(NONE, mainWith(...readers, healthy).main);
    const look = ports.call('positionAt', at(7));
    const failed = expect(look).rejects.toMatchObject({ code: 'STORE_FAILED' });
    for (const reader of readers) {
      await vi.waitFor(() => expect(reader.asked).toEqual([7]));
      reader.end();
    }
    await failed;
    expect(await ports.call('positionAt', at(8))).toBe(8);
  });

  test('are shared again once a thread that ended has a successor', async () => {
    const [ending, staying, successor, known] = [1, 2, 3, 4].map(() => new Reader(echo));
    const asked: object[] = [];
    const call = async (_: string, request: object) => {
      asked.push(request);
      return {
        ports: [successor!.port, known!.port],
        threads: [successor!.thread, staying!.thread],
      };
    };
    const ports = new ReaderPorts(given(ending!, staying!), { call } as Caller<'main'>);
    await Promise.all([1, 2].map((timeMs) => ports.call('positionAt', at(timeMs))));
    ending!.end();
    await ending!.closed;
    await settled();
    expect(await ports.call('positionAt', at(3))).toBe(3);
    await known!.closed;
    await Promise.all([4, 5].map((timeMs) => ports.call('positionAt', at(timeMs))));
    expect(successor!.asked).toHaveLength(1);
    expect(staying!.asked).toHaveLength(3);
    expect(asked).toEqual([{ ended: [ending!.thread] }]);
    ports.close(new BusError('BUS_CLOSED', 'closed'));
  });

  test('are answered even if main has not learnt that the threads have ended', async () => {
    const ended = new Reader(never);
    const healthy = new Reader(echo);
    const call = async (_: string, request: { ended: readonly number[] }) => {
      if (request.ended.includes(ended.thread)) return given(healthy);
      const { port } = new Reader(never);
      port.close();
      return { ports: [port], threads: [ended.thread] };
    };
    const ports = new ReaderPorts(given(ended), { call } as Caller<'main'>);
    ended.end();
    await ended.closed;
    expect(await ports.call('positionAt', at(7))).toBe(7);
  });

  test('that are refused are not repeated', async () => {
    const reader = new Reader(() => {
      throw new BusError('STORE_CORRUPT', 'damaged');
    });
    const ports = new ReaderPorts(given(reader), mainWith().main);
    const look = ports.call('positionAt', at(7));
    await expect(look).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    expect(reader.asked).toEqual([7]);
  });

  test('fail when the endpoint closes, under way or not', async () => {
    const reader = new Reader(never);
    const ports = new ReaderPorts(given(reader), mainWith().main);
    const look = ports.call('positionAt', at(7));
    await vi.waitFor(() => expect(reader.asked).toEqual([7]));
    ports.close(new BusError('BUS_CLOSED', 'closed'));
    await expect(look).rejects.toMatchObject({ code: 'BUS_CLOSED' });
    const later = ports.call('positionAt', at(8));
    await expect(later).rejects.toMatchObject({ code: 'BUS_CLOSED' });
    await reader.closed;
  });
});

describe('unused ports', () => {
  test('are given back if they were asked for, so that the threads can end', async () => {
    const reader = new Reader(echo);
    const ports = new ReaderPorts(NONE, mainWith(reader, new Reader(echo)).main);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await ports.call('positionAt', at(1));
    vi.runAllTimers();
    await reader.closed;
    expect(await ports.call('positionAt', at(2))).toBe(2);
  });

  test('are kept if they came with the attachment', async () => {
    const reader = new Reader(echo);
    const ports = new ReaderPorts(given(reader), mainWith().main);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await ports.call('positionAt', at(1));
    vi.runAllTimers();
    vi.useRealTimers();
    await settled();
    expect(await ports.call('positionAt', at(2))).toBe(2);
  });
});
