import assert from 'node:assert/strict';
import { until } from '../../stage/stage.js';

/** Workers that die with jobs in their hands, and consumers that are made to be destroyed. */

const many = (length, make) => Array.from({ length }, (_, n) => make(n));
const JOBS = 20;

/** The next deliveries; a worker that has none after so long gets none. */
async function deliveriesOf(socket) {
  const isIt = ({ type }) => type === 'deliveries';
  await until('there are deliveries', () => socket.frames.some(isIt));
  return (await socket.next(isIt)).payload.deliveries;
}

/** Joins the consumer with a place for each job, and returns the first deliveries. */
async function take(socket, consumer) {
  const joined = await socket.one('join', { consumer, member: 'm', concurrency: JOBS });
  assert.equal(joined.type, 'joined', JSON.stringify(joined));
  return deliveriesOf(socket);
}

/** A worker dies over and over, amid its jobs; an honest one gets each of them once in the end. */
async function dying(stage) {
  const consumer = `mallory.${stage.fresh('jobs')}`;
  const topic = `mallory.${stage.fresh('job')}`;
  const owner = await stage.socket('mallory');
  const options = { filter: topic, maxAttempts: 1000, backoffMs: [1], leaseMs: 600_000 };
  assert.equal((await owner.one('consumer', { name: consumer, options })).type, 'result');
  await stage.publish(
    'mallory',
    many(JOBS, (payload) => ({ topic, payload })),
  );
  const rounds = stage.isLong ? 100 : 10;
  for (let n = 0; n < rounds; n++) {
    const worker = await stage.socket('mallory');
    assert.ok((await take(worker, consumer)).length > 0);
    await worker.close();
  }
  const honest = await stage.socket('operator');
  const payloads = [];
  let deliveries = await take(honest, consumer);
  for (;;) {
    payloads.push(...deliveries.map(({ event }) => event.payload));
    const settlements = deliveries.map(({ lease }) => ({ lease, kind: 'ack' }));
    const { results } = await honest.one('settle', { settlements });
    assert.ok(
      results.every(({ code }) => code === undefined),
      JSON.stringify(results),
    );
    if (payloads.length >= JOBS) break;
    deliveries = await deliveriesOf(honest);
  }
  assert.deepEqual(
    payloads.toSorted((a, b) => a - b),
    many(JOBS, (n) => n),
  );
  await until('nothing is left', async () => {
    const { body } = await stage.ask('operator', { path: `/v1/consumers/${consumer}` });
    return body.pending === 0 && body.inFlight === 0 && body.dead === 0 && body.members.length <= 1;
  });
  return { rounds };
}

/** Makes consumers and deletes them while others take from them, as fast as the server lets it. */
async function destroying(stage) {
  const count = stage.isLong ? 60 : 8;
  const own = `alice.${stage.fresh('kept')}`;
  const topic = `alice.${stage.fresh('kept')}`;
  const alice = await stage.socket('alice');
  assert.equal(
    (await alice.one('consumer', { name: own, options: { filter: topic } })).type,
    'result',
  );
  const [maker, taker] = [await stage.socket('mallory'), await stage.socket('mallory')];
  let made = 0;
  for (let n = 0; n < count; n++) {
    const name = `mallory.${stage.fresh('gone')}`;
    const options = { filter: 'mallory.*', from: 'earliest' };
    const { code } = await maker.one('consumer', { name, options });
    if (code === 'RATE_LIMITED') {
      await new Promise((resolve) => setTimeout(resolve, 60));
      continue;
    }
    assert.equal(code, undefined);
    made++;
    const pulled = taker.one('pull', { consumer: name, max: 100, waitMs: 10_000 });
    const joined = taker.one('join', { consumer: name, member: `m${n}`, concurrency: 10 });
    await until('it is deleted', async () => {
      const answer = await maker.one('alterConsumer', { name, change: { kind: 'delete' } });
      return answer.code === undefined || answer.code === 'CONSUMER_UNKNOWN';
    });
    // Nobody waits for a consumer that is gone.
    await Promise.all([pulled, joined]);
  }
  assert.ok(made > 0);
  const { body } = await stage.ask('operator', { path: '/v1/consumers' });
  const left = body.filter(({ name }) => /gone/.test(name)).map(({ name }) => name);
  assert.deepEqual(left, []);
  await stage.publish('alice', { topic, payload: 'hers' });
  const [{ event }] = await take(alice, own);
  assert.equal(event.payload, 'hers');
  return { made };
}

export const attacks = [
  {
    name: 'workers that die with jobs in their hands',
    wants: 'jobs that nobody gets any more, or gets twice, and places that stay taken',
    play: dying,
  },
  {
    name: 'consumers that are made and destroyed',
    wants: "others' consumers to stand still, and tables that grow",
    play: destroying,
  },
];
