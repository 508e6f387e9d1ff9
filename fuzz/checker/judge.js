import { Attempts, STORED } from './rules/attempts.js';
import { Letters } from './rules/letters.js';
import { LogRule } from './rules/log.js';
import { Members } from './rules/members.js';
import { Places } from './rules/places.js';
import { Publishes } from './rules/publishes.js';
import { QueryRule } from './rules/queries.js';
import { ReaderRule } from './rules/readers.js';
import { Recovery } from './rules/recovery.js';
import { Ticks } from './rules/ticks.js';

/**
 * Decides whether a run kept the promises, from the histories of its clients (`history.js`) and a full replay. It is a
 * function of these alone, and reads each history line by line: it keeps some dozens of bytes for each event, and what
 * is under way.
 *
 * | rule | says |
 * | --- | --- |
 * | C1 | every acknowledged event is there, and one that waits, or that a schedule owes, from its time on |
 * | C2 | nothing is there that was never attempted, nothing that was refused or cancelled |
 * | C3 | one (shard, sequence) has one value for everyone; no holes; each publisher's order is kept per topic |
 * | C4 | each reader saw the order, without a skip that no gap tells, none early; repeats come only behind its checkpoint |
 * | C5 | every event is as it was sent, byte for byte |
 * | C6 | a stated time after the last fault everyone has caught up |
 * | C7 | jobs are settled once, leases never overlap, keys go in order, and what dies has one letter |
 *
 * @typedef {object} Terms
 * @property {string} epoch            the epoch of the replay
 * @property {number} shards
 * @property {{ pattern: string, kept: number }[]} pruned  what retention may remove, and how much stays in each shard
 * @property {string[]} mayEnd         codes with which subscriptions may end
 * @property {string} [order]          the order of the consumer `jobs`
 * @property {string} [letters]        the topic of the letters of events that died
 * @property {number} [attemptsMax]    how many attempts an event has before it dies
 * @property {boolean} [losesPower]    events acknowledged as `written` may be gone
 * @property {string} [strongest]      the ack that a publish gets which asks for \`synced\`: that, if not given
 *
 * @param {object} run
 * @param {{ name: string, lines: () => Iterable<any[]> }[]} run.histories
 * @param {{ heads: number[], events: AsyncIterable<any[]> | Iterable<any[]> }} run.replay
 *   the last sequence of each shard, and all events, `[shard, sequence, id, topic, digest]`, with what a letter says of the
 *   event that died (`rules/letters.js`)
 * @param {Terms} run.terms
 * @param {(rule: string, text: string) => void} [run.onProblem]  called with each problem, besides
 */
export async function judge({ histories, replay, terms, onProblem }) {
  const problems = [];
  const say = (rule, text) => {
    problems.push(`${rule}: ${text}`);
    onProblem?.(rule, text);
  };
  const attempts = new Attempts();
  const places = new Places(attempts, say);
  const publishes = new Publishes(terms, { attempts, places, say });
  const recovery = new Recovery(say);
  const kinds = histories.map(({ name, lines }) => {
    return { name, lines: () => ofLives(lines()), kind: kindOf(lines()) };
  });
  const of = (kind) => kinds.filter((one) => one.kind === kind);

  for (const { lines } of of('fault')) recovery.takeNemesis(lines());
  for (const { name, lines } of of('publish')) {
    publishes.take(name, lines(), terms.epoch);
    recovery.takePublisher(name, lines());
  }
  const ticks = new Ticks(attempts);
  for (const { name, lines } of of('schedule')) {
    ticks.take(lines());
    recovery.takePublisher(name, lines());
  }
  const letters = new Letters(terms, { attempts, say });
  const log = new LogRule(terms, { attempts, places, publishes, letters, say });
  for await (const event of replay.events) log.take(event);
  log.finish(replay.heads);
  letters.finish();

  const context = { attempts, places, letters, say, topics: topicsOf(attempts) };
  const readers = of('subscribe').map(({ name, lines }) => {
    const rule = new ReaderRule(name, terms, context);
    for (const line of lines()) rule.take(line);
    rule.finish(replay.heads);
    recovery.isInTime(rule.markedAt, `${name} caught up`);
    return rule;
  });
  const queries = of('query').map(({ name, lines }) => {
    const rule = new QueryRule(name, terms, context);
    for (const line of lines()) rule.take(line);
    return rule;
  });
  const members = new Members(terms, context);
  for (const { name, lines } of of('job')) members.take(name, lines());
  if (of('job').length > 0) members.finish(dueOf(attempts));
  recovery.isInTime(members.doneAt, 'the last job was done');

  const sum = (rules, name) => rules.reduce((total, rule) => total + rule[name], 0);
  const figures = {
    attempts: attempts.count,
    acked: publishes.acked,
    stored: log.stored,
    delivered: sum(readers, 'delivered'),
    repeated: sum(readers, 'repeated'),
    queries: sum(queries, 'queries'),
    jobs: members.deliveries,
  };
  return { problems, figures, recoveriesMs: recovery.recoveriesMs };
}

/** Without what comes between the end of a life and the next: it is of the closing. */
function* ofLives(lines) {
  let isOver = false;
  for (const line of lines) {
    const [, , entry] = line;
    if (entry === 'start') isOver = false;
    if (!isOver) yield line;
    if (entry === 'end') isOver = true;
  }
}

/** What a client does, by its first call. */
function kindOf(lines) {
  for (const [, , entry, kind] of lines) if (entry === 'invoke') return kind;
  return undefined;
}

/** The events of the log by topic, in order; made at the first question. */
function topicsOf(attempts) {
  let byTopic;
  const all = () => {
    byTopic ??= gather(attempts);
    return byTopic;
  };
  return { of: (topic) => all().get(topic) ?? [], names: () => all().keys() };
}

function gather(attempts) {
  const byTopic = new Map();
  for (const reference of attempts.references()) {
    if (!attempts.has(reference, STORED)) continue;
    const topic = attempts.topicOf(reference);
    const all = byTopic.get(topic);
    const event = { sequence: attempts.get(reference, 'sequence'), reference };
    if (all === undefined) byTopic.set(topic, [event]);
    else all.push(event);
  }
  for (const all of byTopic.values()) all.sort((a, b) => a.sequence - b.sequence);
  return byTopic;
}

/** The stored events that consumers should have handed out. */
function* dueOf(attempts) {
  for (const reference of attempts.references()) {
    if (!attempts.has(reference, STORED) || !/^(jobs|doom)\./.test(attempts.topicOf(reference)))
      continue;
    const [shard, sequence] = [
      attempts.get(reference, 'shard'),
      attempts.get(reference, 'sequence'),
    ];
    yield { id: attempts.nameOf(reference), shard, sequence };
  }
}
