import type { ScheduleInfo, ScheduleOptions, Schedules } from '../protocol/schedules.js';
import type { AskedType } from '../protocol/wire-answers.js';
import type { Answer, Requests } from './requests.js';

/**
 * The schedules of the server's bus. What changes them is sent once: if the connection is lost before the answer comes, it
 * may be done or not, as `get` tells.
 */
export class ClientSchedules implements Schedules {
  readonly #requests: () => Requests;

  constructor(requests: () => Requests) {
    this.#requests = requests;
  }

  async set<P>(name: string, options: ScheduleOptions<P>): Promise<ScheduleInfo> {
    return (await this.#order('setSchedule', { name, schedule: options })).schedule!;
  }

  async list(): Promise<ScheduleInfo[]> {
    const { schedules = [] } = await this.#ask('schedules', {});
    return [...schedules];
  }

  async get(name: string): Promise<ScheduleInfo | undefined> {
    return (await this.#ask('schedule', { name })).schedule ?? undefined;
  }

  async next(name: string, count?: number): Promise<string[]> {
    const { times = [] } = await this.#ask('nextTimes', { name, count });
    return [...times];
  }

  async pause(name: string): Promise<ScheduleInfo> {
    return (await this.#order('alterSchedule', { name, kind: 'pause' })).schedule!;
  }

  async resume(name: string): Promise<ScheduleInfo> {
    return (await this.#order('alterSchedule', { name, kind: 'resume' })).schedule!;
  }

  async delete(name: string): Promise<boolean> {
    return (await this.#order('alterSchedule', { name, kind: 'delete' })).deleted === true;
  }

  #ask<T extends AskedType>(type: T, payload: object): Promise<Answer<T>> {
    return this.#requests().ask(type, JSON.stringify(payload));
  }

  #order<T extends AskedType>(type: T, payload: object): Promise<Answer<T>> {
    return this.#requests().order(type, JSON.stringify(payload));
  }
}
