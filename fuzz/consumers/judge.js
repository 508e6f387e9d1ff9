import { judgeLeases, judgeOrder, judgeSettledOnce } from '../checker/rules/jobs.js';
import { jobOf, MAX_ATTEMPTS, reasonOf } from './jobs.js';
import { judgeAttempts } from './judge-attempts.js';

/**
 * Decides whether a game went right, from what its members wrote down and from the log.
 * What leases and keys have to keep is in `checker/rules/jobs.js`.
 *
 * @param seen `{ events, diaries, serverKills, losses, unknown, clock, info, seed, jobs }`, as `Game.play` returns it
 * @returns `{ problems, figures }`: a text for each fault, which begins with the name of the rule
 */
export function judge(seen) {
  const problems = [];
  const say = (rule, text) => problems.push(`${rule}: ${text}`);
  const planned = jobsOf(seen, say);
  takeDiaries(planned, seen.diaries, say);
  takeLetters(planned, seen.events, say);
  const jobs = publishedOf(planned, seen.unknown, say);
  const deaths = deathsOf(seen);
  for (const job of jobs) {
    judgeDoneOnce(job, say);
    judgeAttempts(job, deaths, say);
    judgeDeath(job, deaths, say);
  }
  judgeOrder(jobs, say);
  judgeInfo(jobs, seen.info, say);
  return { problems, figures: figuresOf(jobs, seen) };
}

/** The jobs of the plan, with what the log has of them. */
function jobsOf({ events, clock, seed, jobs: count }, say) {
  const jobs = Array.from({ length: count }, (_, n) => ({
    ...jobOf(seed, n, count),
    event: undefined,
    sequence: 0,
    publishedAt: 0,
    deliveries: [],
    letters: [],
  }));
  for (const event of events) {
    if (!event.topic.startsWith('jobs.')) continue;
    const job = jobs[event.payload.n];
    if (job?.id !== event.id) say('log', `${event.id} is none of the jobs`);
    else if (job.event !== undefined) say('log', `${event.id} is there twice`);
    else {
      job.event = event;
      job.sequence = event.sequence;
      job.publishedAt = toMonotonic(clock, Date.parse(event.timestamp));
    }
  }
  return jobs;
}

/** Those that are in the log. Only a job whose publisher was told that nobody knows may be absent, and then from all. */
function publishedOf(jobs, unknown, say) {
  const mayBeAbsent = new Set(unknown);
  return jobs.filter(({ id, event, deliveries, letters }) => {
    if (event !== undefined) return true;
    const isNowhere = deliveries.length === 0 && letters.length === 0;
    if (!mayBeAbsent.has(id) || !isNowhere) say('log', `${id} is not there`);
    return false;
  });
}

/** The deliveries of each job, in the order of their leases. */
function takeDiaries(jobs, diaries, say) {
  for (const { name, lines } of diaries) {
    /** By job and lease: an event is begun once in each lease. */
    const open = new Map();
    for (const [at, what, n, ...rest] of lines) {
      if (what === 'failed') say('member', `${name}: ${n}`);
      if (what === 'invoke') {
        const [sequence, shard, lease, attempt] = rest;
        const delivery = { member: name, at, sequence, shard, lease, attempt, said: undefined };
        jobs[n].deliveries.push(delivery);
        open.set(`${n} ${lease}`, delivery);
      } else if (what === 'say') {
        const [lease, kind] = rest;
        open.get(`${n} ${lease}`).said = { at, kind, outcome: 'unknown' };
      } else if (what === 'said') {
        const [lease, outcome] = rest;
        open.get(`${n} ${lease}`).said.outcome = outcome;
      }
    }
  }
  for (const job of jobs) judgeLeases(job, say);
}

function takeLetters(jobs, events, say) {
  const byId = new Map(jobs.map((job) => [job.id, job]));
  for (const { topic, attributes, payload } of events) {
    if (topic !== 'dead.jobs') continue;
    const job = byId.get(attributes.deadId);
    if (job === undefined) say('letter', `${attributes.deadId} is none of the jobs`);
    else job.letters.push({ ...attributes, n: payload?.n });
  }
}

/**
 * When the server lost what was in somebody's hand, in order: it was killed itself, or noticed that a connection had
 * ended. That may be a while after the client's death; meanwhile the server may have handed it further events.
 */
function deathsOf({ serverKills, losses, clock }) {
  return [...serverKills, ...losses.map((at) => toMonotonic(clock, at))].sort((a, b) => a - b);
}

function toMonotonic({ wallMs, at }, ms) {
  return at + (ms - wallMs) * 1e6;
}

/** An ack that resolved is the last that is heard of an event, and each event is acknowledged or dead. */
function judgeDoneOnce(job, say) {
  judgeSettledOnce(job, say);
  const { id, deliveries, letters } = job;
  const last = deliveries.at(-1);
  const isAcked = last?.said?.kind === 'ack' && last.said.outcome !== 'lost';
  if (isAcked && last.said.outcome === 'ok' && letters.length > 0) {
    say('acked once', `${id} was acknowledged, and has a dead letter`);
  }
  if (!isAcked && letters.length === 0) {
    say(
      'lost',
      `${id} was ${last === undefined ? 'never begun' : 'not done'}, and has no dead letter`,
    );
  }
}

/** Those that were planned to die have one letter each, which says why; others only if kills used up all attempts. */
function judgeDeath(job, deaths, say) {
  const { id, fate, letters, deliveries, fails } = job;
  const isPlanned = fate === 'poison' || fate === 'term';
  if (letters.length > 1) say('letter', `${id} has ${letters.length} letters`);
  const [letter] = letters;
  if (letter === undefined) {
    if (isPlanned) say('letter', `${id} was planned to die (${fate}), and has no letter`);
    return;
  }
  if (letter.n !== job.n) say('letter', `that of ${id} has the payload of job ${letter.n}`);
  const attempts = Number(letter.deadAttempts);
  const last = deliveries.at(-1);
  if (letter.deadCause === 'lost') {
    const counted = MAX_ATTEMPTS - (fate === 'poison' ? MAX_ATTEMPTS - 1 : fails);
    const since = deaths.filter((at) => deliveries.length > 0 && at >= deliveries[0].at).length;
    if (attempts !== MAX_ATTEMPTS) say('letter', `${id} died with ${attempts} attempts`);
    if (since < counted) say('letter', `${id} died of ${since} kills and ${fails} failures`);
    return;
  }
  const cause = fate === 'term' ? 'term' : 'nak';
  if (!isPlanned || letter.deadCause !== cause) {
    say('letter', `${id} (${fate}) died by ${letter.deadCause} after ${attempts} attempts`);
    return;
  }
  if (letter.deadReason !== reasonOf(job)) say('letter', `${id} died of '${letter.deadReason}'`);
  const expected = fate === 'poison' ? MAX_ATTEMPTS : last?.attempt;
  if (attempts !== expected) say('letter', `${id} (${fate}) died after ${attempts} attempts`);
}

/** What the consumer says of itself in the end. */
function judgeInfo(jobs, info, say) {
  const dead = jobs.filter(({ letters }) => letters.length > 0).length;
  const expected = { acked: jobs.length - dead, dead, lost: 0, waiting: 0, held: 0, pending: 0 };
  for (const [name, value] of Object.entries(expected)) {
    if (info[name] !== value) say('figures', `${name} is ${info[name]}, and should be ${value}`);
  }
}

function figuresOf(jobs, { diaries, serverKills, losses, unknown }) {
  const all = jobs.flatMap(({ deliveries }) => deliveries);
  const count = (test) => all.filter(test).length;
  return {
    jobs: jobs.length,
    unknown: unknown.length,
    deliveries: all.length,
    acked: count(({ said }) => said?.kind === 'ack' && said.outcome === 'ok'),
    ackedUnheard: count(({ said }) => said?.kind === 'ack' && said.outcome === 'unknown'),
    killedInHand: count(({ said }) => said === undefined),
    lateSettlements: count(({ said }) => said?.outcome === 'lost'),
    touchedByKills: jobs.filter(({ deliveries }) =>
      deliveries.some(({ said }) => said === undefined || said.outcome !== 'ok'),
    ).length,
    dead: jobs.filter(({ letters }) => letters.length > 0).length,
    deadOfKills: jobs.filter(({ letters }) => letters[0]?.deadCause === 'lost').length,
    serverKills: serverKills.length,
    lostConnections: losses.length,
    byMember: Object.fromEntries(
      diaries.map(({ name }) => [name, count(({ member }) => member === name)]),
    ),
  };
}
