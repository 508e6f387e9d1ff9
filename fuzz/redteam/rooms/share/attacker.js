import { constants, setPriority } from 'node:os';
import { deflateRawSync } from 'node:zlib';
import { frame, RawSocket } from '../../stage/frames.js';

/**
 * A process that takes as much of the server as it can, in one way, from `go` to `halt` of its parent; it answers each
 * with the number of times that it has struck. It reads what comes, but nothing is done with it.
 *
 *   node attacker.js WAY PORT TOKEN CONNECTIONS
 */
const [way = '', port = '', token = '', connections = '32'] = process.argv.slice(2);
setPriority(constants.priority.PRIORITY_LOW);

const FROM = '127.0.0.2';
const KIB = 1024;

const text = (value) => frame(JSON.stringify(value));
const event = (size, n) => ({ topic: `mallory.t${n % 64}`, type: 't', payload: 'x'.repeat(size) });
const many = (length, make) => Array.from({ length }, (_, n) => make(n));
const CONSUMER = 'mallory.consumer';
const UNKNOWN = '01ARZ3NDEKTSV4RRFFQ69G5FAV';

/** The bytes that a connection writes again and again, by way. */
const WAYS = {
  'small publishes': (n) =>
    Buffer.concat(
      many(64, (at) => text({ type: 'publish', payload: { event: event(64, n + at) } })),
    ),
  'large publishes': (n) => text({ type: 'publish', payload: { event: event(900 * KIB, n) } }),
  'batches of events': (n) =>
    text({ type: 'publish', payload: { events: many(4000, (at) => event(8, n + at)) } }),
  'frames that are no JSON': () => frame(`{"type":"publish","payload":[${'[],'.repeat(300 * KIB)}`),
  'frames of many small parts': () =>
    text({
      type: 'publish',
      payload: { event: { ...event(1, 0), payload: many(200_000, (at) => at % 10) }, x: 1 },
    }),
  pings: () => Buffer.concat(many(512, () => frame('x'.repeat(100), { opcode: 9 }))),
  'giant filters': (n) =>
    text({
      type: 'subscribe',
      payload: { subscription: `s${n}`, filter: many(1025, (at) => `mallory.+.+.${at}`) },
    }),
  'texts of leases': () =>
    text({
      type: 'settle',
      payload: {
        settlements: many(256, (at) => ({ lease: `${UNKNOWN}.0.${at + 1}.1`, kind: 'ack' })),
      },
    }),
  'queries that find nothing': () =>
    text({
      type: 'query',
      payload: { topic: 'mallory.*', attributes: { no: ['thing'] }, limit: 10_000 },
    }),
  'queries that find much': () =>
    text({ type: 'query', payload: { topic: 'mallory.*', limit: 10_000 } }),
  'queries of the newest of each topic': () =>
    text({ type: 'query', payload: { topic: 'mallory.*', latest: true, limit: 10_000 } }),
  'ids that are not there': (n) =>
    text({ type: 'get', payload: { topic: 'mallory.*', id: `none-${n}` } }),
  'replays from the beginning': (n) =>
    Buffer.concat([
      text({
        type: 'subscribe',
        payload: {
          subscription: `s${n}`,
          filter: { topic: 'mallory.*', attributes: { no: ['thing'] } },
          from: 'earliest',
        },
      }),
      text({ type: 'unsubscribe', payload: { subscription: `s${n}` } }),
    ]),
  'previews of seeks': () =>
    text({ type: 'seekPreview', payload: { name: CONSUMER, from: 'earliest' } }),
  'figures of consumers': () => text({ type: 'consumers', payload: {} }),
  'consumers that are opened': () => text({ type: 'consumer', payload: { name: CONSUMER } }),
  'open events of a consumer': () =>
    text({ type: 'consumerOpen', payload: { name: CONSUMER, limit: 1000 } }),
  'pulls of large jobs': () => text({ type: 'pull', payload: { consumer: CONSUMER, max: 1000 } }),
  'lists of waiting publishes': () =>
    text({ type: 'scheduled', payload: { topic: 'mallory.*', limit: 1000 } }),
  'compressed messages': () => frame(deflateRawSync(Buffer.alloc(1000 * KIB, 0x20)), { rsv: 4 }),
  'lists of topics': () => text({ type: 'topics', payload: { pattern: 'mallory.*' } }),
};

let isOn = false;
let struck = 0;
let wake = () => {};
const sockets = [];
let going = new Promise((resolve) => (wake = () => resolve(undefined)));

for (let n = 0; n < Number(connections); n++) {
  const socket = await RawSocket.open(Number(port), {
    token,
    localAddress: FROM,
    deflate: way === 'compressed messages',
  });
  sockets.push(socket);
  void strike(n);
}
process.send?.('ready');
process.on('message', (what) => {
  isOn = what === 'go';
  if (isOn) wake();
  else process.send?.({ struck });
});
process.on('disconnect', () => process.exit());

async function strike(n) {
  let socket = sockets[n];
  const bytes = WAYS[way](n);
  for (;;) {
    if (!isOn) {
      await going;
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (!isOn) going = new Promise((resolve) => (wake = () => resolve(undefined)));
      continue;
    }
    if (socket.socket.destroyed) {
      socket = await RawSocket.open(Number(port), {
        token,
        localAddress: FROM,
        deflate: way === 'compressed messages',
      }).catch(() => socket);
      sockets[n] = socket;
    }
    await socket.write(bytes);
    struck++;
    // Lets the others strike too.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
