/**
 * Judges what members of a consumer had in hand (C7): an event that was settled for good is never handed out again, no
 * two leases of an event overlap, the events of a key are out one after the other, in the order of the log, and each
 * event that matches came to a member and was acknowledged.
 *
 * Leases of a shard are numbered in the order in which it gave them, and a number is never used again. So the numbers say
 * in which order events were out, whatever the clocks of members say; the times, which are all of one clock, have to agree.
 *
 * @typedef {{ at: number, kind: string, outcome: 'ok' | 'lost' | 'unknown' }} Said
 * @typedef {{ member: string, at: number, lease: number, attempt?: number, said?: Said }} Delivery
 * @typedef {{ id: string, key?: string, shard: number, sequence: number, deliveries: Delivery[] }} Job
 */

/** Puts the deliveries of a job in the order of their leases. No lease is two deliveries. */
export function judgeLeases({ id, deliveries }, say) {
  deliveries.sort((a, b) => a.lease - b.lease);
  for (const [at, { lease, member }] of deliveries.entries()) {
    const next = deliveries[at + 1];
    if (next === undefined) continue;
    if (next.lease === lease) say('lease', `${id} was begun twice in lease ${lease}, by ${member}`);
    judgeOverlap(id, deliveries[at], next, say);
  }
}

/** What was said of an event counted, so the lease was its only one until then. */
function judgeOverlap(id, one, next, say) {
  const { said } = one;
  if (said?.outcome !== 'ok' || next.at >= said.at || next.lease === one.lease) return;
  say(
    'lease',
    `${id} was begun in lease ${next.lease} by ${next.member}, while ${one.member} had it in lease ${one.lease}`,
  );
}

/** An ack or a term that resolved is the last that is heard of an event. */
export function judgeSettledOnce({ id, deliveries }, say) {
  const ends = deliveries.filter(
    ({ said }) => (said?.kind === 'ack' || said?.kind === 'term') && said.outcome === 'ok',
  );
  if (ends.length > 1) say('acked once', `${id} was settled for good ${ends.length} times`);
  const [end] = ends;
  const last = deliveries.at(-1);
  if (end !== undefined && last !== undefined && last.lease > end.lease) {
    const kind = end.said?.kind;
    say('acked once', `${id} came again in lease ${last.lease} after the ${kind} of ${end.lease}`);
  }
}

/** The jobs of a key are out one after the other, in the order of the log. */
export function judgeOrder(jobs, say) {
  for (const [key, all] of keyed(jobs)) {
    all.sort((a, b) => a.sequence - b.sequence);
    let before;
    for (const job of all) {
      if (job.deliveries.length === 0) continue;
      if (before !== undefined) judgePair(key, before, job, say);
      before = job;
    }
  }
}

function judgePair(key, before, job, say) {
  const last = before.deliveries.at(-1);
  const [first] = job.deliveries;
  if (first.lease < last.lease) {
    say(
      'order',
      `key ${key}: ${job.id} was leased (${first.lease}) before ${before.id} was over (${last.lease})`,
    );
  }
  const begun = Math.min(...job.deliveries.map(({ at }) => at));
  if (begun < (last.said?.at ?? last.at)) {
    say('order', `key ${key}: ${job.id} had begun before ${before.id} was over`);
  }
}

function keyed(jobs) {
  const byKey = new Map();
  for (const job of jobs) {
    const all = byKey.get(job.key);
    if (all === undefined) byKey.set(job.key, [job]);
    else all.push(job);
  }
  return byKey;
}
