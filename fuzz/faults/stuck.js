import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { DIR, positive, program } from '../program.js';
import { recordResult } from '../record-result.js';
import { FaultyProxy } from './network/proxy.js';
import { BUILT, startServer } from './storms/start.js';

/**
 * Here is how it works. A server has subscribers that are stuck: a handler that never returns, an iterator that nobody
 * asks, a worker that stands still with full rings, sockets that nobody reads (WebSocket and event stream), and
 * connections that vanish without a word. A flood of events comes over them, many times what may be held. Honest
 * subscribers, in the process and over a WebSocket, have to get all of it, in order; the process may hold no more than it
 * is allowed; dead and unread connections have to be cut. Then those that can go on do, and have to get all of it too.
 * It judges by counts and by memory, never by speed.
 *
 *   node fuzz/faults/stuck.js [--events 200000] [--bytes 8000] [--rounds 1] [--record FILE] [--dir DIR]
 *
 * Exits 0 if all was right, 1 if not, 2 for wrong usage.
 */
/** How much more than before the flood the process may hold while it lasts. One holder without a bound would hold twice that. */
const HELD_MORE_BYTES = 768 * 2 ** 20;
const WAIT_MS = 300_000;
/** A stuck connection is cut after so long without progress, and a dead one after two missed heartbeats. */
const GATEWAY = { stallMs: 3000, heartbeatMs: 2000 };
const UNREAD = 3;
/** The subscriptions that outlast the flood: four in the process, and the honest client's. */
const LASTING = 5;

const { events, bytes, rounds, record, dir } = readOptions();
const began = performance.now();
const problems = [];
let stuckCount = 0;
for (let round = 0; round < rounds; round++) await play(round);
console.log(`fuzz: stuck: ${stuckCount} stuck, ${problems.length} problems`);
for (const problem of problems) console.error(`fuzz: ${problem}`);
if (record !== undefined) {
  recordResult(record, {
    campaign: 'faults stuck',
    fault: 'network',
    seeds: [0, rounds],
    injections: stuckCount,
    acked: events * rounds,
    lost: 0,
    repeated: 0,
    misordered: 0,
    undetected: 0,
    problems: problems.length,
    recoveryMs: null,
    seconds: Math.round((performance.now() - began) / 1000),
  });
}
process.exit(problems.length === 0 ? 0 : 1);

async function play(round) {
  const folder = mkdtempSync(join(dir, 'millrace-stuck-'));
  const bus = { shards: 2, systemEvents: false, ringBytes: 16_384 };
  const server = await startServer(folder, { bus, gateway: GATEWAY });
  const proxy = await new FaultyProxy(Number(new URL(server.url).port)).listen();
  try {
    await scene(server, proxy, round);
  } catch (error) {
    problems.push(`round ${round}: ${error.stack}`);
  } finally {
    await proxy.close();
    await Promise.race([server.end(), pass(20_000)]);
    server.kill();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function scene(server, proxy, round) {
  const remote = await honestClient(server.url);
  await server.call('stuck', { act: 'begin' });
  const vanishing = await honestClient(`http://127.0.0.1:${proxy.port}`);
  const unread = [];
  for (let n = 0; n < UNREAD; n++)
    unread.push(await unreadSocket(server.url), await unreadStream(server.url));
  const before = await server.call('census');
  proxy.cutHalf('client');
  await vanishing.client.close();
  stuckCount += 4 + unread.length;

  const { rss } = await server.call('stuck', { act: 'flood', count: events, bytes });
  console.log(
    `fuzz: round ${round}: ${events} events of ${bytes} bytes, rss ${mib(before.rss)} before, ${mib(rss)} at most`,
  );
  if (rss > before.rss + HELD_MORE_BYTES) {
    problems.push(`held ${mib(rss)} during the flood, ${mib(before.rss)} before`);
  }
  await eventually('the honest have got everything', async () => {
    const { honest } = await server.call('stuck', { act: 'seen' });
    return honest === events && remote.count === events;
  });
  await eventually(
    'unread and dead connections are cut',
    async () => {
      const { rows } = await server.call('census');
      return rows.connections === 1 && rows.subscribers === LASTING;
    },
    async () => JSON.stringify((await server.call('census')).rows),
  );
  await server.call('stuck', { act: 'goOn', count: events });
  const { stuck, problems: own } = await server.call('stuck', { act: 'seen' });
  if (stuck !== events) problems.push(`the stuck handler got ${stuck} of ${events} events`);
  problems.push(...own, ...remote.problems, ...(await server.call('problems')));
  await server.call('stuck', { act: 'leave' });
  for (const socket of unread) socket.destroy();
  await remote.client.close();
  await eventually(
    'nothing is left',
    async () => {
      const { rows } = await server.call('census');
      return (
        rows.connections === 0 &&
        rows.subscribers === 0 &&
        rows.endpoints === before.rows.endpoints - 1
      );
    },
    async () => JSON.stringify((await server.call('census')).rows),
  );
}

async function honestClient(url) {
  const { connect } = await import(pathToFileURL(join(BUILT, 'client.js')).href);
  const client = connect(url, { onError: () => {} });
  const seen = { client, count: 0, problems: /** @type {string[]} */ ([]) };
  const last = new Map();
  const subscription = client.subscribe('flood.*', ({ topic, sequence }) => {
    if (sequence <= (last.get(topic) ?? 0)) seen.problems.push(`${sequence} on ${topic} again`);
    last.set(topic, sequence);
    seen.count++;
  });
  subscription.on('gap', (gap) => seen.problems.push(`gap ${JSON.stringify(gap)}`));
  subscription.closed.catch(() => {});
  await subscription.ready;
  return seen;
}

/** A WebSocket, by hand, that subscribes to everything and never reads again. */
async function unreadSocket(url) {
  const key = 'AAAAAAAAAAAAAAAAAAAAAA==';
  const head =
    `GET /events HTTP/1.1\r\nHost: ${new URL(url).host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: millrace.v1\r\n\r\n`;
  const socket = await request(url, head, '"welcome"');
  const frame = {
    type: 'subscribe',
    requestId: 1,
    payload: { subscription: 's', filter: '*' },
  };
  const text = Buffer.from(JSON.stringify(frame));
  // A mask of zeros leaves the payload as it is.
  socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text]));
  await hears(socket, '"caughtUp"');
  return ignored(socket);
}

/** An event stream that is never read. */
async function unreadStream(url) {
  const head =
    `GET /v1/events/stream?topic=flood.* HTTP/1.1\r\nHost: ${new URL(url).host}\r\n` +
    'Accept: text/event-stream\r\n\r\n';
  return ignored(await request(url, head, 'caughtUp'));
}

async function request(url, head, answer) {
  const socket = connectTcp(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(head);
  await hears(socket, answer);
  return socket;
}

function hears(socket, answer) {
  return new Promise((resolve, reject) => {
    let text = '';
    const hear = (chunk) => {
      text += chunk.toString('latin1');
      if (!text.includes(answer)) return;
      socket.off('data', hear);
      resolve(undefined);
    };
    socket.on('data', hear);
    socket.once('close', () => reject(new Error(`closed before ${answer}: ${text.slice(0, 300)}`)));
  });
}

function ignored(socket) {
  socket.removeAllListeners('close');
  return socket.pause();
}

async function eventually(what, test, why = async () => '') {
  const until = performance.now() + WAIT_MS;
  while (!(await test())) {
    if (performance.now() > until)
      throw new Error(`not within ${WAIT_MS} ms: ${what}; ${await why()}`);
    await pass(200);
  }
}

function mib(count) {
  return `${Math.round(count / 2 ** 20)} MiB`;
}

function readOptions() {
  return program(
    'node fuzz/faults/stuck.js',
    'Subscribers that take nothing, which may hold up nobody and fill no memory.',
  )
    .option('--events <n>', 'publishes so many', positive, 200_000)
    .option('--bytes <n>', 'each with a payload of so many bytes', positive, 8000)
    .option('--rounds <n>', 'plays so often', positive, 1)
    .option(...DIR)
    .parse()
    .opts();
}
