import { pathToFileURL } from 'node:url';
import { answerCalls } from '../answer-calls.js';

/** Thousands of clients in one process: `node clients.js OPTIONS`, `{ client, url }`. It is told what they do. */
const { client: module, url } = JSON.parse(process.argv[2]);
const { connect } = await import(pathToFileURL(module).href);
/** By the number of a client: it, its subscription, and the sequences that it got on `to-all`, in each shard. */
const clients = new Map();
const problems = [];

function open(n) {
  const client = connect(url, {
    reconnectBaseMs: 50,
    reconnectFloorMs: 10,
    reconnectMaxMs: 3000,
    requestTimeoutMs: 0,
    onError: () => {},
  });
  /** @type {number[]} */
  const got = [];
  const subscription = client.subscribe(['to-all', `to-${n}`], ({ sequence }) => {
    const last = got.at(-1) ?? 0;
    if (sequence <= last) problems.push(`client ${n} got ${sequence} behind ${last}`);
    got.push(sequence);
  });
  subscription.on('gap', ({ from, to }) => problems.push(`client ${n} has a gap ${from}-${to}`));
  subscription.closed.catch((error) => problems.push(`client ${n}: ${error.message}`));
  clients.set(n, { client, got, subscription });
  return subscription.ready;
}

const calls = {
  open: ({ first, count }) => {
    const opened = Array.from({ length: count }, (_, n) => open(first + n));
    return Promise.all(opened).then(() => count);
  },
  /** How many clients have got so many events. */
  got: ({ events }) => [...clients.values()].filter(({ got }) => got.length >= events).length,
  problems: () => problems.splice(0),
  close: async () => {
    const all = [...clients.values()];
    clients.clear();
    for (const { subscription } of all) await subscription.unsubscribe();
    await Promise.all(all.map(({ client }) => client.close()));
    return all.length;
  },
  end: () => process.exit(0),
};

answerCalls(calls);
