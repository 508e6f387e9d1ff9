import { SimulatedDeath } from './deaths.js';

/**
 * The faults of one seed, each planned beforehand: which thread dies at which of its points, which statement of which
 * shard fails. `injected` counts those that really happened.
 */
const WRITES = /^(INSERT|UPDATE|DELETE|REPLACE|COMMIT|BEGIN IMMEDIATE)/i;

export class Faults {
  /** @type {Record<string, number>} */
  injected = {};
  /** True until the game lets everything come to rest. */
  isOn = true;
  /** When the disk was full last, by the virtual clock. */
  fullAt = Number.NEGATIVE_INFINITY;
  /** The power is lost in the middle of a flush; the game ends the process. */
  powerIsLost = false;
  #plan;
  /** @type {any} the `Disk`, in games in which the power fails */
  disk;
  /** By the name of a thread for which faults are planned: the deaths among them. @type {Map<string, any[]>} */
  #kills = new Map();
  /** By the name of such a thread: how many points of each kind, statements and flushes it has passed. */
  /** @type {Map<string, Record<string, number>>} */
  #passed = new Map();
  /**
   * By what has happened and the name of a thread: how often its commits began, or its disk was full, and how many points
   * it had passed at the last of them.
   */
  #marks = new Map();

  /** @param {any[]} plan the faults @param {any} disk is told of every flush */
  constructor(plan, disk = undefined) {
    this.#plan = plan;
    this.disk = disk;
    for (const { thread } of plan) {
      if (thread === undefined) continue;
      const isOf = (one) => one.kind === 'kill' && one.thread === thread;
      this.#kills.set(thread, plan.filter(isOf));
      this.#passed.set(thread, {});
    }
  }

  get hasPlan() {
    return this.#plan.length > 0;
  }

  note(kind) {
    this.injected[kind] = (this.injected[kind] ?? 0) + 1;
  }

  /** @param {any} actor @param {string} point what kind of point it is: an operation of `Atomics`, a statement, a message */
  killsAt(actor, point) {
    const { name } = actor;
    const kills = this.#kills.get(name);
    if (kills === undefined) return false;
    const at = this.#pass(name, 'points');
    const atKind = this.#pass(name, point);
    if (!this.isOn || kills.length === 0) return false;
    const isNow = (one) =>
      one.point === undefined ? this.#isAt(one, at) : one.point === point && one.at === atKind;
    if (!kills.some(isNow)) return false;
    this.note(`${partOf(name)} killed at a point`);
    return true;
  }

  /** A death is planned at a point of its thread, or so many points after a commit or after its disk was full. */
  #isAt({ at, commit, full, plus, thread }, points) {
    if (commit === undefined && full === undefined) return points === at;
    const done = this.#marks.get(`${commit === undefined ? 'full' : 'commit'} ${thread}`);
    return done?.count === (commit ?? full) && points === done.points + plus;
  }

  /** How the statement fails: SQLite's code, and whether its work was done all the same. */
  statementFault({ name }, sql, elapsed) {
    if (!this.#passed.has(name) || !WRITES.test(sql)) return undefined;
    if (sql === 'COMMIT') this.#mark('commit', name);
    const at = this.#pass(name, 'statements');
    if (!this.isOn) return undefined;
    for (const one of this.#plan) {
      if (one.kind !== 'statement' || one.thread !== name) continue;
      if (one.onCommit && sql !== 'COMMIT') continue;
      if (one.onCommit ? one.left === 0 || at < one.at : at < one.at || at >= one.at + one.times)
        continue;
      if (one.onCommit) one.left = 0;
      this.note(one.code);
      if (one.code === 'SQLITE_FULL') {
        this.fullAt = elapsed;
        this.#mark('full', name);
      }
      return { code: one.code, isDone: one.isDone && sql === 'COMMIT' };
    }
    return undefined;
  }

  flushFault(actor) {
    const { name } = actor;
    if (!this.#passed.has(name)) return undefined;
    const at = this.#pass(name, 'flushes');
    if (!this.isOn) return undefined;
    const cuts = this.disk !== undefined;
    if (
      cuts &&
      this.#plan.some((one) => one.kind === 'power' && one.thread === name && one.at === at)
    ) {
      this.powerIsLost = true;
      actor.isDead = true;
      throw new SimulatedDeath(name);
    }
    const fails = this.#plan.some(
      (one) => one.kind === 'flush' && one.thread === name && one.at === at,
    );
    if (!fails) return undefined;
    this.note('flush failed');
    return Object.assign(new Error('EIO: i/o error, fdatasync'), {
      code: 'EIO',
      errno: -5,
      syscall: 'fdatasync',
    });
  }

  flushed(descriptor) {
    this.disk?.flushed(descriptor);
  }

  /** What happens to the whole world at a step. */
  beforeStep(world) {
    if (!this.isOn) return;
    for (const one of this.#plan) if (one.step === world.steps) this.happen(one, world);
  }

  /** @param {any} one a fault that is bound to no place of a thread */
  happen(one, world) {
    if (!this.isOn) return;
    if (one.kind === 'clock') {
      world.setClock(one.byMs);
      this.note('clock set');
    } else if (one.kind === 'endpoint') {
      const actor = world.actors.find(({ name }) => name === one.thread);
      if (actor === undefined) return;
      this.note(`${partOf(one.thread)} killed`);
      world.kill(actor);
    } else this.onFault?.(one);
  }

  /** @type {((fault: any) => void) | undefined} set by the game, for faults that only it can make */
  onFault;

  #mark(what, name) {
    const key = `${what} ${name}`;
    const count = (this.#marks.get(key)?.count ?? 0) + 1;
    this.#marks.set(key, { count, points: this.#passed.get(name)?.points ?? 0 });
  }

  #pass(name, what) {
    const counts = /** @type {Record<string, number>} */ (this.#passed.get(name));
    counts[what] = (counts[what] ?? 0) + 1;
    return counts[what];
  }
}

function partOf(thread) {
  return /shard|reader|gateway|worker/.exec(thread)?.[0];
}
