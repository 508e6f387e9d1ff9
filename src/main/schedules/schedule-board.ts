import { closedError } from '../../endpoint/endpoint-errors.js';
import type { AnswerOf, NameOf, RequestOf } from '../../link/calls.js';
import type { AlterScheduleRequest, ScheduleEntry } from '../../link/schedule-calls.js';
import { BusError } from '../../protocol/errors.js';
import { optionInvalid } from '../../protocol/options.js';
import { quote } from '../../protocol/quote.js';
import { parsedSchedule } from '../../protocol/schedule-text.js';
import { ChangeQueue } from '../consumers/change-queue.js';

/** The bus, as the board of its schedules needs it. */
export interface ScheduleBus {
  readonly shards: number;
  shardOf(topic: string): number;
  /** Whether the bus stores events of the topic. */
  stores(topic: string): boolean;
  /** @throws BusError `PAYLOAD_INVALID` */
  validate(topic: string, payload: unknown): void;
  shardFailure(shard: number): BusError | undefined;
  call<N extends NameOf<'shard'>>(
    shard: number,
    name: N,
    request: () => RequestOf<N>,
  ): Promise<AnswerOf<N>>;
  report(error: BusError): void;
}

/**
 * Changes schedules, one after the other, in the thread that opened the bus. The shards keep them: this board only sees
 * to it that a name stands for one schedule, also where its topic moves to another shard.
 *
 * A move has three steps, each flushed: the new shard has the schedule as one that is arriving, and publishes nothing by it;
 * the old shard deletes its own; the new one begins. Whatever dies in between, `settle` finds one of two states when the
 * bus is opened: the old one is still there, and the arriving one goes; or it is gone, and the arriving one begins.
 */
export class ScheduleBoard {
  readonly #changes = new ChangeQueue();
  #bus: ScheduleBus | undefined;
  #isStopped = false;

  /** Ends moves that an earlier process began. Changes wait for that. */
  start(bus: ScheduleBus): void {
    this.#bus = bus;
    this.#inTurn(() => this.#settle(bus)).catch((error: unknown) => {
      const isToReport = error instanceof BusError && error.code !== 'BUS_CLOSED';
      if (isToReport && error.code !== 'OPTION_INVALID') bus.report(error);
    });
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** @throws BusError as `Schedules.set` */
  set(name: string, definition: string): Promise<ScheduleEntry> {
    return this.#inTurn(async (bus) => {
      const { event } = parsedSchedule(definition);
      const { topic, payload } = event;
      if (!bus.stores(topic)) {
        const fault = `${quote(topic)} is one of the topics that this bus does not store`;
        throw optionInvalid('schedules.set', 'event.topic', fault);
      }
      bus.validate(topic, payload);
      const target = bus.shardOf(topic);
      const others = (await this.#find(bus, name)).filter(({ shard }) => shard !== target);
      const put = { name, definition, isArriving: others.length > 0 };
      const made = await bus.call(target, 'putSchedule', () => put);
      if (others.length === 0) return made;
      for (const { shard } of others) await this.#alter(bus, shard, { name, kind: 'delete' });
      const moved = await this.#alter(bus, target, { name, kind: 'arrive' });
      const isPaused = others.some((one) => one.isPaused);
      return (isPaused ? await this.#alter(bus, target, { name, kind: 'pause' }) : moved)!;
    });
  }

  /** @throws BusError `SCHEDULE_UNKNOWN`, but for a deletion */
  alter(request: AlterScheduleRequest): Promise<ScheduleEntry | null> {
    return this.#inTurn(async (bus) => {
      const { name, kind } = request;
      const found = await this.#find(bus, name);
      if (found.length === 0 && kind !== 'delete') throw unknownSchedule(name);
      let last: ScheduleEntry | null = null;
      for (const { shard } of found) last = await this.#alter(bus, shard, request);
      return last;
    });
  }

  async #settle(bus: ScheduleBus): Promise<void> {
    const all: ScheduleEntry[] = [];
    for (let shard = 0; shard < bus.shards; shard++) all.push(...(await schedulesOf(bus, shard)));
    for (const { name, shard, isArriving } of all) {
      if (!isArriving) continue;
      const isElsewhere = all.some((one) => one.name === name && one.shard !== shard);
      await this.#alter(bus, shard, { name, kind: isElsewhere ? 'delete' : 'arrive' });
    }
  }

  /** The schedule of this name in every shard that has it: in two, if a move has failed half way. */
  async #find(bus: ScheduleBus, name: string): Promise<ScheduleEntry[]> {
    const shards = Array.from({ length: bus.shards }, (_, shard) => shard);
    const answers = await Promise.all(
      shards.map((shard) => bus.call(shard, 'findSchedule', () => ({ name }))),
    );
    return answers.flatMap(({ schedule }) => schedule ?? []);
  }

  async #alter(
    bus: ScheduleBus,
    shard: number,
    request: AlterScheduleRequest,
  ): Promise<ScheduleEntry | null> {
    return (await bus.call(shard, 'alterShardSchedule', () => request)).schedule;
  }

  #inTurn<T>(change: (bus: ScheduleBus) => Promise<T>): Promise<T> {
    return this.#changes.add(async () => {
      if (this.#isStopped || this.#bus === undefined) throw closedError();
      return change(this.#bus);
    });
  }
}

async function schedulesOf(bus: ScheduleBus, shard: number): Promise<ScheduleEntry[]> {
  const found: ScheduleEntry[] = [];
  // A shard that was given up keeps its schedules as they are, until the bus is opened again.
  if (bus.shardFailure(shard) !== undefined) return found;
  for (let after: string | null = ''; after !== null; ) {
    const request: { readonly after: string } = { after };
    const page: AnswerOf<'shardSchedules'> = await bus.call(shard, 'shardSchedules', () => request);
    found.push(...page.schedules);
    after = page.next;
  }
  return found;
}

export function unknownSchedule(name: string): BusError {
  return new BusError('SCHEDULE_UNKNOWN', `there is no schedule ${quote(name)}`, {
    details: { name },
  });
}
