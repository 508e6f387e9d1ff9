import { setMaxListeners } from 'node:events';
import type { Delivery } from '../../protocol/consumers.js';
import { BusError, type ErrorCode } from '../../protocol/errors.js';
import { REASON_LENGTH_MAX } from '../../protocol/limits/consumers.js';
import {
  FORWARD_BATCH_BYTES_MAX,
  FORWARD_BATCH_EVENTS_MAX,
  FORWARD_STOP_MS,
} from '../../protocol/limits/forward.js';
import { optionInvalid } from '../../protocol/options.js';
import { PAYLOAD_TEXT } from '../../protocol/payload-text.js';
import { messageOf } from '../../protocol/thrown.js';
import { LeaseKeeper } from '../lease-keeper.js';
import type { Sink, SinkInfo } from '../sink.js';
import { SinkLife } from '../sink-life.js';
import { whenAborted } from '../when-aborted.js';
import { inTurns } from './bus-target.js';
import {
  type ForwardOptions,
  type ParsedForwardOptions,
  parseForwardOptions,
} from './forward-options.js';
import { type Forwarded, outgoing } from './hops.js';
import type { Outcome, Target } from './target.js';

/**
 * Publishes the events of a consumer on another bus, under their ids. An event is acknowledged once the other bus has
 * stored it. While that bus is away the sink holds what it has, extends the leases and tries again, so that no attempt is
 * used up. An event that may have been sent before is looked up there first, since the other bus knows repeats only for its
 * dedupe window. Any thread of Node.
 */

export interface ForwardInfo extends SinkInfo {
  /** How many events are held for the other bus now. */
  readonly held: number;
  /** How many events the other bus had already, since the sink was made. */
  readonly duplicates: number;
  /** How many events did not have to go there: they had come through it, or `topic` named none. */
  readonly skipped: number;
}

/**
 * Publishes a consumer's events on another bus, until it is stopped.
 *
 * @param options the consumer, the other bus, and the names of both
 * @returns at once; `closed` rejects if the other bus is closed for good, or refuses the token
 * @throws BusError `OPTION_INVALID`
 */
export function forward<P = unknown>(options: ForwardOptions<P>): Sink<ForwardInfo> {
  return new Forward(parseForwardOptions(options)).start();
}

interface Held {
  readonly delivery: Delivery<unknown>;
  readonly input: Forwarded;
  readonly bytes: number;
  /** It may have been stored by an attempt before, of this process or of another one. */
  isDoubtful: boolean;
  /** Ends the handler that holds the event. */
  readonly settle: () => void;
}

/** The event itself is refused, and will always be. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'TOPIC_INVALID',
  'EVENT_INVALID',
  'PAYLOAD_INVALID',
  'PAYLOAD_TOO_LARGE',
]);
/** The other bus, or the connection, will not come back by itself. */
const ENDS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['BUS_CLOSED', 'UNAUTHENTICATED']);

class Forward<P> {
  readonly #options: ParsedForwardOptions<P>;
  readonly #life: SinkLife;
  /** Not on their way, in their order. */
  #waiting: Held[] = [];
  readonly #leases = new LeaseKeeper();
  #isSending = false;
  #target: Target | undefined;
  #duplicates = 0;
  #skipped = 0;
  /** Aborts once the sink can send no more. */
  readonly #ended = new AbortController();
  /** Gives up what is on its way, a while after the sink was stopped. */
  readonly #cut = new AbortController();

  constructor(options: ParsedForwardOptions<P>) {
    this.#options = options;
    // Each publish listens to it.
    setMaxListeners(0, this.#cut.signal);
    this.#life = new SinkLife('forward', options);
  }

  start(): Sink<ForwardInfo> {
    const { consumer, target } = this.#options;
    return this.#life.start(
      () => this.#work(),
      this.#options.signal,
      () => ({ held: this.#leases.count, duplicates: this.#duplicates, skipped: this.#skipped }),
      { on: consumer, consumer: consumer.name, target },
    );
  }

  async #work(): Promise<void> {
    const { consumer, concurrency, isOrdered, open } = this.#options;
    const { order, leaseMs } = (await consumer.info()).definition;
    if (isOrdered && order !== 'topic') {
      const message = `has order ${order}; it needs order: 'topic', or forward needs unordered: true`;
      throw optionInvalid('forward', 'consumer', message);
    }
    this.#target = open();
    // Nothing is leased ahead, so an event that may have been sent before never looks as if it had not.
    const options = { concurrency, prefetch: false, name: this.#life.name };
    const run = consumer.run((delivery) => this.#take(delivery), options);
    this.#life.begin();
    this.#leases.start(leaseMs);
    try {
      await Promise.race([run.closed, whenAborted(this.#life.signal, this.#ended.signal)]);
    } finally {
      const timer = setTimeout(() => this.#cut.abort(), FORWARD_STOP_MS);
      await run.stop().catch(() => {});
      clearTimeout(timer);
      this.#leases.stop();
      await this.#target.close();
    }
    if (this.#ended.signal.aborted) throw this.#ended.signal.reason;
  }

  /** Never throws: a handler that throws would be reported as a fault of the app. */
  async #take(delivery: Delivery<P>): Promise<void> {
    try {
      const next = outgoing(delivery.event, this.#options.route);
      if ('input' in next) await this.#hold(delivery, next.input);
      else if ('fault' in next) await this.#refuse(delivery, next.fault);
      else {
        await delivery.ack();
        this.#skipped++;
      }
    } catch (error) {
      // The function that names the topic has thrown, or the lease is lost.
      await this.#settled(delivery.nak({ reason: reasonOf(error) }), error);
    }
  }

  #hold(delivery: Delivery<P>, input: Forwarded): Promise<void> {
    return new Promise((resolve) => {
      const held: Held = {
        delivery,
        input,
        bytes: Buffer.byteLength(input[PAYLOAD_TEXT] ?? ''),
        isDoubtful: delivery.attempt > 1,
        settle: () => {
          this.#leases.remove(delivery);
          resolve();
        },
      };
      this.#leases.add(delivery);
      this.#waiting.push(held);
      if (!this.#isSending) void this.#send();
    });
  }

  /** Sends what waits, batch by batch. Never rejects. */
  async #send(): Promise<void> {
    this.#isSending = true;
    // What arrives in this turn goes along.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      if (this.#isOver) await this.#giveBack(this.#waiting.splice(0));
      else await this.#sendBatch();
    }
    this.#isSending = false;
  }

  get #isOver(): boolean {
    return this.#ended.signal.aborted || this.#life.signal.aborted;
  }

  async #sendBatch(): Promise<void> {
    const batch = this.#nextBatch();
    const outcomes = await this.#outcomesOf(batch);
    const again = new Set(batch.filter((held, at) => isToRepeat(held, outcomes[at]!)));
    const failures = batch.flatMap((held, at) => {
      const outcome = outcomes[at]!;
      return outcome.kind === 'failed' && again.has(held) ? [outcome.error] : [];
    });
    await Promise.all(
      batch.map((held, at) => (again.has(held) ? undefined : this.#finish(held, outcomes[at]!))),
    );
    const [failure] = failures;
    if (failure === undefined) return;
    // In their order, in front of those that came meanwhile.
    this.#waiting = [...again, ...this.#waiting];
    const end = failures.find(({ code }) => ENDS.has(code));
    if (end !== undefined) return this.#ended.abort(end);
    this.#life.failed(failure);
    if (!this.#isOver) await this.#life.wait(this.#life.retryMs());
  }

  /** The next events whose leases are good. */
  #nextBatch(): Held[] {
    const batch: Held[] = [];
    let count = 0;
    let bytes = 0;
    for (const held of this.#waiting) {
      bytes += held.bytes;
      const isFull = batch.length >= FORWARD_BATCH_EVENTS_MAX || bytes > FORWARD_BATCH_BYTES_MAX;
      if (isFull && batch.length > 0) break;
      count++;
      // Where the lease is lost, the event is another holder's now.
      if (held.delivery.signal.aborted) held.settle();
      else batch.push(held);
    }
    this.#waiting = this.#waiting.slice(count);
    return batch;
  }

  async #outcomesOf(batch: readonly Held[]): Promise<Outcome[]> {
    const outcomes = await inTurns(batch, (held) => this.#lookUp(held));
    const open = batch.filter((_, at) => outcomes[at] === undefined);
    if (open.length === 0) return outcomes as Outcome[];
    const inputs = open.map(({ input }) => input);
    const published = [...(await this.#target!.publish(inputs, this.#cut.signal))];
    return outcomes.map((outcome) => outcome ?? published.shift()!);
  }

  /** What the other bus says of an event that it may have; `undefined`: it does not have it. */
  async #lookUp({ isDoubtful, input }: Held): Promise<Outcome | undefined> {
    if (!isDoubtful && !this.#options.looksUpAll) return undefined;
    try {
      const isThere = await this.#target!.has(input);
      return isThere ? { kind: 'stored', isDuplicate: true } : undefined;
    } catch (thrown) {
      return { kind: 'failed', error: this.#life.errorOf(thrown), isKnown: false };
    }
  }

  /** Settles an event whose outcome is final. */
  async #finish({ delivery, settle }: Held, outcome: Outcome): Promise<void> {
    if (outcome.kind === 'stored') {
      if (outcome.isDuplicate) this.#duplicates++;
      // If the lease is lost, the event comes again, and the other bus has it.
      await delivery.ack().then(
        () => this.#life.done(),
        (error) => this.#life.tell(error),
      );
    } else if (outcome.error.code === 'FORBIDDEN') {
      const { error } = outcome;
      await this.#settled(delivery.nak({ reason: reasonOf(error) }), error);
    } else await this.#refuse(delivery, outcome.error.message);
    settle();
  }

  /** Lets an event die that the other bus never takes. */
  #refuse(delivery: Delivery<unknown>, why: string): Promise<void> {
    const { topic, id } = delivery.event;
    const error = new BusError('SINK_FAILED', `event ${id} of ${topic} is not forwarded: ${why}`, {
      details: { sink: this.#life.name },
    });
    return this.#settled(delivery.term(reasonOf(error)), error);
  }

  async #settled(settling: Promise<void>, error: unknown): Promise<void> {
    this.#life.failed(error);
    await settling.catch((failure) => this.#life.tell(failure));
  }

  /** An event that was never sent costs no attempt; one in doubt has to show by its attempts that it is. */
  async #giveBack(all: readonly Held[]): Promise<void> {
    await Promise.all(
      all.map(async ({ delivery, isDoubtful, settle }) => {
        await delivery.nak(isDoubtful ? { delayMs: 0 } : { count: false }).catch(() => {});
        settle();
      }),
    );
  }
}

/** Whether an event has to be sent again. Notes that it may have been stored. */
function isToRepeat(held: Held, outcome: Outcome): boolean {
  if (outcome.kind === 'stored') return false;
  if (!outcome.isKnown) held.isDoubtful = true;
  return (
    !outcome.isKnown || !(REFUSALS.has(outcome.error.code) || outcome.error.code === 'FORBIDDEN')
  );
}

function reasonOf(error: unknown): string {
  return Buffer.from(messageOf(error).slice(0, REASON_LENGTH_MAX)).toString();
}
