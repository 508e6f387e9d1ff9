/**
 * What a shard's thread does between the opening of its log and its closing: takes the links, and runs turn by turn
 * until main tells it to stop. `run` is the whole loop, and `step` one round of it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import {
  MAIL,
  PARKED,
  ShardControl,
  ShardCounter,
  STATE,
  STATE_RUNNING,
  STATE_STOPPED,
  WAKES_BY_MESSAGE,
  wakeOtherShard,
} from '../link/shard-control.js';
import type { ShardMail, ShardReport, ShardThreadData } from '../link/shard-mail.js';
import { BusError } from '../protocol/errors.js';
import { AtomicsWaitStrategy, MessagePortWaitStrategy } from '../ring/wait.js';
import type { RingPosition, ShardLog } from '../store/shard-log.js';
import { elapsedMs } from '../threads/elapsed.js';
import { checkLog } from './check-log.js';
import { clockWarning } from './clock-warning.js';
import { Commands } from './commands.js';
import type { ClockStep } from './recording-clock.js';
import { LinkRecovery } from './recovery.js';
import { type LinkSubscription, Routes } from './routes.js';
import { Shard } from './shard.js';
import { ShardEnd } from './shard-end.js';

/** The longest that the loop stays parked; its timers (retention, gauges) are checked at least this often. */
const IDLE_TIMEOUT_MS = 250;

export class ShardRun {
  readonly #data: ShardThreadData;
  readonly #control: ShardControl;
  readonly #mail: MessagePort;
  readonly #log: ShardLog;
  readonly #routes = new Routes();
  readonly #shard: Shard;
  readonly #commands: Commands;
  /** The head that earlier threads of the shard have published. */
  readonly #headShown: number;
  #mailSeen = 0;
  /** Mail that came over the event loop and waits for the next turn. */
  readonly #delivered: ShardMail[] = [];
  /** Set if the thread parks on its event loop, because its log is shared. */
  #door: MessagePortWaitStrategy | undefined;

  constructor(data: ShardThreadData, log: ShardLog) {
    this.#data = data;
    this.#control = new ShardControl(data.control);
    this.#headShown = this.#control.head;
    this.#mail = data.mail;
    this.#log = log;
    checkLog(log, data);
    const others = data.controls.map((control) => new ShardControl(control).words);
    const desk = data.desk && new ShardControl(data.desk).words;
    this.#shard = new Shard(this.#log, this.#routes, this.#control, {
      ...data,
      wakeShard: (shard) => wakeOtherShard(others[shard]!),
      ...(desk === undefined ? {} : { onAdvance: () => wakeOtherShard(desk) }),
      retention: data.log.settings.retention,
      onNews: (news) => this.#report({ report: 'consumers', news }),
      onClaimed: () => this.#report({ report: 'claimed' }),
      onClockStep: (step) => this.#reportClockStep(step),
      onDamage: (error) => this.#report({ report: 'warning', error: error.toJSON() }),
    });
    this.#commands = new Commands(this.#shard, this.#log, this.#routes, data.generation);
  }

  start(): void {
    const positions = new Map<string, RingPosition>();
    const { ringPositions } = this.#log;
    if (this.#data.isFirst) ringPositions?.clear();
    else for (const one of ringPositions?.stored() ?? []) positions.set(one.endpoint, one);
    // A thread on an event loop may have run before, a relay.
    Atomics.store(this.#control.words, WAKES_BY_MESSAGE, 0);
    if (this.#log.isShared) this.#openDoor();
    for (const end of this.#data.ends) {
      const link = this.#adopt(end);
      link.recovery = new LinkRecovery(link, this.#log, positions.get(end.endpoint));
    }
    this.#takeConsumers();
    const { head } = this.#log;
    const shown = head < this.#headShown ? this.#headShown : undefined;
    const wentBackwardsFrom = this.#log.wentBackwardsFrom ?? shown;
    // Stored before the report: a caller that learns that the bus is open must not read that the shard is starting.
    Atomics.store(this.#control.words, STATE, STATE_RUNNING);
    const { forSuccessor, otherHistory } = this.#log;
    this.#report({ report: 'ready', head, wentBackwardsFrom, otherHistory, forSuccessor });
    const { counters } = this.#control;
    counters[ShardCounter.startedAt] = elapsedMs();
    counters[ShardCounter.parkedMs] = 0;
  }

  /** Before anything is read from a link, so that it finds its consumer. A damaged state stops no event. */
  #takeConsumers(): void {
    const { consumers } = this.#data;
    if (consumers === undefined) return;
    if (consumers === 'unread') {
      this.#shard.awaitConsumers();
      return;
    }
    try {
      this.#shard.applyConsumers(consumers);
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'STORE_CORRUPT') throw error;
      this.#report({ report: 'warning', error: error.toJSON() });
    }
  }

  run(): void | Promise<void> {
    return this.#door === undefined ? this.#runBlocking() : this.#runOnEventLoop(this.#door);
  }

  #runBlocking(): void {
    const wait = this.waitStrategy();
    while (!this.isDone) this.step(wait);
  }

  /** How a thread waits that blocks; made by that thread. */
  waitStrategy(): AtomicsWaitStrategy {
    return new AtomicsWaitStrategy(this.#control.words, PARKED);
  }

  /** One turn of a thread that blocks, which parks if the turn found nothing to do. */
  step(wait: AtomicsWaitStrategy): void {
    if (this.#turn()) return;
    const parkedMs = wait.idle(this.#isIdle, this.#shard.idleMs(IDLE_TIMEOUT_MS));
    this.#control.counters[ShardCounter.parkedMs]! += parkedMs;
  }

  /** Commits and fetched events arrive over the event loop, so it turns between any two turns of the shard. */
  async #runOnEventLoop(door: MessagePortWaitStrategy): Promise<void> {
    const { counters } = this.#control;
    while (!this.isDone) {
      const parkedMs = this.#turn() ? 0 : await door.idle(this.#isIdle, IDLE_TIMEOUT_MS);
      counters[ShardCounter.parkedMs]! += parkedMs;
      if (parkedMs === 0) await nextTurn();
    }
  }

  #turn(): boolean {
    this.#readMail();
    const commanded = this.#commands.take();
    return this.#shard.turn() || commanded;
  }

  readonly #isIdle = (): boolean => {
    if (this.isDone || this.#shard.hasWork()) return false;
    return Atomics.load(this.#control.words, MAIL) === this.#mailSeen;
  };

  #openDoor(): void {
    const { words } = this.#control;
    const door = new MessagePortWaitStrategy(words, PARKED);
    door.listen(this.#mail, (mail) => this.#delivered.push(mail as ShardMail));
    this.#shard.onArrival = () => door.wake();
    Atomics.store(words, WAKES_BY_MESSAGE, 1);
    this.#door = door;
  }

  /** It was told to stop, and owes nothing any more. */
  get isDone(): boolean {
    return this.#shard.isStopping && this.#shard.isDrained;
  }

  stop(): void {
    Atomics.store(this.#control.words, STATE, STATE_STOPPED);
    for (const link of this.#shard.links) link.close();
    this.#report({ report: 'stopped' });
    this.#mail.close();
  }

  #readMail(): void {
    if (Atomics.load(this.#control.words, MAIL) === this.#mailSeen) return;
    for (let mail = this.#nextMail(); mail !== undefined; mail = this.#nextMail()) {
      this.#mailSeen = (this.#mailSeen + 1) | 0;
      this.#onMail(mail);
    }
  }

  #nextMail(): ShardMail | undefined {
    const { guestMail } = this.#log;
    return (
      this.#delivered.shift() ??
      receiveMessageOnPort(this.#mail)?.message ??
      (guestMail && receiveMessageOnPort(guestMail)?.message)
    );
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
      case 'rejoin':
        throw new BusError('SHARD_RESTARTED', 'an endpoint of another node has lost its way');
      case 'crash':
        throw new Error(`shard ${this.#data.shard} was made to crash`);
      case 'stop':
        this.#shard.isStopping = true;
    }
  }

  #adopt(end: ShardThreadData['ends'][number]): ShardEnd {
    const link = new ShardEnd(end, (subscription) =>
      this.#shard.noteDropped(subscription as LinkSubscription),
    );
    this.#shard.add(link);
    // A link closes its port when it has left, which ends the listening.
    this.#door?.listen(end.port, (message) => link.accept(message));
    return link;
  }

  /** Shard 0 reports for all shards, which share one clock; each reports a log that is ahead at open itself. */
  #reportClockStep(step: ClockStep): void {
    const { shard } = this.#data;
    if (shard > 0 && step.kind !== 'ahead at open') return;
    this.#report({ report: 'warning', error: clockWarning(step, shard) });
  }

  #report(report: ShardReport): void {
    this.#mail.postMessage(report);
  }
}
