import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openBus } from 'millrace';
import { CheckFailed, check, Latencies, readOptions, runBench } from './harness.js';

/**
 * Measures the cost of a connection. This process is the server; the clients are in their own process
 * (`bench/gateway-idle.js`).
 *
 * - Set-up: one connection after the other, from the TCP connect to the `subscribed` of its first subscription.
 * - Memory: the growth of the server's resident set with N idle connections, each with one subscription, after garbage
 *   collection; also the growth that remains when they are closed.
 *
 * All clients have one address, from which a server accepts 256 connections by default.
 */

const options = readOptions('Set-up time and memory of WebSocket connections.', {
  setups: 500,
  connections: 2000,
});

const SET_UP_TARGET_MS = 50;

/** Resident memory of this process, bytes. */
function residentBytes() {
  const pages = Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]);
  return pages * 4096;
}

/** The smallest of several figures, which has the least garbage in it. */
async function settledBytes() {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20; i += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 100));
    least = Math.min(least, residentBytes());
  }
  return least;
}

/** @param {import('node:child_process').ChildProcess} child @param {object} [task] */
function ask(child, task) {
  return new Promise((resolve, reject) => {
    child.once('message', (/** @type {{ error?: string }} */ answer) => {
      if (answer.error === undefined) resolve(answer);
      else reject(new CheckFailed(answer.error));
    });
    child.once('exit', (code) => reject(new Error(`the clients ended with code ${code}`)));
    if (task !== undefined) child.send(task);
  });
}

await runBench(
  `gateway: set-up of a connection, and memory of ${options.connections} idle ones`,
  { dir: options.dir, cores: 2 },
  async (bench) => {
    const bus = await openBus({ dir: bench.directory(), shards: 1 });
    const gateway = await bus.serve({ port: 0, maxConnectionsPerAddress: options.connections });
    const child = fork(fileURLToPath(new URL('gateway-idle.js', import.meta.url)));
    try {
      const url = `${gateway.url.replace('http', 'ws')}/events`;
      const setUp = new Latencies();
      const { times } = await ask(child, { type: 'setups', url, count: options.setups });
      for (const time of times) setUp.recordMs(time);
      const before = await settledBytes();
      await ask(child, { type: 'open', url, count: options.connections });
      const during = await settledBytes();
      const { subscriptions } = await bus.stats();
      check(subscriptions === options.connections, `${subscriptions} subscriptions are there`);
      await ask(child, { type: 'close' });
      const after = await settledBytes();
      const p99Ms = setUp.at(99) / 1000;
      const each = (during - before) / options.connections / 1024;
      bench.report([
        {
          what: 'set-up of one connection',
          figure: `${(setUp.at(50) / 1000).toFixed(2)} ms`,
          note: `p50; p99 ${p99Ms.toFixed(2)} ms; target at most ${SET_UP_TARGET_MS} ms: ${p99Ms <= SET_UP_TARGET_MS ? 'met' : 'MISSED'}`,
        },
        {
          what: 'memory of an idle connection',
          figure: `${each.toFixed(1)} KiB`,
          note: `${(before / 2 ** 20).toFixed(0)} MiB → ${(during / 2 ** 20).toFixed(0)} MiB resident; ${(after / 2 ** 20).toFixed(0)} MiB when they are gone`,
        },
      ]);
    } finally {
      child.kill();
      await bus.close();
    }
  },
);
