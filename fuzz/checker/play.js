import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Random } from '../storage/random.js';
import { Client, Subject } from './cast.js';
import { Coordinator } from './coordinator.js';
import { historiesIn } from './history.js';
import { judge } from './judge.js';
import { Nemesis } from './nemesis.js';
import { clientHosts, planOf } from './plan.js';
import { openReplay, unreadable, verify } from './replay.js';

/** One run: a server, its clients, a nemesis for a while, then calm, the end, and the judgment. */
const BUILT = fileURLToPath(new URL('../../dist', import.meta.url));
/** How long everybody may take to come to an end, longer than rule C6 allows, so that the rule can tell who is late. */
const END_MS = 120_000;
const LOOK_MS = 20;
/** The time for markers, also where everybody was late. */
const MARK_MS = 10_000;
/** Of a run whose log cannot be read. */
const NO_FIGURES = {
  attempts: 0,
  acked: 0,
  stored: 0,
  delivered: 0,
  repeated: 0,
  queries: 0,
  jobs: 0,
};
/** How much longer the nemesis goes on where some publisher has done little, in times of its time, and at most. */
const WORK_TIMES = 2;
const WORK_MS = 60_000;
/** Codes with which a subscription may end where processes and threads die. */
const MAY_END = ['closed', 'CONNECTION_FAILED', 'BUS_CLOSED', 'SHARD_RESTARTED', 'ABORTED'];

/**
 * @param {object} options
 * @param {number} options.seed
 * @param {import('./plan.js').Changes | undefined} [options.changes]  what of the plan is not as the seed says
 * @param {number} options.ms            how long the nemesis goes on
 * @param {import('./nemesis.js').Fault[]} options.faults
 * @param {string} options.folder
 * @param {string | undefined} [options.dist]        the build of the server under test; clients and the judge use the real one
 * @param {number} [options.endMs]      how long everybody may take to come to an end
 * @param {string[]} [options.mayEnd]    further codes with which subscriptions may end
 * @param {(options: any, environment: () => Record<string, string>) => import('./cast.js').Subject} [options.subjectOf]
 *   makes the server, if it is not `subject.js`
 * @param {(actor: any) => boolean} [options.plays]  which actors of the plan play; all, if not given
 */
export async function play(options) {
  const { seed, ms, faults, folder, dist = BUILT, mayEnd = [], endMs = END_MS } = options;
  const changes = faults.some(({ movesClocks }) => movesClocks)
    ? { ...options.changes, isTimed: false }
    : options.changes;
  const { subjectOf, plays } = options;
  const whole = planOf(seed, changes);
  const plan = plays === undefined ? whole : { ...whole, actors: whole.actors.filter(plays) };
  const histories = join(folder, 'histories');
  mkdirSync(histories, { recursive: true });
  const { world, cast } = worldOf({
    seed,
    changes,
    plan,
    folder,
    histories,
    dist,
    subjectOf,
  });
  const file = join(histories, 'nemesis.jsonl');
  const nemesis = new Nemesis({
    faults,
    world,
    random: new Random(seed),
    file,
  });
  const problems = [];
  let epoch;
  try {
    for (const fault of faults) await fault.prepare?.(world);
    epoch = await perform({
      plan,
      changes,
      world,
      cast,
      nemesis,
      histories,
      ms,
      endMs,
      problems,
    });
  } finally {
    for (const role of cast()) {
      role.letGo();
      if (role.isRunning) role.strike();
    }
    for (const fault of faults) await fault.close?.(world);
  }
  problems.push(...nemesis.problems, ...cast().flatMap(({ problems: own }) => own));
  const judged = await judgeFolder({ plan, folder, faults, mayEnd });
  const { injections } = nemesis;
  return {
    ...judged,
    problems: [...problems, ...judged.problems],
    injections,
    kills: Object.fromEntries(cast().map(({ name, kills }) => [name, kills])),
    epochs: [epoch, judged.epoch],
  };
}

function worldOf({ seed, changes, plan, folder, histories, dist, subjectOf = usualSubject }) {
  /** @type {import('./nemesis.js').World} */
  const world = /** @type {any} */ ({
    folder,
    shards: plan.shards,
    environment: {},
    route: (url) => url,
    clients: [],
  });
  const options = {
    seed,
    changes,
    dist,
    dir: join(folder, 'data'),
    folder: histories,
  };
  world.subject = subjectOf(options, () => world.environment);
  return { world, cast: () => [world.subject, ...world.clients] };
}

function usualSubject(options, environment) {
  return new Subject(options, environment);
}

async function perform({ plan, changes, world, cast, nemesis, histories, ms, endMs, problems }) {
  const { subject } = world;
  const client = join(BUILT, 'client.js');
  await subject.begin();
  if (!subject.isReady) throw new Error(`the server did not start: ${subject.said}`);
  const { seed } = plan;
  world.clients = clientHosts(plan).map((name) => {
    const url = world.route(subject.url, name);
    const through = world.through?.(name);
    return new Client(name, { seed, changes, url, folder: histories, client, through });
  });
  await Promise.all(world.clients.map((role) => role.begin()));
  // On a busy machine some may hardly have begun when the time is over.
  const [until, latest] = [ms, ms + Math.min(WORK_MS, WORK_TIMES * ms)].map(
    (after) => performance.now() + after,
  );
  const publishers = plan.actors.filter(({ role }) => role === 'publisher');
  const areBusy = () => publishers.every(({ name }) => cast().some(({ busy }) => busy.has(name)));
  await nemesis.rage(() => performance.now() > (areBusy() ? until : latest));
  await Promise.all(cast().map((role) => role.running));

  const { connect, withPayloadText } = await import(pathToFileURL(client).href);
  const coordinator = new Coordinator(connect(subject.url), withPayloadText, histories, plan);
  for (const role of cast()) role.enter('rest');
  const isAll = (names, has) => names.every((name) => cast().some((role) => role[has].has(name)));
  const named = (...roles) =>
    plan.actors.filter(({ role }) => roles.includes(role)).map(({ name }) => name);
  // Who waits for somebody that is late has no time of its own, and a call that is never answered is late as well.
  const end = performance.now() + endMs;
  const late = pass(endMs);
  const within = async (what, test) => {
    while (!(await Promise.race([test(), late]))) {
      if (performance.now() > end) {
        problems.push(`C6: ${what} within ${endMs} ms`);
        return;
      }
      await pass(LOOK_MS);
    }
  };
  await within('not all publishers have rested', () =>
    isAll(named('publisher', 'asker', 'scheduler'), 'resting'),
  );
  await within('not all that waits has come', () => coordinator.isNothingDue().catch(() => false));
  await within('not all jobs are done', () => coordinator.areJobsDone().catch(() => false));
  const markEnd = Math.max(end, performance.now() + MARK_MS);
  const isLate = pass(markEnd - performance.now()).then(() => {
    throw new Error('nobody answers');
  });
  isLate.catch(() => {});
  await Promise.race([coordinator.mark(markEnd), isLate]).catch((error) =>
    problems.push(`C6: the markers: ${error.stack}`),
  );
  await within('not all readers have caught up', () => isAll(named('reader'), 'caughtUp'));
  const { epoch } = coordinator;
  await coordinator.close();
  await Promise.all(world.clients.map((role) => role.stop()));
  await subject.stop();
  return epoch;
}

/**
 * Judges what is in the folder of a run.
 *
 * @param {{ plan: any, folder: string, faults?: import('./nemesis.js').Fault[], mayEnd?: string[] }} run
 */
export async function judgeFolder({ plan, folder, faults = [], mayEnd = [] }) {
  const findings = verify(join(folder, 'data'), BUILT).map((text) => `C5: ${text}`);
  try {
    const judged = await judgeReplay({ plan, folder, faults, mayEnd });
    return { ...judged, problems: [...findings, ...judged.problems] };
  } catch (error) {
    if (error.code === undefined && !/replay|terminated/.test(error.message)) throw error;
    const problems = [...findings, unreadable(error)];
    return { problems, figures: NO_FIGURES, recoveriesMs: [], epoch: undefined };
  }
}

async function judgeReplay({ plan, folder, faults, mayEnd }) {
  const replay = await openReplay(join(folder, 'data'), BUILT);
  const terms = {
    epoch: replay.epoch,
    shards: plan.shards,
    pruned: plan.pruned,
    order: plan.consumers.jobs.order,
    letters: plan.consumers.doom.deadLetter,
    attemptsMax: plan.consumers.doom.maxAttempts,
    mayEnd: [...MAY_END, ...mayEnd],
    losesPower: faults.some(({ losesPower }) => losesPower),
  };
  try {
    const histories = historiesIn(join(folder, 'histories'));
    return { ...(await judge({ histories, replay, terms })), epoch: replay.epoch };
  } finally {
    await replay.close();
  }
}
