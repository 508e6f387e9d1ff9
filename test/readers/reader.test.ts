import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { READ_LOOKS_MAX, WORK_PIECE_MS, WORK_SLICE_MS } from '../../src/protocol/limits/budgets.js';
import { Reader } from '../../src/readers/reader.js';
import type { Page, PageRequest } from '../../src/store/page.js';

// A look takes as long as a test says, whatever else the machine does.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});

/** A history that notes each page, in the order in which they are read, and takes the time that a page may take. */
const MODULE = `data:text/javascript,${encodeURIComponent(`
  export const openHistory = ({ name }) => ({
    page: (shard, request) => globalThis[name](request),
    positionAt: () => 0,
    close() {},
  });
`)}`;
const NAME = 'millraceReaderTest';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  vi.useRealTimers();
});

const NOTHING: Page = {
  records: new ArrayBuffer(0),
  count: 0,
  next: 0,
  done: true,
  head: 0,
  prunedThrough: 0,
};

function opened(page: (request: PageRequest) => Page = () => NOTHING) {
  const read: { who: string | undefined; timeMs: number | undefined }[] = [];
  Object.assign(globalThis, {
    [NAME]: (request: PageRequest) => {
      read.push({ who: request.id, timeMs: request.timeMs });
      vi.advanceTimersByTime(WORK_SLICE_MS);
      return page(request);
    },
  });
  const gateways = [new MessageChannel(), new MessageChannel()] as const;
  const history = { module: MODULE, options: { name: NAME } };
  const reader = new Reader(
    { history, port: gateways[0].port1 },
    { notify: () => {}, exit: () => {} },
  );
  reader.connect(gateways[1].port1);
  const ports = gateways.map(({ port2 }) => port2);
  ends.push(async () => {
    await reader.end();
    for (const port of ports) port.close();
    Reflect.deleteProperty(globalThis, NAME);
  });
  return { read, ports: ports as [MessagePort, MessagePort] };
}

let calls = 0;

/** Asks for a page on behalf of a principal, over a gateway's port. */
function ask(
  port: MessagePort,
  owner: string,
  range: Partial<PageRequest> = {},
  more: { readonly hasBusyOthers?: boolean } = {},
): Promise<Page> {
  const id = ++calls;
  const request = { id: owner, after: 0, limit: 1, ...range };
  port.postMessage({ call: 'page', id, request: { shard: 0, request, owner, ...more } });
  return new Promise((resolve) => {
    port.on('message', function answered({ answer, value }: { answer: number; value: Page }) {
      if (answer !== id) return;
      port.off('message', answered);
      resolve(value);
    });
  });
}

test.each([
  ['the same gateway', 0],
  ['another gateway', 1],
] as const)(
  'a principal with many looks keeps another one waiting for one, at %s',
  async (_, at) => {
    const { read, ports } = opened();
    for (const port of ports) port.setMaxListeners(100);
    for (let round = 0; round < 3; round++) {
      read.length = 0;
      // All of them are there before the first one is read.
      const asked = Array.from({ length: 20 }, () => ask(ports[0], 'mallory'));
      asked.push(ask(ports[at], 'alice'));
      await Promise.all(asked);
      expect(read).toHaveLength(21);
      expect(read.findIndex(({ who }) => who === 'alice')).toBeLessThanOrEqual(1);
    }
  },
);

test('looks are short while others are there, and as long as the store likes for one that is alone', async () => {
  const { read, ports } = opened();
  await ask(ports[0], 'mallory');
  await ask(ports[0], 'mallory');
  await ask(ports[0], 'alice');
  await ask(ports[0], 'mallory');
  expect(read).toEqual([
    { who: 'mallory', timeMs: undefined },
    { who: 'mallory', timeMs: undefined },
    { who: 'alice', timeMs: WORK_PIECE_MS },
    { who: 'mallory', timeMs: WORK_PIECE_MS },
  ]);
});

test('looks are short for one whose gateway is busy for others, though they ask other threads', async () => {
  const { read, ports } = opened();
  await ask(ports[0], 'mallory', {}, { hasBusyOthers: true });
  expect(read).toEqual([{ who: 'mallory', timeMs: WORK_PIECE_MS }]);
});

const HEAD = 100;
const PRUNED = 4;

/** A log of which one look sees so many events, all of them wanted but those that three divides. */
function logOf(looked: number) {
  return ({
    after,
    until = HEAD,
    limit,
    limitBytes = Number.MAX_VALUE,
    reverse = false,
  }: PageRequest): Page => {
    const range = Array.from({ length: until - after }, (_, n) => after + 1 + n);
    if (reverse) range.reverse();
    const found: number[] = [];
    let next = reverse ? after : until;
    for (const [at, sequence] of range.entries()) {
      if (sequence > PRUNED && sequence % 3 !== 0) found.push(sequence);
      const isOver = at + 1 === looked || found.length === limit || found.length * 8 >= limitBytes;
      if (!isOver) continue;
      next = reverse ? sequence - 1 : sequence;
      break;
    }
    const done = reverse ? next <= after : next >= until;
    const prunedThrough = after < PRUNED ? PRUNED : 0;
    const records = new Float64Array(found).buffer;
    return { records, count: found.length, next, done, head: HEAD, prunedThrough };
  };
}

test.each([
  { limit: 50 },
  { limit: 50, reverse: true },
  { limit: 50, after: 90 },
  { limit: 7 },
  { limit: 7, reverse: true },
  { limit: 50, limitBytes: 80 },
  { limit: 50, until: 3 },
])('short looks make the page that a long one would have made: %o', async (range) => {
  const whole = logOf(HEAD)({ after: 0, ...range });
  const { read, ports } = opened(logOf(10));
  await ask(ports[0], 'alice', { limit: 0, until: 0 });
  const page = await ask(ports[0], 'mallory', range);
  expect([...new Float64Array(page.records)]).toEqual([...new Float64Array(whole.records)]);
  const { records: _, ...rest } = whole;
  expect(page).toMatchObject(rest);
  expect(read.length).toBeGreaterThan(1);
});

test('a question is answered after so many looks, however little they have found', async () => {
  const { read, ports } = opened(logOf(2));
  await ask(ports[0], 'alice', { limit: 0, until: 0 });
  const page = await ask(ports[0], 'mallory', { limit: 50 });
  expect(read.filter(({ who }) => who === 'mallory')).toHaveLength(READ_LOOKS_MAX);
  expect(page).toMatchObject({ next: 2 * READ_LOOKS_MAX, done: false, prunedThrough: PRUNED });
});

test('events that go while a page is made are told behind those that it has', async () => {
  let looks = 0;
  const log = logOf(10);
  // Retention removes what lies up to 25 between the first look and the second.
  const { ports } = opened((request) => {
    const page = log(request);
    if (request.id !== 'mallory' || ++looks === 1) return page;
    return { ...page, prunedThrough: request.after < 25 ? 25 : 0 };
  });
  await ask(ports[0], 'alice', { limit: 0, until: 0 });
  const first = await ask(ports[0], 'mallory', { limit: 50 });
  expect(first).toMatchObject({ next: 10, done: false, prunedThrough: PRUNED });
  const second = await ask(ports[0], 'mallory', { limit: 100, after: first.next });
  expect(second).toMatchObject({ done: true, prunedThrough: 25 });
});
