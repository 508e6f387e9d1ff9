import { setTimeout as pass } from 'node:timers/promises';
import { scheduleOf } from '../plan.js';

/**
 * Sets a schedule, again in each of its lives, as a program does when it starts. In the end it waits until every due time
 * that has come is an event, writes down that time, and deletes the schedule.
 */
const AGAIN_MS = 100;

export class Scheduler {
  #bus;
  #history;
  #name;
  #schedule;
  #isSet = Promise.resolve();

  constructor({ bus, history, settings }) {
    this.#bus = bus;
    this.#history = history;
    this.#schedule = scheduleOf(settings.schedule);
    this.#name = settings.schedule.name;
  }

  async run() {
    const { options, entry } = this.#schedule;
    this.#isSet = this.#until('schedule', entry, async () => {
      await this.#bus.schedules.set(this.#name, options);
      return true;
    });
    await this.#isSet;
  }

  async rest() {
    await this.#isSet;
    const end = Date.now();
    await this.#until('fired', { name: this.#name, until: end }, async () => {
      const schedule = await this.#bus.schedules.get(this.#name);
      return schedule === undefined || Date.parse(schedule.nextAt) > end;
    });
    await this.#until('unschedule', { name: this.#name }, async () => {
      await this.#bus.schedules.delete(this.#name);
      return true;
    });
  }

  /** Makes a call until it has answered with true. Its lines have the time of the wall clock, which schedules go by. */
  async #until(kind, args, call) {
    for (;;) {
      const operation = this.#history.invoke(kind, { ...args, wall: Date.now() });
      try {
        const isDone = await call();
        this.#history.write(operation, 'ok', { isDone, wall: Date.now() });
        if (isDone) return;
      } catch (error) {
        this.#history.write(operation, 'unknown', error.code ?? String(error.stack));
        if (error.code === 'BUS_CLOSED') return;
      }
      await pass(AGAIN_MS);
    }
  }
}
