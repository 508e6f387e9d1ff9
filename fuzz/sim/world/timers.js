import { world } from './world.js';

/** `setTimeout` and its kind by the virtual clock, each timer in the actor that set it. */
const LONGEST_MS = 2 ** 31 - 1;

class VirtualTimer {
  constructor(actor, call, ms, isRepeated) {
    this.actor = actor;
    this.call = call;
    this.ms = ms >= 1 && ms <= LONGEST_MS ? ms : 1;
    this.isRepeated = isRepeated;
    this.number = world().count();
    this.refresh();
  }

  refresh() {
    this.dueAt = world().elapsed + this.ms;
    this.actor.timers.add(this);
    return this;
  }

  /** The event loop calls it. */
  run() {
    if (this.isRepeated) this.refresh();
    else this.actor.timers.delete(this);
    this.call();
  }

  close() {
    this.actor.timers.delete(this);
    return this;
  }

  ref() {
    return this;
  }

  unref() {
    return this;
  }

  hasRef() {
    return false;
  }

  [Symbol.toPrimitive]() {
    return this.number;
  }
}

export function setTimer(isRepeated) {
  return (call, ms, ...given) =>
    new VirtualTimer(world().current, () => call(...given), ms, isRepeated);
}

export function clearTimer(timer) {
  if (timer instanceof VirtualTimer) timer.close();
}

export function setImmediate(call, ...given) {
  const immediate = { call: () => call(...given), isCleared: false, unref: () => immediate };
  immediate.ref = immediate.unref;
  world().current.immediates.push(immediate);
  return immediate;
}

export function clearImmediate(immediate) {
  if (immediate !== undefined && immediate !== null) immediate.isCleared = true;
}
