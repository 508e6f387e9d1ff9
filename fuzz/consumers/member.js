import { reasonOf } from './jobs.js';

/**
 * The handler of a member, the same in Node and in browsers. It writes to the member's diary before it says what becomes
 * of an event, and after it knows what has become of that. `write` may return a promise: then the line is on its way to
 * the disk of another process, and the handler goes on once it is there.
 *
 * Lines of a diary, JSON arrays: `invoke n sequence shard lease attempt`, `say n lease kind`, `said n lease outcome`
 * with the outcome `ok`, `lost` (`LEASE_LOST`: it did not count) or `unknown` (nobody knows).
 */
export function handlerOf(write) {
  return async (delivery) => {
    const { event, attempt } = delivery;
    const { n, fate, fails, workMs } = event.payload;
    const lease = delivery.lease.split('.').at(-1);
    await write(['invoke', n, event.sequence, event.shard, Number(lease), attempt]);
    if (workMs > 0) await new Promise((resolve) => setTimeout(resolve, workMs));
    const kind = kindOf(fate, fails, attempt);
    await write(['say', n, Number(lease), kind]);
    let outcome = 'ok';
    try {
      await say(delivery, kind, { n, fate });
    } catch (error) {
      outcome = error.code === 'LEASE_LOST' ? 'lost' : 'unknown';
    }
    await write(['said', n, Number(lease), outcome]);
  };
}

function kindOf(fate, fails, attempt) {
  if (fate === 'poison' || attempt <= fails) return 'nak';
  if (fate === 'term') return 'term';
  if (fate === 'back' && Math.random() < 0.5) return 'back';
  return 'ack';
}

function say(delivery, kind, job) {
  switch (kind) {
    case 'nak':
      return delivery.nak({ reason: reasonOf(job) });
    case 'back':
      return delivery.nak({ count: false });
    case 'term':
      return delivery.term(reasonOf(job));
    default:
      return delivery.ack();
  }
}
