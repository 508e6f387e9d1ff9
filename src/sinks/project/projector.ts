import type { Consumer, ConsumerInfo, Delivery } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import { REASON_LENGTH_MAX } from '../../protocol/limits/consumers.js';
import { PROJECT_SETTLE_EVENTS } from '../../protocol/limits/sinks.js';
import { optionInvalid } from '../../protocol/options.js';
import type { SinkLife } from '../sink-life.js';
import {
  ApplyFailure,
  type Applying,
  applySteps,
  placeOf,
  type Queued,
  WasReset,
} from './applying.js';
import { settledOf } from './consumer-floor.js';
import type { Steps } from './drive.js';
import { Position, type Settled } from './position.js';
import { PositionTransactions } from './position-transactions.js';
import type { ProjectionStore } from './projection-store.js';

/**
 * Applies a consumer's events in transactions, one transaction at a time. Handlers of the consumer's run put their events
 * into a queue and wait; what is in the queue goes into one transaction together, so batches size themselves.
 *
 * Several processes may project into one database: the store lets one transaction at a time see the position, and
 * whoever comes second finds the event applied.
 */

export interface ProjectorSettings extends Applying {
  readonly life: SinkLife;
  readonly consumer: Consumer;
  readonly store: ProjectionStore;
  readonly clear: ((transaction: unknown) => void | Promise<void>) | undefined;
  readonly batch: number;
  readonly attempts: number;
  readonly stopsAtPoison: boolean;
}

export class Projector {
  readonly #of: ProjectorSettings;
  readonly #transactions: PositionTransactions;
  readonly #queue: Queued[] = [];
  readonly #end = new AbortController();
  /** The transactions and resets, one after the other. */
  #turn: Promise<void> = Promise.resolve();
  #isPumping = false;
  #epoch = '';
  #generation = 0;
  #leaseMs = 0;
  #maxAttempts = 0;
  #missing = 0;
  /** Of the consumer, for the next transaction to note. */
  #settled: Settled | undefined;
  #isSettling = false;
  #unsettled = 0;
  #repeated = 0;
  #failure: BusError | undefined;

  constructor(settings: ProjectorSettings) {
    this.#of = settings;
    this.#transactions = new PositionTransactions(settings.store, settings.life);
  }

  get repeated(): number {
    return this.#repeated;
  }

  /** How many events are dead for the consumer, as far as is known, so that their effect is missing. */
  get missing(): number {
    return this.#missing;
  }

  async work(): Promise<void> {
    const { life, consumer, batch } = this.#of;
    this.#read(await consumer.info());
    await this.#inTurn(() => this.#begin());
    if (life.signal.aborted) return;
    const run = consumer.run((delivery) => this.#take(delivery), {
      // While one transaction runs, the next batch is leased.
      concurrency: 2 * batch,
      // What is leased is in the queue, where its lease is kept while the database is away.
      prefetch: false,
      name: life.name,
    });
    life.begin();
    const ends = AbortSignal.any([life.signal, this.#end.signal]);
    const ended = new Promise<void>((resolve) => {
      if (ends.aborted) resolve();
      else ends.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([ended, run.closed]);
    await run.stop();
    if (this.#failure !== undefined) throw this.#failure;
  }

  async reset(): Promise<void> {
    const { clear } = this.#of;
    if (clear === undefined) throw optionInvalid('project', 'clear', 'is needed for a reset');
    await this.#inTurn(async () => {
      const { epoch } = await this.#of.consumer.info();
      await this.#transactions.run(function* (transaction, stored): Steps<Position> {
        yield clear(transaction);
        return new Position(epoch, (stored?.generation ?? 0) + 1, true);
      });
      this.#epoch = epoch;
      await this.#adopt();
    });
  }

  // The beginning.

  /** Tries until the store has a position, or the sink has to stop. */
  async #begin(): Promise<void> {
    const { life } = this.#of;
    while (!life.signal.aborted) {
      try {
        await this.#adopt();
        return;
      } catch (error) {
        if (error === this.#failure) throw error;
        life.failed(error);
        await life.wait(life.retryMs());
      }
    }
  }

  /** Takes over the stored position; completes a reset that was begun. */
  async #adopt(): Promise<void> {
    const { consumer } = this.#of;
    let position = await this.#transactions.change((known) => known ?? new Position(this.#epoch));
    if (position.isResetting) {
      const { epoch, generation } = position;
      await consumer.seek('earliest');
      position = await this.#transactions.change((known) =>
        known?.generation === generation ? new Position(epoch, generation) : known!,
      );
    }
    this.#assertEpoch(position.epoch);
    this.#generation = position.generation;
    this.#settled = undefined;
    // The answer comes behind everything that was handed out before the consumer was moved.
    this.#read(await consumer.info());
    this.#handBack(this.#queue.splice(0));
  }

  #read({ epoch, definition, dead }: ConsumerInfo): void {
    if (this.#epoch === '') this.#epoch = epoch;
    this.#assertEpoch(epoch);
    this.#leaseMs = definition.leaseMs;
    this.#maxAttempts = definition.maxAttempts;
    this.#missing = dead;
  }

  /** Sequences of another history say nothing of this one's events. */
  #assertEpoch(epoch: string): void {
    if (epoch === this.#epoch) return;
    const error = new BusError(
      'SINK_FAILED',
      `project ${this.#of.life.name}: the rows belong to another history of the log (epoch ${epoch}, not ${this.#epoch}), as after a restore; reset the projection`,
      { details: { sink: this.#of.life.name, epoch: this.#epoch, found: epoch } },
    );
    this.#fail(error);
    throw this.#failure;
  }

  // Events.

  #take(delivery: Delivery): Promise<void> {
    const { life } = this.#of;
    return new Promise((done, fail) => {
      this.#queue.push({ delivery, done, fail });
      if (this.#isPumping) return;
      this.#isPumping = true;
      // After all events of this turn are in the queue.
      queueMicrotask(() => this.#pump().catch((error) => this.#fail(life.errorOf(error))));
    });
  }

  async #pump(): Promise<void> {
    while (this.#queue.length > 0) {
      await this.#inTurn(async () => {
        const batch = this.#queue.splice(0, this.#of.batch);
        batch.sort((a, b) => placeOf(a) - placeOf(b));
        await this.#applyAll(batch);
      });
    }
    this.#isPumping = false;
  }

  /** Applies a batch; settles each of its events, whatever happens. */
  async #applyAll(batch: readonly Queued[]): Promise<void> {
    const { life } = this.#of;
    let rest = batch;
    while (rest.length > 0) {
      rest = this.#withoutLost(rest);
      if (this.#failure !== undefined) return this.#handBack(rest);
      try {
        return await this.#apply(rest);
      } catch (error) {
        if (error instanceof ApplyFailure && rest.length > 1) {
          for (const one of rest) await this.#applyAll([one]);
          return;
        }
        if (error instanceof ApplyFailure) return this.#poisoned(rest[0]!, error.error);
        if (error instanceof WasReset) await this.#followReset();
        else if (error !== this.#failure) life.failed(error);
        if (error instanceof WasReset || life.signal.aborted || this.#failure !== undefined) {
          return this.#handBack(rest);
        }
        await this.#keepLeases(rest, life.retryMs());
      }
    }
  }

  async #apply(batch: readonly Queued[]): Promise<void> {
    const { life } = this.#of;
    const applied: Queued[] = [];
    const repeated: Queued[] = [];
    const stage = { generation: this.#generation, settled: this.#settled };
    await this.#transactions.run(applySteps(this.#of, stage, batch, applied, repeated));
    life.done(applied.length);
    this.#repeated += repeated.length;
    this.#unsettled += applied.length;
    for (const { done } of applied) done();
    if (repeated.length > 0) {
      // They count as applied only if they are events of the same history.
      await this.#confirm(repeated);
    }
    if (this.#unsettled >= PROJECT_SETTLE_EVENTS) void this.#settle();
  }

  async #confirm(repeated: readonly Queued[]): Promise<void> {
    try {
      this.#read(await this.#of.consumer.info());
      for (const { done } of repeated) done();
    } catch (error) {
      if (this.#failure === undefined) this.#of.life.failed(error);
      this.#handBack(repeated);
    }
  }

  #poisoned({ delivery, done, fail }: Queued, thrown: unknown): void {
    const { life, stopsAtPoison, attempts } = this.#of;
    const { message } = life.errorOf(thrown);
    life.failed(thrown);
    if (delivery.attempt < Math.min(attempts, this.#maxAttempts)) {
      fail(thrown);
      return;
    }
    if (!stopsAtPoison) {
      delivery.term(message.slice(0, REASON_LENGTH_MAX)).catch(() => {});
      done();
      return;
    }
    const { id, topic, shard, sequence } = delivery.event;
    const text = `project ${life.name}: event ${id} on ${topic} was not applied in ${delivery.attempt} attempts: ${message}`;
    const details = { sink: life.name, id, topic, shard, sequence };
    this.#fail(new BusError('SINK_FAILED', text, { cause: thrown, details }));
    // At no cost of an attempt, so that it is not dead but comes again at the next start.
    this.#handBack([{ delivery, done, fail }]);
  }

  /** Ends the projection. */
  #fail(error: BusError): void {
    this.#failure ??= error;
    this.#end.abort();
  }

  /** Gives back what the projection does not apply now, without an attempt counted. */
  #handBack(batch: readonly Queued[]): void {
    for (const { delivery, done } of batch) {
      delivery.nak({ count: false }).catch(() => {});
      // The event is settled; the run only has to forget it.
      done();
    }
  }

  /** Those whose lease is lost belong to others by now. */
  #withoutLost(batch: readonly Queued[]): Queued[] {
    const kept = batch.filter(({ delivery }) => !delivery.signal.aborted);
    for (const { delivery, done } of batch) if (delivery.signal.aborted) done();
    return kept;
  }

  async #followReset(): Promise<void> {
    try {
      await this.#adopt();
    } catch (error) {
      if (error !== this.#failure) this.#of.life.failed(error);
    }
  }

  /** Waits, and keeps the events meanwhile: a database that is away costs them no attempt. */
  async #keepLeases(batch: readonly Queued[], ms: number): Promise<void> {
    const { life } = this.#of;
    const slice = Math.max(1, this.#leaseMs / 3);
    for (let left = ms; left > 0 && !life.signal.aborted; left -= slice) {
      for (const { delivery } of [...batch, ...this.#queue]) delivery.working().catch(() => {});
      await life.wait(Math.min(left, slice));
    }
  }

  // The position.

  /** Asks the consumer what is done for good, for the next transaction to note. */
  async #settle(): Promise<void> {
    if (this.#isSettling) return;
    this.#isSettling = true;
    this.#unsettled = 0;
    const generation = this.#generation;
    try {
      const { settled, info } = await settledOf(this.#of.consumer);
      this.#read(info);
      if (generation === this.#generation) this.#settled = settled;
    } catch (error) {
      const { signal } = this.#of.life;
      if (this.#failure === undefined && !signal.aborted) this.#of.life.tell(error);
    } finally {
      this.#isSettling = false;
    }
  }

  #inTurn<T>(call: () => Promise<T>): Promise<T> {
    const called = this.#turn.then(call);
    this.#turn = called.then(
      () => {},
      () => {},
    );
    return called;
  }
}
