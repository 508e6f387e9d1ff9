import { closedError } from '../../endpoint/endpoint-errors.js';
import type { AnswerOf, NameOf, RequestOf } from '../../link/calls.js';
import {
  type AlteredSchedule,
  type AlterScheduleRequest,
  type AlterShardScheduleRequest,
  damagedSchedule,
  type ScheduleEntry,
  type SetScheduleRequest,
} from '../../link/schedule-calls.js';
import { BusError } from '../../protocol/errors.js';
import { MOVE_RETRY_MS, MOVE_RETRY_MS_MAX } from '../../protocol/limits/schedules.js';
import { optionInvalid } from '../../protocol/options.js';
import { PatternSet } from '../../protocol/pattern-set.js';
import { quote } from '../../protocol/quote.js';
import { parsedSchedule, topicOfSchedule } from '../../protocol/schedule-text.js';
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

interface Damage {
  readonly shard: number;
  readonly reason: string;
}

interface Found {
  readonly found: ScheduleEntry | undefined;
  /** Of a damaged row of the name. */
  readonly damage: Damage | undefined;
}

/**
 * Changes schedules, one after the other, in the thread that opened the bus. The shards keep them: this board only sees
 * to it that a name stands for one schedule, also where its topic moves to another shard.
 *
 * A move has four steps, each flushed: the new shard has the schedule as one that is arriving, and publishes nothing by
 * it; the old shard keeps its own as one that has moved, and publishes nothing more by it; the new one begins, with
 * what the old one has done; the old shard deletes its own. A move that was broken off, by a death or a refusal, is
 * ended when the bus is opened, by the next change of the schedule, or a little later, as a full disk may have room again:
 * where one of the two publishes, the other goes; where neither does, the arriving one begins.
 */
export class ScheduleBoard {
  readonly #changes = new ChangeQueue('schedules');
  #bus: ScheduleBus | undefined;
  #isStopped = false;
  /** Moves that were broken off are looked for then. */
  #timer: NodeJS.Timeout | undefined;
  /** The pause before that, ms; 0: no move waits to be ended. */
  #waitMs = 0;

  /** Ends moves that an earlier process began. Changes wait for that. */
  start(bus: ScheduleBus): void {
    this.#bus = bus;
    this.#endMoves(bus);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #endMoves(bus: ScheduleBus): void {
    this.#inTurn(() => this.#settleAll(bus)).catch((error: unknown) => {
      if (this.#waitMs === 0) report(bus, error);
      if (isFailure(error)) this.#endLater(bus);
    });
  }

  /** A step of a move was refused: the move is ended a little later. */
  #endLater(bus: ScheduleBus): void {
    if (this.#isStopped) return;
    const longer = Math.max(MOVE_RETRY_MS, 2 * this.#waitMs);
    this.#waitMs = Math.min(longer, MOVE_RETRY_MS_MAX);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#endMoves(bus), this.#waitMs).unref();
  }

  /** @throws BusError as `Schedules.set`; `FORBIDDEN` where one is there that publishes on another topic than `topics` */
  set({ name, definition, topics }: SetScheduleRequest): Promise<ScheduleEntry> {
    return this.#inTurn(async (bus) => {
      const { event } = parsedSchedule(definition);
      const { topic, payload } = event;
      if (!bus.stores(topic)) {
        const fault = `${quote(topic)} is one of the topics that this bus does not store`;
        throw optionInvalid('schedules.set', 'event.topic', fault);
      }
      bus.validate(topic, payload);
      const { found, damage } = await this.#find(bus, name);
      if (!mayChange(topics, found, damage)) throw otherTopic(name);
      const target = bus.shardOf(topic);
      if (damage !== undefined && damage.shard !== target) {
        await this.#alter(bus, damage.shard, { name, kind: 'delete' });
      }
      if (found !== undefined && found.shard !== target) {
        return this.#move(bus, found, target, definition);
      }
      return bus.call(target, 'putSchedule', () => ({ name, definition, arriving: null }));
    });
  }

  /**
   * @throws BusError `SCHEDULE_UNKNOWN`, but for a deletion; `STORE_FAILED` where a shard may have it that is given up;
   *   `STORE_CORRUPT` where it is damaged, but for a deletion
   */
  alter({ name, kind, topics }: AlterScheduleRequest): Promise<AlteredSchedule> {
    return this.#inTurn(async (bus) => {
      const { found, damage } = await this.#find(bus, name);
      const at = found ?? damage;
      if (at === undefined || !mayChange(topics, found, damage)) {
        if (kind === 'delete') return { schedule: null, isFound: false };
        throw unknownSchedule(name);
      }
      if (found === undefined && damage !== undefined && kind !== 'delete') {
        throw damagedSchedule(damage.reason);
      }
      return { schedule: await this.#alter(bus, at.shard, { name, kind }), isFound: true };
    });
  }

  async #move(
    bus: ScheduleBus,
    from: ScheduleEntry,
    target: number,
    definition: string,
  ): Promise<ScheduleEntry> {
    try {
      return await this.#moveBySteps(bus, from, target, definition);
    } catch (error) {
      this.#endLater(bus);
      throw error;
    }
  }

  async #moveBySteps(
    bus: ScheduleBus,
    from: ScheduleEntry,
    target: number,
    definition: string,
  ): Promise<ScheduleEntry> {
    const { name, fired, lastAt, isPaused } = from;
    const arriving = { fired, lastAt, isPaused };
    await bus.call(target, 'putSchedule', () => ({ name, definition, arriving }));
    const left = await this.#alter(bus, from.shard, { name, kind: 'leave' });
    const done = doneBy(left ?? from);
    const arrived = await this.#alter(bus, target, { name, kind: 'arrive', done });
    // The schedule has moved, whatever becomes of this.
    await this.#alter(bus, from.shard, { name, kind: 'delete' }).catch((error) => {
      report(bus, error);
      this.#endLater(bus);
    });
    return arrived!;
  }

  async #settleAll(bus: ScheduleBus): Promise<void> {
    const byName = new Map<string, ScheduleEntry[]>();
    for (let shard = 0; shard < bus.shards; shard++) {
      for (const entry of await schedulesOf(bus, shard)) {
        const others = byName.get(entry.name);
        if (others === undefined) byName.set(entry.name, [entry]);
        else others.push(entry);
      }
    }
    let isRefused = false;
    for (const entries of byName.values()) {
      if (!entries.some(isMoving)) continue;
      await this.#settle(bus, entries).catch((error: unknown) => {
        // Those that tried before have told it.
        if (this.#waitMs === 0) report(bus, error);
        isRefused = true;
      });
    }
    if (isRefused) this.#endLater(bus);
    else this.#waitMs = 0;
  }

  /** The schedule of this name, after a move of it that was broken off is ended. */
  async #find(bus: ScheduleBus, name: string): Promise<Found> {
    const shards = Array.from({ length: bus.shards }, (_, shard) => shard);
    const live = shards.filter((shard) => bus.shardFailure(shard) === undefined);
    const answers = await Promise.all(
      live.map((shard) => bus.call(shard, 'findSchedule', () => ({ name }))),
    );
    const damaged = answers.findIndex(({ damage }) => damage !== null);
    const reason = answers[damaged]?.damage ?? undefined;
    const damage = reason === undefined ? undefined : { shard: live[damaged]!, reason };
    const entries = answers.flatMap(({ schedule }) => schedule ?? []);
    return { found: await this.#settle(bus, entries), damage };
  }

  /**
   * Ends a move. @param entries of one name, all that there are in the shards that can be asked
   * @throws BusError the failure of a shard that may have the schedule
   */
  async #settle(
    bus: ScheduleBus,
    entries: readonly ScheduleEntry[],
  ): Promise<ScheduleEntry | undefined> {
    let found = entries.find((entry) => !isMoving(entry));
    if (found === undefined) {
      for (let shard = 0; shard < bus.shards; shard++) {
        const failure = bus.shardFailure(shard);
        if (failure !== undefined) throw failure;
      }
      const moved = entries.find(({ isMoved }) => isMoved);
      const arriving = entries.find(({ isArriving }) => isArriving) ?? moved;
      if (arriving === undefined) return undefined;
      const { name, shard } = arriving;
      const done = moved && doneBy(moved);
      found = (await this.#alter(bus, shard, { name, kind: 'arrive', done })) ?? undefined;
    }
    for (const { name, shard } of entries.filter(isMoving)) {
      if (shard !== found?.shard) await this.#alter(bus, shard, { name, kind: 'delete' });
    }
    return found;
  }

  async #alter(
    bus: ScheduleBus,
    shard: number,
    request: AlterShardScheduleRequest,
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

/** It publishes nothing, as it is on its way from one shard to another. */
function isMoving({ isArriving, isMoved }: ScheduleEntry): boolean {
  return isArriving || isMoved;
}

function doneBy({ fired, lastAt, handledUntil }: ScheduleEntry) {
  return { fired, lastAt, handledUntil };
}

/** Nobody knows on which topic a damaged schedule publishes. */
function mayChange(
  topics: readonly string[] | null,
  found: ScheduleEntry | undefined,
  damage: Damage | undefined,
): boolean {
  if (topics === null) return true;
  const covered = new PatternSet(topics);
  if (found !== undefined) return covered.covers(topicOfSchedule(found.definition));
  return damage === undefined || covered.covers('*');
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

function report(bus: ScheduleBus, error: unknown): void {
  if (isFailure(error)) bus.report(error);
}

/** A store without schedules refuses the first question; that is no failure. */
function isFailure(error: unknown): error is BusError {
  if (!(error instanceof BusError)) return false;
  return error.code !== 'BUS_CLOSED' && error.code !== 'OPTION_INVALID';
}

function unknownSchedule(name: string): BusError {
  return new BusError('SCHEDULE_UNKNOWN', `there is no schedule ${quote(name)}`, {
    details: { name },
  });
}

/** Does not say which topic it is: the caller may not see it. */
function otherTopic(name: string): BusError {
  const message = `schedule ${quote(name)} is there, and publishes on a topic that you may not publish to`;
  return new BusError('FORBIDDEN', message, { details: { name } });
}
