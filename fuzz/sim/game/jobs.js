import { matches } from './history.js';
import { isAsleep } from './later.js';
import { misordered } from './problems.js';

/**
 * What became of the events of one consumer, by the accounts of its members: who had each of them when, and which were
 * acknowledged.
 */
export class Jobs {
  /** How many naks have resolved whose event has not come again: it waits for a clock. */
  waiting = 0;
  /** How many were acknowledged. */
  done = 0;
  #history;
  /** @type {Map<number, any>} by publish */
  #jobs = new Map();
  /** @type {Set<any>} the runs that live */
  #members = new Set();

  constructor(history, definition) {
    this.#history = history;
    this.definition = definition;
  }

  join(member) {
    this.#members.add(member);
  }

  /** The member's thread or process has ended; what it held may go to others. A client's member comes back. */
  leave(isOf) {
    for (const member of this.#members)
      if (isOf(member) && member.process !== 'remote') this.#members.delete(member);
    this.lose(isOf);
  }

  /** What these members hold may go to others from now on. */
  lose(isOf) {
    for (const job of this.#jobs.values()) {
      if (job.holder !== undefined && isOf(job.holder)) this.lost(job, job.holder);
    }
  }

  get hasMember() {
    return this.#members.size > 0;
  }

  /** @returns {any} the job, which the member holds from now on */
  begin(member, { event }) {
    const n = this.#history.schedules.numberOf(event);
    const job = this.#jobs.get(n) ?? { n, begins: [] };
    this.#jobs.set(n, job);
    job.begins.push(this.#history.tick());
    // It was on its way over a connection that is gone, so others may have it too.
    if (member.isStale()) return job;
    if (job.isAcked) this.#history.problem(`${n} was acknowledged and came again`, 'repeated');
    if (job.holder !== undefined)
      this.#history.problem(`two members have ${n} at once`, 'repeated');
    if (job.isWaiting) this.waiting--;
    job.isWaiting = false;
    job.holder = member;
    return job;
  }

  saysAck(job) {
    job.isAcking = true;
    job.ackedAt ??= this.#history.tick();
  }

  acked(job, member) {
    job.isAcked = true;
    this.done++;
    this.release(job, member);
  }

  /** From now on another member may get it, before this one is told that its nak is stored. */
  saysNak(job, member) {
    this.release(job, member);
    return job.begins.length;
  }

  /** @param {number} begins what `saysNak` returned */
  naked(job, begins) {
    if (job.begins.length > begins) return;
    job.isWaiting = true;
    this.waiting++;
  }

  /** Nobody tells the member what became of it: an ack that was under way may be stored. */
  lost(job, member) {
    if (job.isAcking) job.isInDoubt = true;
    this.release(job, member);
  }

  /** The member has it no more; another one may have it, or get it. */
  release(job, member) {
    job.isAcking = false;
    if (job.holder === member) job.holder = undefined;
  }

  /** A publish that no member has done, though there is one. */
  missing(publishes) {
    if (!this.hasMember) return undefined;
    return publishes.find((publish) => {
      const { n, topic, persist, status, mayBeLost, mayBePruned } = publish;
      if (
        publish.isCancelled ||
        publish.mayBeCancelled ||
        isAsleep(publish) ||
        status !== 'ok' ||
        mayBeLost ||
        mayBePruned ||
        !persist ||
        !matches(this.definition.pattern, topic)
      )
        return false;
      const job = this.#jobs.get(n);
      return job === undefined || !(job.isAcked || job.isInDoubt);
    });
  }

  get isBusy() {
    return [...this.#jobs.values()].some(({ holder }) => holder !== undefined);
  }

  /** Of one topic, no event began before the one before it was acknowledged. */
  judge(publishes, log) {
    if (this.definition.order !== 'topic') return [];
    const problems = [];
    /** @type {Map<string, any>} */
    const last = new Map();
    for (const { n } of log) {
      const { topic } = publishes[n];
      if (!matches(this.definition.pattern, topic)) continue;
      const job = this.#jobs.get(n);
      const before = last.get(topic);
      if (job !== undefined && before !== undefined && !(before.ackedAt < job.begins[0])) {
        problems.push(misordered(`${n} of ${topic} went out before ${before.n} was acknowledged`));
      }
      last.set(topic, job ?? { n, ackedAt: undefined });
    }
    return problems;
  }
}
