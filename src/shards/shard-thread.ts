/**
 * The entry of a shard's thread: opens the shard's log, takes the links, and runs the loop until it is told to stop.
 * Whatever is thrown here ends the thread; main starts another on the same rings.
 */
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import {
  MAIL,
  PARKED,
  ShardControl,
  ShardCounter,
  STATE,
  STATE_RUNNING,
  STATE_STOPPED,
} from '../link/shard-control.js';
import type { ShardMail, ShardReport, ShardThreadData } from '../link/shard-mail.js';
import { BusError, type ErrorData } from '../protocol/errors.js';
import { CLOCK_CATCH_UP_DIVISOR, CLOCK_CAUTION_MS, CLOCK_CONFIRM_MS } from '../protocol/limits.js';
import { messageOf } from '../protocol/thrown.js';
import { AtomicsWaitStrategy } from '../ring/wait.js';
import { assertInPlace, placeOf } from '../store/directory/in-place.js';
import { SqliteShardLog } from '../store/sqlite/sqlite-shard-log.js';
import { elapsedMs } from '../threads/elapsed.js';
import { Commands } from './commands.js';
import { LinkAdapter } from './link-adapter.js';
import type { ClockStep } from './recording-clock.js';
import { LinkRecovery } from './recovery.js';
import { type LinkConsumer, Routes } from './routes.js';
import { Shard } from './shard.js';

/** Nothing needs to be woken for this long; timers of the loop (retention, gauges) are checked as often. */
const IDLE_TIMEOUT_MS = 250;

class ShardThread {
  readonly #data: ShardThreadData;
  readonly #control: ShardControl;
  readonly #mail: MessagePort;
  readonly #log: SqliteShardLog;
  readonly #routes = new Routes();
  readonly #shard: Shard;
  readonly #commands: Commands;
  /** What threads before this one have shown. */
  readonly #headShown: number;
  #mailSeen = 0;

  constructor(data: ShardThreadData) {
    this.#data = data;
    this.#control = new ShardControl(data.control);
    this.#headShown = this.#control.head;
    this.#mail = data.mail;
    const { log, isFirst, place } = data;
    if (place !== undefined) assertInPlace(log.file, place);
    // A log that was there once may not be missing when it is opened again.
    const identity = { ...log.identity, isNew: log.identity.isNew && isFirst };
    this.#log = new SqliteShardLog({ ...log, identity, shard: data.shard });
    this.#shard = new Shard(this.#log, this.#routes, this.#control, {
      ...data,
      onClockStep: (step) => this.#tellClockStep(step),
      onDamage: (error) => this.#report({ report: 'warning', error: error.toJSON() }),
    });
    this.#commands = new Commands(this.#shard, this.#log, this.#routes, data.generation);
  }

  start(): void {
    const positions = new Map<string, ReturnType<SqliteShardLog['ringPositions']>[number]>();
    if (this.#data.isFirst) this.#log.clearRingPositions();
    else for (const one of this.#log.ringPositions()) positions.set(one.endpoint, one);
    for (const end of this.#data.ends) {
      const link = this.#adopt(end);
      link.recovery = new LinkRecovery(link, this.#log, positions.get(end.endpoint));
    }
    const { head } = this.#log;
    const shown = head < this.#headShown ? this.#headShown : undefined;
    const wentBackwardsFrom = this.#log.wentBackwardsFrom ?? shown;
    // Before it is said: whoever hears that the bus is open must not read that it is starting.
    Atomics.store(this.#control.words, STATE, STATE_RUNNING);
    const { file } = this.#data.log;
    const place = this.#data.place ?? (file === ':memory:' ? undefined : placeOf(file));
    this.#report({ report: 'ready', head, wentBackwardsFrom, place });
  }

  run(): void {
    const { words, counters } = this.#control;
    const wait = new AtomicsWaitStrategy(words, PARKED);
    const isIdle = (): boolean =>
      !this.#isDone && !this.#shard.hasWork() && Atomics.load(words, MAIL) === this.#mailSeen;
    counters[ShardCounter.startedAt] = elapsedMs();
    counters[ShardCounter.parkedMs] = 0;
    while (!this.#isDone) {
      this.#readMail();
      const commanded = this.#commands.take();
      const worked = this.#shard.turn();
      if (typeof worked !== 'boolean') throw new Error('the SQLite log commits synchronously');
      if (commanded || worked) continue;
      counters[ShardCounter.parkedMs]! += wait.idle(isIdle, IDLE_TIMEOUT_MS);
    }
  }

  get #isDone(): boolean {
    return this.#shard.isStopping && this.#shard.isDrained;
  }

  close(): void {
    this.#log.close();
  }

  stop(): void {
    Atomics.store(this.#control.words, STATE, STATE_STOPPED);
    for (const link of this.#shard.links) link.close();
    this.#report({ report: 'stopped' });
    this.#mail.close();
  }

  #readMail(): void {
    if (Atomics.load(this.#control.words, MAIL) === this.#mailSeen) return;
    for (
      let mail = receiveMessageOnPort(this.#mail);
      mail;
      mail = receiveMessageOnPort(this.#mail)
    ) {
      this.#mailSeen = (this.#mailSeen + 1) | 0;
      this.#onMail(mail.message as ShardMail);
    }
  }

  #onMail(mail: ShardMail): void {
    switch (mail.mail) {
      case 'attach':
        this.#adopt(mail.end);
        break;
      case 'detach':
        for (const link of this.#shard.links) {
          if (link.endpoint !== mail.endpoint) continue;
          this.#shard.leave(link);
          link.abandon();
        }
        break;
      case 'page':
        this.#answer(mail.id, () => this.#log.page(mail.request));
        break;
      case 'positionAt':
        this.#answer(mail.id, () => this.#log.positionAt(mail.timeMs));
        break;
      case 'totals':
        this.#answer(mail.id, () => this.#log.totals(mail.pattern));
        break;
      case 'prune':
        this.#answer(mail.id, () => this.#log.prune(mail.request));
        break;
      case 'crash':
        throw new Error(`shard ${this.#data.shard} was made to crash`);
      case 'stop':
        this.#shard.isStopping = true;
    }
  }

  #answer(id: number, work: () => unknown): void {
    try {
      this.#report({ report: 'answer', id, value: work() });
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      this.#report({ report: 'refusal', id, error: error.toJSON() });
    }
  }

  #adopt(end: ShardThreadData['ends'][number]): LinkAdapter {
    const link = new LinkAdapter(end, (consumer) =>
      this.#shard.noteDropped(consumer as LinkConsumer),
    );
    this.#shard.add(link);
    return link;
  }

  /** All shards have one clock, and each its own log. */
  #tellClockStep(step: ClockStep): void {
    const { shard } = this.#data;
    if (shard > 0 && step.kind !== 'ahead at open') return;
    this.#report({ report: 'warning', error: clockWarning(step, shard) });
  }

  #report(report: ShardReport): void {
    this.#mail.postMessage(report);
  }
}

/** What the wall clock did, and what the shard makes of it. */
function clockWarning({ kind, ms }: ClockStep, shard: number): ErrorData {
  const by = `${(ms / 1000).toFixed(1)} s`;
  const slowly = `recorded time goes on at a ${CLOCK_CATCH_UP_DIVISOR}th of its pace until the clock has caught up with it`;
  const texts = {
    'put forward':
      `the system clock was put forward by ${by}: recorded time follows if it is still so in ` +
      `${CLOCK_CONFIRM_MS / 1000} s, and retention by age in ${CLOCK_CAUTION_MS / 1000} s`,
    confirmed: `the system clock is still ${by} ahead of where it was: recorded time follows`,
    'put back': `the system clock was put back by ${by}: ${slowly}`,
    'ahead at open': `the newest event was recorded ${by} after what the system clock says now: ${slowly}`,
  } satisfies Record<ClockStep['kind'], string>;
  const details = { shard, kind, ms: Math.round(ms) };
  return { code: 'CLOCK_STEPPED', message: `shard ${shard}: ${texts[kind]}`, details };
}

/** An error as data: crossing a thread boundary as it is, SQLite's errors lose their message. */
function tellFailure(error: unknown): void {
  const failure =
    error instanceof BusError
      ? error.toJSON()
      : {
          code: 'STORE_FAILED' as const,
          message: messageOf(error),
        };
  data.mail.postMessage({ report: 'failed', error: failure } satisfies ShardReport);
}

const data = workerData as ShardThreadData;
try {
  const thread = new ShardThread(data);
  try {
    thread.start();
    thread.run();
  } finally {
    thread.close();
  }
  thread.stop();
} catch (error) {
  tellFailure(error);
}
