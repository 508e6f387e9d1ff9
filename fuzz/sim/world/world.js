/** @typedef {import('./actors.js').Actor} Actor */
import { Parked, SimulatedDeath } from './deaths.js';

/**
 * The virtual world of one seed: its actors, its clocks, and the scheduler that runs one actor at a time. It is the
 * only world while it lasts. The product's calls to Node end here (`install.js`), and each of them may be a point at which
 * another actor runs first, or at which the thread dies.
 */
/** @type {any} */
let present;

export function world() {
  return present;
}

/** The wall clock when a world begins. */
const BEGAN_AT = Date.UTC(2030, 0, 1);
/** `CLOCK_CONFIRM_MS`, how long a thread may take to look, and `CLOCK_STEP_MS`. */
const BELIEVED_MS = 60_000;
const MARGIN_MS = 1000;
const SMALL_STEP_MS = 1000;
/** How deep steps of actors may be nested in one another. */
const DEPTH_MAX = 3;

export class World {
  /** @type {Actor[]} */
  actors = [];
  /** Virtual ms since the world began, by the monotonic clock. */
  elapsed = 0;
  /** How far the wall clock was set. */
  wallShift = 0;
  wallShiftLeast = 0;
  /** How often the machine has started. */
  boots = 1;
  steps = 0;
  /** When nobody could run last, by the wall clock: what was due then was done, as all shards had a thread. */
  restedAt = 0;
  points = 0;
  /** @type {any} set by the game, as is `closeDescriptor` */
  network;
  /** The endpoints of all gateways that there were. @type {any[]} */
  gatewayEndpoints = [];
  /** Who waits until nobody can run but clocks: what to call, in which actor. */
  /** @type {{ actor: any, call: () => void }[]} */
  #settlers = [];
  /** What nobody caught: a fault of the product, or of the simulation. */
  /** @type {any[]} */
  uncaught = [];
  /** @type {Actor[]} */
  #stack = [];
  #counter = 0;
  /** How far the wall clock was set, and when. */
  #shifts = [{ shift: 0, since: Number.NEGATIVE_INFINITY }];
  #isDraining = false;

  /** @param choices the scheduler's decisions @param outside the actor of what runs in no thread */
  constructor(choices, outside, faults) {
    this.choices = choices;
    this.outside = outside;
    this.faults = faults;
  }

  enter() {
    present = this;
  }

  leave() {
    present = undefined;
  }

  count() {
    return ++this.#counter;
  }

  add(actor) {
    this.actors.push(actor);
    return actor;
  }

  /** The actor that runs. */
  get current() {
    return this.#stack[this.#stack.length - 1] ?? this.outside;
  }

  isMute() {
    return this.current.isUnwinding;
  }

  now() {
    this.elapsed += 0.001;
    return this.elapsed;
  }

  wall() {
    return Math.floor(BEGAN_AT + this.now() + this.wallShift);
  }

  setClock(byMs) {
    this.wallShift += byMs;
    this.wallShiftLeast = Math.min(this.wallShiftLeast, this.wallShift);
    this.#shifts.push({ shift: this.wallShift, since: this.elapsed });
  }

  /** What the wall clock shows. Reading it takes no time. */
  get time() {
    return BEGAN_AT + this.elapsed + this.wallShift;
  }

  /** The latest time that any shard may believe: a clock that is put forward counts after a while (ADR 12). */
  get latest() {
    const believed = this.#shifts.filter(
      ({ shift, since }, i) =>
        this.elapsed - since >= BELIEVED_MS - MARGIN_MS ||
        shift - (this.#shifts[i - 1]?.shift ?? shift) <= SMALL_STEP_MS,
    );
    return BEGAN_AT + this.elapsed + Math.max(...believed.map(({ shift }) => shift));
  }

  /** The time that every shard believes, or an earlier one. */
  get surely() {
    const since = this.#shifts.findLastIndex((one) => this.elapsed - one.since > BELIEVED_MS * 2);
    const present = this.#shifts.slice(Math.max(0, since));
    return BEGAN_AT + this.elapsed + Math.min(...present.map(({ shift }) => shift));
  }

  /** A process begins, which believes the wall clock. */
  begin() {
    this.#shifts.push({ shift: this.wallShift, since: Number.NEGATIVE_INFINITY });
  }

  /** Where a thread may be interrupted: another one goes first, or this one dies. */
  point(kind, index = 0) {
    const actor = this.current;
    if (actor.isDead) throw new SimulatedDeath(actor.name);
    if (actor.isUnwinding || actor === this.outside) return;
    this.points++;
    if (this.faults.killsAt(actor, kind)) {
      actor.isDead = true;
      throw new SimulatedDeath(actor.name);
    }
    if (this.#stack.length < DEPTH_MAX && this.choices.preempts(kind, index))
      this.#nest(actor, kind);
  }

  /** Runs a step of another actor here. Only blocking threads have no promises of their own that would run meanwhile. */
  #nest(actor, kind) {
    const isBlocking = actor.step !== undefined;
    const mayLoop = isBlocking && this.#stack.length === 1 && !this.#isDraining;
    const mayRun = (one) => (mayLoop || one.step !== undefined) && this.isReady(one);
    const find = () => this.actors.filter((one) => mayRun(one) && !this.#stack.includes(one));
    let ready = find();
    if (ready.length === 0) return;
    const count = this.choices.nestedSteps(kind);
    for (let i = 0; i < count; i++) {
      const next = this.choices.nested(ready);
      // A thread that has failed in one of these steps does not block any more.
      if (mayRun(next)) this.run(next);
      // Others may have come to have work by that.
      if (kind === 'flush') ready = find();
      if (ready.length === 0) break;
    }
    actor.assertAlive();
  }

  isReady(actor) {
    if (actor.isDead) return false;
    if (actor.events.length > 0) return true;
    if (actor.step !== undefined) return this.#isAwake(actor);
    if (actor.immediates.length > 0) return true;
    for (const port of actor.ports) if (port.isReady) return true;
    for (const timer of actor.timers) if (timer.dueAt <= this.elapsed) return true;
    return false;
  }

  #isAwake({ parked }) {
    return parked === undefined || parked.isWoken || parked.until <= this.elapsed;
  }

  /** Resolves when nobody can run but clocks. */
  settled() {
    const actor = this.current;
    return new Promise((resolve) => {
      this.#settlers.push({ actor, call: () => resolve(undefined) });
    });
  }

  /** Nobody can run: lets those go on that have waited for that; false if nobody has. */
  settle() {
    const settlers = this.#settlers.splice(0);
    for (const { actor, call } of settlers) actor.events.push(call);
    return settlers.length > 0;
  }

  /** One step of one actor that is ready; false if none is. */
  step() {
    const ready = this.actors.filter((actor) => this.isReady(actor));
    if (ready.length === 0) return false;
    this.steps++;
    this.faults.beforeStep(this);
    const actor = this.choices.actor(ready);
    if (this.isReady(actor)) this.run(actor);
    return true;
  }

  run(actor) {
    this.elapsed += this.choices.stepMs(actor);
    this.#stack.push(actor);
    try {
      this.choices.trace(actor, this);
      if (actor.step !== undefined && actor.events.length === 0) this.#turn(actor);
      else this.#task(actor)();
      this.#drain(actor);
      actor.onStep();
    } catch (error) {
      if (!actor.isDead && !(error instanceof SimulatedDeath)) this.uncaught.push(error);
      // It has promises too, which must not run as another thread's.
      else this.#drain(actor);
    } finally {
      this.#stack.pop();
    }
    if (actor.isDead) this.bury(actor);
  }

  /** Promises and ticks belong to the step, as in Node. Those of a step amid another one's promises run behind them. */
  #drain(actor) {
    if (this.#isDraining) return;
    const isAmidLoop = this.#stack.some((one) => one !== actor && one.step === undefined);
    if (isAmidLoop || (this.#stack.length > 1 && actor.step !== undefined)) return;
    this.#isDraining = true;
    try {
      /** @type {any} */ (process)._tickCallback();
    } finally {
      this.#isDraining = false;
    }
  }

  /** A step of a thread that blocks. Parking unwinds its stack. */
  #turn(actor) {
    if (actor.parked !== undefined) {
      const { words, index } = actor.parked;
      actor.parked = undefined;
      Atomics.store(words, index, 0);
    }
    try {
      actor.step();
    } catch (error) {
      if (!(error instanceof Parked)) throw error;
    } finally {
      actor.isUnwinding = false;
    }
  }

  /** `Atomics.wait` of the current actor, which must be one that blocks. */
  park(words, index, ms) {
    const actor = this.current;
    actor.parked = { words, index, until: this.elapsed + ms, isWoken: false };
    actor.isUnwinding = true;
    throw new Parked();
  }

  /** `Atomics.notify`. */
  notify(words, index) {
    for (const { parked } of this.actors) {
      if (parked === undefined || parked.isWoken) continue;
      if (parked.words.buffer !== words.buffer || parked.index !== index) continue;
      parked.isWoken = true;
      return 1;
    }
    return 0;
  }

  /** What an event loop calls next: its due timers in their order, or a message, an immediate or another event. */
  #task(actor) {
    const tasks = [];
    const timer = earliest(actor.timers, this.elapsed);
    if (timer !== undefined) tasks.push(() => timer.run());
    for (const port of actor.ports) if (port.isReady) tasks.push(() => port.deliver());
    if (actor.immediates.length > 0) tasks.push(() => runImmediate(actor));
    if (actor.events.length > 0) tasks.push(() => actor.events.shift()());
    return this.choices.task(tasks) ?? (() => {});
  }

  /** When the clock must go on for anybody to have something to do; undefined: never. */
  nextDeadline() {
    let next = Number.POSITIVE_INFINITY;
    for (const { isDead, timers, parked } of this.actors) {
      if (isDead) continue;
      for (const { dueAt } of timers) if (dueAt < next) next = dueAt;
      if (parked !== undefined && parked.until < next) next = parked.until;
    }
    return Number.isFinite(next) ? next : undefined;
  }

  /** The thread ends from outside; at its next point if it runs. */
  kill(actor) {
    if (actor.isDead) return;
    actor.isDead = true;
    if (!this.#stack.includes(actor)) this.bury(actor);
  }

  /** What Node does when a thread has ended: it closes its databases, its descriptors and its ports. */
  bury(actor) {
    const place = this.actors.indexOf(actor);
    if (place < 0) return;
    actor.isDead = true;
    this.actors.splice(place, 1);
    for (const database of actor.databases) database.closeReal();
    for (const descriptor of actor.descriptors) this.closeDescriptor(descriptor);
    for (const port of [...actor.ports]) port.shut();
    actor.timers.clear();
    actor.immediates.length = 0;
    actor.onEnd();
    this.onBuried(actor);
  }

  /** Set by the game. @param {Actor} _actor */
  onBuried(_actor) {}

  /** Set by the game: a thread that reads history is told to end while an endpoint has a port to it. */
  onUsedReaderStopped() {}

  /** Set by the game. @param {number} _descriptor */
  closeDescriptor(_descriptor) {}
}

function earliest(timers, elapsed) {
  let first;
  for (const timer of timers) {
    if (timer.dueAt > elapsed) continue;
    if (first === undefined || timer.dueAt < first.dueAt) first = timer;
    else if (timer.dueAt === first.dueAt && timer.number < first.number) first = timer;
  }
  return first;
}

function runImmediate(actor) {
  const immediate = actor.immediates.shift();
  if (!immediate.isCleared) immediate.call();
}
