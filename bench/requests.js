import { openBus } from 'millrace';
import { connect } from 'millrace/client';
import { check, Latencies, readOptions, runBench } from './harness.js';

/**
 * One asker → one responder → its answer, one request after the other: in one thread, and between two clients over the
 * WebSocket of one gateway. Each answer is compared with its question.
 */
const options = readOptions('Request → answer: the round trip in process and over the WebSocket.', {
  requests: 5000,
  warm: 500,
});

/**
 * @param {import('millrace/client').BusApi} asker
 * @param {import('millrace/client').BusApi} answerer
 */
async function roundTrips(asker, answerer) {
  const responder = answerer.respond('bench.*', ({ payload }) => payload);
  await responder.ready;
  const latencies = new Latencies();
  for (let n = -options.warm; n < options.requests; n++) {
    const begun = performance.now();
    const { payload } = await asker.request({ topic: 'bench.echo', type: 'question', payload: n });
    if (n >= 0) latencies.recordMs(performance.now() - begun);
    check(payload === n, `question ${n} was answered with ${payload}`);
  }
  await responder.stop();
  return latencies;
}

await runBench('Request → answer', { ...options, cores: 2 }, async (bench) => {
  const bus = await openBus({ dir: bench.directory(), shards: 1 });
  bench.say(`  in process          ${await roundTrips(bus, bus)}`);
  const { url } = await bus.serve({ port: 0 });
  const [asker, answerer] = [connect(url), connect(url)];
  await Promise.all([asker.connected(), answerer.connected()]);
  bench.say(`  over the WebSocket  ${await roundTrips(asker, answerer)}`);
  await Promise.all([asker.close(), answerer.close()]);
  await bus.close();
});
