import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, expect, test } from 'vitest';
import { WORK_SLICE_MS } from '../../src/protocol/limits/budgets.js';
import { Reader } from '../../src/readers/reader.js';
import type { PageRequest } from '../../src/store/page.js';

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
});

function opened() {
  const read: { who: string | undefined; timeMs: number | undefined }[] = [];
  Object.assign(globalThis, {
    [NAME]: ({ id, timeMs }: PageRequest) => {
      read.push({ who: id, timeMs });
      const end = performance.now() + WORK_SLICE_MS;
      while (performance.now() < end);
      return { records: new ArrayBuffer(0), count: 0, next: 0, done: true };
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
function ask(port: MessagePort, owner: string): Promise<void> {
  const id = ++calls;
  const request = { id: owner, after: 0, limit: 1 };
  port.postMessage({ call: 'page', id, request: { shard: 0, request, owner } });
  return new Promise((resolve) => {
    port.on('message', function answered({ answer }: { answer: number }) {
      if (answer !== id) return;
      port.off('message', answered);
      resolve();
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
    { who: 'alice', timeMs: WORK_SLICE_MS },
    { who: 'mallory', timeMs: WORK_SLICE_MS },
  ]);
});
