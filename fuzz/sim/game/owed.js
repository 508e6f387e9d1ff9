/**
 * What the bus still owes somebody. When nothing can run but clocks, nothing may be owed: whoever then waits for a timer
 * to come and look was not woken.
 */
/** Longer than shards wait for each other's places, and shorter than a shard parks. */
const JOB_WAIT_MS = 150;
/** `CONSUMER_FULL_RETRY_MS`: after a full disk the shard tries again by the clock to store what became of jobs. */
const FULL_RETRY_MS = 250;
const FULL_MARGIN_MS = 20;

/** Longer than any such pause, of which each is as long as the work before it, or some times as long. */
export const HELD_UP_MS = 500;

export class Owed {
  #history;
  #world;
  #shards;
  #cast;
  /** Set by the game while the bus closes. */
  isClosing = false;
  #heldSince = Number.POSITIVE_INFINITY;
  #doneAt = 0;
  #restsSince = 0;

  constructor(history, world, shards, cast) {
    this.#cast = cast;
    this.#shards = shards;
    this.#history = history;
    this.#world = world;
  }

  /** Anything at all that is owed, as a clause; undefined if nothing is. */
  what() {
    return this.#answer() ?? this.#event(false) ?? this.#hand() ?? this.#job() ?? this.#client();
  }

  /** The same, of what no clock should have to bring. Some waits are meant: until a thread is started again. */
  atRest(next) {
    if (this.isExcused() || this.#isHeldUp(next)) return undefined;
    if (this.isClosing) return this.#closeMayWait(next) ? undefined : 'the bus is not closed';
    return (
      this.#answerAtRest() ?? this.#event(true) ?? this.#jobAtRest(next) ?? this.#drainAtRest()
    );
  }

  /** Threads are started again, and clients connect again, by the clock. */
  isExcused() {
    if (!this.#cast.isConnected) return true;
    const running = this.#world.actors.filter(
      ({ name, step }) => name.startsWith('millrace-shard') && step !== undefined,
    );
    return running.length < this.#shards;
  }

  /** A close waits for the members that are at work. */
  #closeMayWait(next) {
    return this.#history.jobs?.isBusy === true || this.#waitsForRoom(next);
  }

  /** What a full disk did not take is tried again by the clock, also while the bus closes. */
  #waitsForRoom(next) {
    return next - this.#world.faults.fullAt <= FULL_RETRY_MS + FULL_MARGIN_MS;
  }

  /**
   * A gateway shares its thread among its clients in slices: for some ms it reads nothing more of one, from its socket or
   * from the log.
   */
  #isHeldUp(next) {
    const { network, elapsed, actors } = this.#world;
    const isSoon = ({ dueAt }) => dueAt - elapsed < HELD_UP_MS;
    const isPaced = actors.some(
      ({ name, timers }) => name === 'millrace-gateway' && [...timers].some(isSoon),
    );
    if (!network.isHeldUp && !isPaced) {
      this.#heldSince = Number.POSITIVE_INFINITY;
      return false;
    }
    this.#heldSince = Math.min(this.#heldSince, elapsed);
    return next - this.#heldSince < HELD_UP_MS;
  }

  #answer() {
    const publish = this.#history.publishes.find(({ status }) => status === 'pending');
    if (publish !== undefined) return `publish ${publish.n} has no answer`;
    const line = this.#history.lines.find((one) => one.subscription !== undefined && !one.isReady);
    return line === undefined ? undefined : `${line.move.name} is not ready`;
  }

  /** Publishers wait for the handler of a `block` subscription. */
  #answerAtRest() {
    const isBlocked = this.#history.lines.some(
      ({ move, subscription, hand }) =>
        move.overflow === 'block' && subscription !== undefined && hand.isBusy,
    );
    return isBlocked ? undefined : this.#answer();
  }

  #event(isStrict) {
    for (const line of this.#history.lines) {
      if (line.subscription === undefined || line.isLossy) continue;
      if (isStrict && line.hand.isBusy) continue;
      const missing = line.missing(this.#history.publishes);
      if (missing !== undefined)
        return `${line.move.name} has not got ${missing.n} (${missing.ack.shard}:${missing.ack.sequence})`;
    }
    return undefined;
  }

  #job() {
    const { jobs, publishes } = this.#history;
    const missing = jobs?.missing(publishes);
    if (missing !== undefined) return `the job ${missing.n} is not done`;
    return jobs?.isBusy ? 'a member is at a job' : undefined;
  }

  /** A drain waits for publishes, for events and for those who work on them, and for nothing else. */
  #drainAtRest() {
    const { drains, jobs } = this.#history;
    if (drains.size === 0 || this.#hand() !== undefined || jobs?.isBusy === true) return undefined;
    return 'a drain is not over';
  }

  /**
   * A member that is at work, or a job that waits after a failed attempt, may hold up others. Shards share the places of
   * `maxInFlight` by short waits, which are meant, so a job may wait for a moment.
   */
  #jobAtRest(next) {
    const { jobs } = this.#history;
    const isExcused = jobs === undefined || jobs.isBusy || jobs.waiting > 0;
    const job = isExcused ? undefined : this.#job();
    if (job === undefined || jobs.done !== this.#doneAt) {
      this.#doneAt = jobs?.done;
      this.#restsSince = this.#world.elapsed;
    }
    const waitsSince = Math.max(this.#restsSince, this.#world.faults.fullAt + FULL_RETRY_MS);
    return job !== undefined && next - waitsSince > JOB_WAIT_MS ? job : undefined;
  }

  /** Retention may have removed what a client has not got, so it is not owed; it gets it if it is still there. */
  #client() {
    return this.#cast.isConnected ? undefined : 'a client has no connection';
  }

  #hand() {
    const line = this.#history.lines.find(
      ({ subscription, hand }) => subscription !== undefined && hand.isBusy,
    );
    return line === undefined ? undefined : `${line.move.name} is at an event`;
  }
}
