import type { AnswerOf, NameOf, RequestOf } from '../../../src/link/calls.js';
import type { ScheduleEntry } from '../../../src/link/schedule-calls.js';
import { ScheduleBoard, type ScheduleBus } from '../../../src/main/schedules/schedule-board.js';
import { BusError } from '../../../src/protocol/errors.js';
import { DueEvents } from '../../../src/shards/later/due-events.js';
import {
  ScheduleCommands,
  type ScheduleHandlers,
} from '../../../src/shards/later/schedule-commands.js';
import type { ShardScheduled, StoredSchedule } from '../../../src/store/scheduled.js';
import type { ShardLog } from '../../../src/store/shard-log.js';

/**
 * The board of schedules over shards whose logs are maps, with the test's own clock. Between any two calls of the board all
 * that is due is published; the process can die before or after any call.
 */

const START = 1_800_000_000_000;

/** Calls that need no room. */
const READS: ReadonlySet<string> = new Set(['findSchedule', 'shardSchedules']);

export interface Published {
  readonly shard: number;
  readonly dueAt: number;
}

class Shard {
  readonly rows = new Map<string, StoredSchedule>();
  readonly #changes: (() => void)[] = [];
  commands!: ScheduleHandlers;
  #due!: DueEvents;

  constructor(
    readonly number: number,
    readonly now: () => number,
  ) {
    this.open();
  }

  open(): void {
    this.#changes.length = 0;
    const scheduled = {
      waiting: 0,
      firstDue: Number.POSITIVE_INFINITY,
      schedules: () => [...this.rows.values()],
      putSchedule: (one: StoredSchedule) => {
        this.#changes.push(() => this.rows.set(one.name, one));
      },
      removeSchedule: (name: string) => {
        this.#changes.push(() => this.rows.delete(name));
      },
    } as Partial<ShardScheduled> as ShardScheduled;
    const log = { scheduled, commit: () => this.#commit() } as unknown as ShardLog;
    const { now } = this;
    const clock = {
      get dueNow() {
        return now();
      },
    } as never;
    this.#due = new DueEvents(scheduled, {
      shard: this.number,
      clock,
      elapsed: now,
      onDamage: (error) => {
        throw error;
      },
    });
    this.commands = new ScheduleCommands(log, this.#due).handlers;
  }

  /** Publishes all that is due. */
  publish(): Published[] {
    const published: Published[] = [];
    const { schedules } = this.#due;
    for (
      let one = schedules.next(this.now());
      one !== undefined;
      one = schedules.next(this.now())
    ) {
      published.push({ shard: this.number, dueAt: one.dueAt });
    }
    if (schedules.put()) this.#commit();
    schedules.committed();
    return published;
  }

  #commit(): void {
    for (const change of this.#changes.splice(0)) change();
  }
}

export class Rig {
  now = START;
  readonly published: Published[] = [];
  readonly reports: BusError[] = [];
  /** Shards that are given up. */
  readonly lost = new Set<number>();
  readonly #shards: Shard[];
  board!: ScheduleBoard;
  /** The process dies with this call: before it, or after it is carried out. */
  #dies: { call: number; after: boolean } | undefined;
  #isDead = false;
  #refused = { first: -1, last: -1 };
  calls = 0;

  constructor(shards = 2) {
    this.#shards = Array.from({ length: shards }, (_, n) => new Shard(n, () => this.now));
    this.open();
  }

  open(): void {
    this.#isDead = false;
    this.#dies = undefined;
    for (const shard of this.#shards) shard.open();
    this.board = new ScheduleBoard();
    this.board.start(this.#bus);
  }

  /** The shards refuse these calls, but for those that change nothing. */
  refuse(first: number, last = first): void {
    this.#refused = { first, last };
  }

  dieWith(call: number, after: boolean): void {
    this.calls = 0;
    this.#dies = { call, after };
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  entries(name: string): ScheduleEntry[] {
    return this.#shards.flatMap(({ commands }) => {
      const found = commands.findSchedule({ name }, undefined) as {
        schedule: ScheduleEntry | null;
      };
      return found.schedule ?? [];
    });
  }

  /** The time goes on, and all that is due is published. */
  pass(ms: number): void {
    this.now += ms;
    this.published.push(...this.#shards.flatMap((shard) => shard.publish()));
  }

  /** @param topic `N.rest`: of shard N */
  set(name: string, topic: string, topics: readonly string[] | null = null, everyMs = 1000) {
    const event = { topic, type: 't', source: 's', payload: 1 };
    const definition = JSON.stringify({ everyMs, anchor: 0, missed: 'all', event });
    return this.board.set({ name, definition, topics });
  }

  get #bus(): ScheduleBus {
    return {
      shards: this.#shards.length,
      shardOf: (topic) => Number.parseInt(topic, 10),
      stores: () => true,
      validate: () => {},
      shardFailure: (shard) => (this.lost.has(shard) ? lostShard(shard) : undefined),
      call: (shard, name, request) => this.#call(shard, name, request),
      report: (error) => this.reports.push(error),
    };
  }

  async #call<N extends NameOf<'shard'>>(
    shard: number,
    name: N,
    request: () => RequestOf<N>,
  ): Promise<AnswerOf<N>> {
    if (this.lost.has(shard)) throw lostShard(shard);
    if (this.#isDead) return new Promise(() => {});
    const call = this.calls++;
    const { first, last } = this.#refused;
    if (call >= first && call <= last && !READS.has(name))
      throw new BusError('STORE_FULL', 'the disk is full');
    const isLast = this.#dies?.call === call;
    // Between two changes the time goes on.
    this.pass(1700);
    if (isLast) this.#isDead = true;
    if (isLast && this.#dies?.after === false) return new Promise(() => {});
    const handler = this.#shards[shard]!.commands[name as keyof ScheduleHandlers];
    const answer = handler(request() as never, undefined) as AnswerOf<N>;
    return isLast ? new Promise(() => {}) : answer;
  }
}

function lostShard(shard: number): BusError {
  return new BusError('STORE_FAILED', `shard ${shard} is given up`);
}
