import { sleep } from './sleep.js';

/**
 * One member of the game's consumer in one endpoint: works on events, acknowledges most of them, and gives some back.
 */
const EXPECTED = [
  'LEASE_LOST',
  'BUS_CLOSED',
  'CONNECTION_FAILED',
  'STORE_FAILED',
  'STORE_FULL',
  'SHARD_RESTARTED',
];

export async function work(endpoint, { history, move, member }) {
  const { jobs } = history;
  const { pattern: filter, order, maxInFlight } = jobs.definition;
  const definition = { filter, order, maxInFlight, maxAttempts: 1000, backoffMs: [1] };
  const { concurrency, nakEvery } = move;
  try {
    const consumer = await endpoint.consumer('jobs', { ...definition, from: 'earliest' });
    let taken = 0;
    const handler = (delivery) => {
      const isGivenBack = nakEvery > 0 && ++taken % nakEvery === 0;
      return handle(history, { member, delivery, isGivenBack, ms: move.handlerMs });
    };
    const run = consumer.run(handler, { concurrency });
    jobs.join(member);
    run.closed.catch((error) => {
      jobs.leave((one) => one === member);
      expect(history, error, 'a run ended');
    });
  } catch (error) {
    expect(history, error, 'a consumer was refused');
  }
}

async function handle(history, { member, delivery, isGivenBack, ms }) {
  const { jobs } = history;
  const job = jobs.begin(member, delivery);
  if (ms > 0) await sleep(ms);
  try {
    if (isGivenBack) {
      const begins = jobs.saysNak(job, member);
      await delivery.nak();
      jobs.naked(job, begins);
      return;
    }
    jobs.saysAck(job);
    await delivery.ack();
    jobs.acked(job, member);
  } catch (error) {
    if (error?.code === 'LEASE_LOST') jobs.release(job, member);
    else jobs.lost(job, member);
    expect(history, error, `${job.n} could not be settled`);
  }
}

function expect(history, error, what) {
  if (EXPECTED.includes(error?.code)) return;
  history.problem(`${what}: ${error?.code} ${error?.stack}`);
}
