import { world } from '../world/world.js';
import { lost, misordered, other } from './problems.js';

/**
 * The schedules of a game, and their events. Nobody publishes those: each gets its number in the history once somebody has
 * seen it. Of each definition it is known from when to when its due times may become events, and from when to when each
 * of them has to.
 */
const CALLS_FAIL_WITH = [
  'BUS_CLOSED',
  'SCHEDULE_UNKNOWN',
  'SHARD_RESTARTED',
  'STORE_FAILED',
  'STORE_FULL',
];

export class Schedules {
  #history;
  /** @type {Map<string, any>} */
  #byName = new Map();
  /** @type {Map<string, any>} the events of due times, as publishes */
  #fired = new Map();

  constructor(history) {
    this.#history = history;
  }

  get names() {
    return [...this.#byName.keys()];
  }

  /** Which publish of the history an event is. */
  numberOf({ topic, payload, attributes }) {
    const { schedule, dueAt } = attributes ?? {};
    if (schedule === undefined) return payload.n;
    const key = `${schedule} ${dueAt}`;
    const known = this.#fired.get(key);
    if (known !== undefined) return known.n;
    const { publishes } = this.#history;
    const due = new Date(dueAt).getTime();
    const publish = {
      n: publishes.length,
      topic,
      persist: true,
      durability: 'synced',
      publisher: `schedule ${schedule}`,
      status: 'unknown',
      at: 0,
      input: { payload },
      fired: { name: schedule, due },
    };
    publishes.push(publish);
    this.#fired.set(key, publish);
    if (due > world().latest + 1)
      this.#history.problem(`the event of ${key} came at ${world().latest}`);
    return publish.n;
  }

  /** Makes one call, of one after the other for each name. */
  async call(endpoint, /** @type {any} */ { kind, name, everyMs, topic }) {
    const done = this.#begin(name, { kind, everyMs, topic });
    const event = { topic, type: 'sim', payload: { pad: '' } };
    const { schedules } = endpoint;
    try {
      await (kind === 'set' ? schedules.set(name, { everyMs, event }) : schedules[kind](name));
      done();
    } catch (error) {
      if (!CALLS_FAIL_WITH.includes(error?.code))
        this.#history.problem(`${kind} of ${name} failed: ${error?.code} ${error?.stack}`);
    }
  }

  /** @returns what to call once the call has succeeded; if that is never known, nothing has to come any more */
  #begin(name, { kind, everyMs, topic }) {
    const one = this.#byName.get(name) ?? { periods: [], isVague: false, isPaused: false };
    this.#byName.set(name, one);
    const { isVague, isPaused } = one;
    const now = Math.floor(world().time);
    // What was due and not done yet does not come once the definition is another one.
    const done = Math.floor(world().restedAt) - 1;
    for (const period of one.periods) period.mustUntil = Math.min(period.mustUntil, done);
    const before = [...one.periods];
    const definition = kind === 'set' ? { everyMs, topic } : one.definition;
    const begins = kind === 'set' || kind === 'resume';
    const period = { ...definition, mayFrom: now, mustFrom: Number.POSITIVE_INFINITY };
    Object.assign(period, { mustUntil: Number.POSITIVE_INFINITY, mayUntil: Infinity });
    if (begins) one.periods.push(period);
    // Whether it was carried out is not known until it has succeeded.
    one.isVague = true;
    one.definition = definition;
    return () => {
      const end = Math.ceil(world().time);
      for (const earlier of before) earlier.mayUntil = Math.min(earlier.mayUntil, end);
      one.isPaused = kind === 'pause' || (isPaused && kind === 'set');
      one.isVague = isVague && kind !== 'delete';
      if (begins && !one.isPaused && !one.isVague) period.mustFrom = end;
    };
  }

  /** @returns {import('./problems.js').Problem[]} */
  judge(log) {
    const problems = [];
    const due = new Map(this.names.map((name) => [name, new Map()]));
    const last = new Map();
    for (const { shard, n } of log) {
      const { fired, topic } = this.#history.publishes[n];
      if (fired === undefined) continue;
      due.get(fired.name)?.set(fired.due, topic);
      const key = `${fired.name} ${shard}`;
      if (fired.due < (last.get(key) ?? 0))
        problems.push(misordered(`${fired.name} has ${fired.due} behind ${last.get(key)}`));
      last.set(key, fired.due);
    }
    for (const [name, times] of due) problems.push(...this.#judgeOne(name, times));
    return problems;
  }

  #judgeOne(name, times) {
    const problems = [];
    const { periods, isVague } = this.#byName.get(name);
    for (const { everyMs, topic, mustFrom, mustUntil } of periods) {
      const first = (Math.floor(mustFrom / everyMs) + 1) * everyMs;
      for (let time = first; time <= mustUntil; time += everyMs) {
        if (times.get(time) !== topic)
          problems.push(lost(`${name} has no event for ${time} on ${topic}`));
      }
    }
    if (isVague) return problems;
    for (const [time, topic] of times) {
      const mayBe = periods.some(
        (one) =>
          one.topic === topic &&
          time % one.everyMs === 0 &&
          one.mayFrom < time &&
          time <= one.mayUntil,
      );
      if (!mayBe) problems.push(other(`${name} has an event for ${time} on ${topic}`));
    }
    return problems;
  }
}
