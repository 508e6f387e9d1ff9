import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { openBus } from 'millrace';
import { CheckFailed, check, perSecond, readOptions, runBench } from './harness.js';
import { makeInput } from './load.js';

/**
 * 100 WebSocket subscribers that each get all of 10,000 events/s. This process is the server: publisher, shard and
 * gateway. The clients are in their own process (`bench/gateway-load.js`), which checks that each of them gets every
 * event once and in order. A latency runs from the time at which the last event of a frame was meant to be published to
 * the frame's arrival at the client; all frames count. `at` is a time of the machine's monotonic clock, which both
 * processes read.
 *
 * The publisher asks for `synced`, and must not fall behind: at the end it must have reached the intended rate.
 */

const options = readOptions('N WebSocket subscribers that each get all of R events/s.', {
  seconds: 60,
  rate: 10_000,
  clients: 100,
  names: 1,
  shards: 1,
});

/**
 * Timers make the rate a little slower than intended. If it is slower than this, the machine is overloaded and the
 * latencies are wrong.
 */
const RATE_SHARE_MIN = 0.98;
const TOPIC = 'load.0000';

const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

/** Publishes event n at its time. @param {import('millrace').Bus} bus @param {number} events */
async function publishAtRate(bus, events) {
  const { rate } = options;
  /** @type {Error | undefined} */
  let failure;
  const started = nowMs();
  for (let n = 0; n < events; ) {
    const due = Math.min(events, Math.floor(((nowMs() - started) * rate) / 1000));
    const inputs = [];
    for (; n < due; n += 1) {
      const input = makeInput(TOPIC, n);
      const at = Math.floor(started + (n * 1000) / rate);
      inputs.push({ ...input, payload: { ...input.payload, at } });
    }
    if (inputs.length > 0) {
      bus.publishMany(inputs).catch((error) => {
        failure ??= error;
      });
    }
    if (failure !== undefined) throw failure;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const seconds = (nowMs() - started) / 1000;
  await bus.drain();
  return events / seconds;
}

/** @param {import('node:child_process').ChildProcess} child @param {string} type */
function messageFrom(child, type) {
  return new Promise((resolve, reject) => {
    child.on('message', (/** @type {{ type: string, message: string }} */ message) => {
      if (message.type === type) resolve(message);
      else if (message.type === 'failed') reject(new CheckFailed(message.message));
    });
    child.once('exit', (code) => reject(new Error(`the load generator ended with code ${code}`)));
  });
}

/** @param {import('./harness.js').Bench} bench */
async function fanOut(bench) {
  const { seconds, rate, clients, names, shards } = options;
  const events = seconds * rate;
  const bus = await openBus({ dir: bench.directory(), shards });
  const gateway = await bus.serve({ port: 0, maxConnectionsPerAddress: clients });
  const child = fork(fileURLToPath(new URL('gateway-load.js', import.meta.url)));
  try {
    const url = `${gateway.url.replace('http', 'ws')}/events`;
    child.send({ url, clients, events, names, filter: TOPIC });
    await messageFrom(child, 'subscribed');
    const cpuBefore = process.cpuUsage();
    const done = messageFrom(child, 'done');
    done.catch(() => {});
    const published = await publishAtRate(bus, events);
    const result = await done;
    const { user, system } = process.cpuUsage(cpuBefore);
    const { dropped } = await bus.stats();
    return {
      ...result,
      published,
      dropped,
      cpuMs: (user + system) / 1000,
      loadCpuMs: result.cpuMs,
    };
  } finally {
    child.kill();
    await bus.close();
  }
}

/** @param {import('./harness.js').Bench} bench */
async function report(bench) {
  const { seconds, rate, clients } = options;
  const events = seconds * rate;
  const result = await fanOut(bench);
  check(
    result.least === events && result.most === events,
    `${result.least} to ${result.most} of ${events} events`,
  );
  check(result.dropped === 0, `${result.dropped} events were dropped`);
  const isSteady = result.published >= rate * RATE_SHARE_MIN;
  check(isSteady, `the publisher reached ${perSecond(result.published)}, not ${perSecond(rate)}`);
  const [p50, p95, p99, p999] = result.percentiles.map((/** @type {number} */ us) =>
    (us / 1000).toFixed(1),
  );
  const perFrame = result.total / result.framesTotal;
  bench.report([
    {
      what: 'deliveries',
      figure: perSecond(result.published * clients),
      note: `${result.total} in all, each once and in order, none cut`,
    },
    {
      what: 'publish → arrival',
      figure: `p50 ${p50} ms`,
      note: `p95 ${p95} ms  p99 ${p99} ms  p99.9 ${p999} ms  most ${result.maxMs.toFixed(1)} ms`,
    },
    {
      what: 'frames',
      figure: perSecond(result.framesTotal / seconds),
      note: `${perFrame.toFixed(1)} events each; ${result.framesRead} different of ${result.framesTotal}`,
    },
    { what: 'bytes', figure: `${(result.framesBytes / seconds / 1e6).toFixed(0)} MB/s` },
    {
      what: 'CPU, server',
      figure: `${(result.cpuMs / seconds / 1000).toFixed(2)} cores`,
      note: 'publisher, shard, gateway',
    },
    { what: 'CPU, clients', figure: `${(result.loadCpuMs / seconds / 1000).toFixed(2)} cores` },
  ]);
}

await runBench(
  `gateway: ${options.clients} WebSocket subscribers, each getting all of ${options.rate} events/s for ${options.seconds} s`,
  { dir: options.dir, cores: 2 },
  report,
);
