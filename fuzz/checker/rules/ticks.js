import { digestOf } from '../events.js';
import { SYNCED } from './attempts.js';

/**
 * Takes what became of schedules: each due time from the time at which a schedule was set to the one at which it was
 * deleted may have an event, and each that somebody waited for has one (C1). They come once and in order (C3), and none
 * that is not due (C2).
 *
 * Schedules go by the wall clock, which their histories have beside the monotonic one.
 */
export class Ticks {
  #attempts;

  constructor(attempts) {
    this.#attempts = attempts;
  }

  take(lines) {
    const life = lifeOf(lines);
    const { schedule, setFrom, setAt, until, goneAt, offsetMs } = life;
    if (schedule === undefined) return;
    const { everyMs } = schedule;
    const first = (Math.floor(setFrom / everyMs) + 1) * everyMs;
    for (let dueAt = first; dueAt <= goneAt; dueAt += everyMs) {
      const at = (dueAt + offsetMs) * 1e6;
      const reference = this.#attempts.addMade(entryOf(schedule, dueAt), at);
      this.#attempts.dueAt.set(reference, at);
      if (dueAt > setAt && dueAt <= until) this.#attempts.flag(reference, SYNCED);
    }
  }
}

/** By the wall clock: since when it may be set, since when it is, through when all came, and since when it is gone. */
function lifeOf(lines) {
  const life = {
    schedule: undefined,
    setFrom: Number.POSITIVE_INFINITY,
    setAt: Number.POSITIVE_INFINITY,
    until: 0,
    goneAt: 0,
    offsetMs: 0,
  };
  const open = new Map();
  for (const [at, operation, entry, ...rest] of lines) {
    if (entry === 'invoke') {
      const [kind, args] = rest;
      open.set(operation, rest);
      if (kind === 'schedule') {
        life.schedule = args;
        life.setFrom = Math.min(life.setFrom, args.wall);
      }
      life.offsetMs = at / 1e6 - args.wall;
      life.goneAt = Math.max(life.goneAt, args.wall);
    } else if (entry === 'ok' && open.has(operation)) {
      const [kind, args] = open.get(operation);
      const [{ isDone, wall }] = rest;
      if (kind === 'schedule') life.setAt = Math.min(life.setAt, wall);
      if (kind === 'fired' && isDone) life.until = args.until;
      life.goneAt = Math.max(life.goneAt, wall);
    }
  }
  return life;
}

function entryOf({ name, topic, type, text }, dueAt) {
  const time = new Date(dueAt).toISOString();
  const attributes = { schedule: name, dueAt: time };
  const digest = digestOf({ topic, type, attributes }, text);
  return [`${name}-${time.replace(/[-:.]/g, '')}`, topic, type, digest];
}
