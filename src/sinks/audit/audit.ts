import { resolve } from 'node:path';
import type { Delivery } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import { AUDIT_BATCH_BYTES_MAX, AUDIT_BATCH_EVENTS_MAX } from '../../protocol/limits/audit.js';
import { eventText } from '../../protocol/payload-text.js';
import { LeaseKeeper } from '../lease-keeper.js';
import type { Sink, SinkInfo } from '../sink.js';
import { SinkLife, targetOf } from '../sink-life.js';
import { whenAborted } from '../when-aborted.js';
import { type AuditOptions, type ParsedAuditOptions, parseAuditOptions } from './audit-options.js';
import { type Entry, Trail, type TrailHead } from './trail.js';

/**
 * Writes the events of a consumer to an append-only trail, each once. An event is acknowledged after it is flushed; what
 * comes again after a crash is found in the trail, and only acknowledged. Any thread of Node.
 */

export interface AuditInfo extends SinkInfo {
  /** The last line that is flushed; absent until the trail is open. */
  readonly head?: TrailHead;
}

/**
 * Writes a consumer's events to files of NDJSON whose lines are chained by hash, until it is stopped.
 *
 * @param options the consumer, and the directory of the files
 * @returns at once; `closed` rejects with `AUDIT_BROKEN` if the files are not as they were left
 * @throws BusError `OPTION_INVALID`
 */
export function audit<P = unknown>(options: AuditOptions<P>): Sink<AuditInfo> {
  return new Audit(parseAuditOptions(options)).start();
}

interface Waiting<P> extends Entry {
  readonly delivery: Delivery<P>;
  /** Ends the handler that holds the event. */
  readonly settle: () => void;
}

class Audit<P> {
  readonly #options: ParsedAuditOptions<P>;
  readonly #life: SinkLife;
  readonly #trail: Trail;
  readonly #waiting: Waiting<P>[] = [];
  readonly #leases = new LeaseKeeper();
  #isWriting = false;
  /** Set once the sink can write no more. */
  readonly #ended = new AbortController();

  constructor(options: ParsedAuditOptions<P>) {
    const { path, consumer, seal, rotateBytes, rotateMs } = options;
    this.#options = options;
    this.#life = new SinkLife('audit', options);
    // Resolved now, in case the process changes its directory.
    const dir = resolve(path);
    this.#trail = new Trail({ dir, consumer: consumer.name, seal, rotateBytes, rotateMs });
  }

  start(): Sink<AuditInfo> {
    const { consumer, path } = this.#options;
    return this.#life.start(
      () => this.#work(),
      this.#options.signal,
      () => {
        const { head } = this.#trail;
        return head === undefined ? {} : { head };
      },
      { on: consumer, consumer: consumer.name, target: targetOf(path) },
    );
  }

  async #work(): Promise<void> {
    try {
      if (await this.#opened()) await this.#run();
    } finally {
      await this.#trail.close();
    }
  }

  async #run(): Promise<void> {
    const { consumer, concurrency } = this.#options;
    const { leaseMs } = (await consumer.info()).definition;
    // Nothing is leased ahead: what is handed back comes again behind later events.
    const options = { concurrency, prefetch: false, name: this.#life.name };
    const run = consumer.run((delivery) => this.#hold(delivery), options);
    this.#leases.start(leaseMs);
    this.#life.begin();
    try {
      await Promise.race([run.closed, whenAborted(this.#life.signal, this.#ended.signal)]);
    } finally {
      await run.stop().catch(() => {});
      this.#leases.stop();
    }
    if (this.#ended.signal.aborted) throw this.#ended.signal.reason;
  }

  /** Opens the trail, as often as it takes. Returns false if the sink has to stop first. */
  async #opened(): Promise<boolean> {
    while (!this.#life.signal.aborted) {
      try {
        await this.#trail.open();
        return true;
      } catch (error) {
        if (isFinal(error)) throw error;
        this.#life.failed(error);
        await this.#life.wait(this.#life.retryMs());
      }
    }
    return false;
  }

  /** Holds an event until it is settled. */
  #hold(delivery: Delivery<P>): Promise<void> {
    this.#leases.add(delivery);
    return new Promise((settle) => {
      this.#waiting.push({
        delivery,
        settle,
        event: delivery.event,
        text: eventText(delivery.event),
      });
      if (!this.#isWriting) void this.#write();
    });
  }

  /** Writes what waits, batch by batch. What comes during a flush is the next batch. Never rejects. */
  async #write(): Promise<void> {
    this.#isWriting = true;
    // What arrives in this turn goes along.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#take();
      const error = await this.#append(batch);
      await Promise.all(batch.map((one) => this.#settle(one, error)));
    }
    this.#isWriting = false;
  }

  /** The next events, without those whose lease is lost: their next holder may be another process. */
  #take(): Waiting<P>[] {
    let bytes = 0;
    let count = 0;
    for (; count < this.#waiting.length && count < AUDIT_BATCH_EVENTS_MAX; count++) {
      bytes += Buffer.byteLength(this.#waiting[count]!.text);
      if (bytes > AUDIT_BATCH_BYTES_MAX && count > 0) break;
    }
    return this.#waiting.splice(0, count);
  }

  /** Returns nothing once the events are flushed, or why they will not be. */
  async #append(batch: readonly Waiting<P>[]): Promise<unknown> {
    for (;;) {
      const alive = batch.filter(({ delivery }) => !delivery.signal.aborted);
      try {
        if (this.#ended.signal.aborted) return this.#ended.signal.reason;
        this.#life.done(await this.#trail.append(alive));
        this.#tellHead();
        return undefined;
      } catch (error) {
        if (isFinal(error)) {
          this.#ended.abort(error);
          return error;
        }
        this.#life.failed(error);
        await this.#life.wait(this.#life.retryMs());
        if (this.#life.signal.aborted) return error;
      }
    }
  }

  #tellHead(): void {
    const { head } = this.#trail;
    if (head === undefined) return;
    try {
      this.#options.onHead(head);
    } catch (error) {
      this.#life.tell(error);
    }
  }

  async #settle({ delivery, settle }: Waiting<P>, error: unknown): Promise<void> {
    try {
      if (!delivery.signal.aborted) {
        await (error === undefined ? delivery.ack() : delivery.nak({ count: false }));
      }
    } catch (failure) {
      // The lease is lost: the event comes again, and is found in the trail.
      this.#life.tell(failure);
    }
    this.#leases.remove(delivery);
    settle();
  }
}

/** Whether another attempt cannot help. */
function isFinal(error: unknown): boolean {
  return error instanceof BusError && ['AUDIT_BROKEN', 'LIMIT_EXCEEDED'].includes(error.code);
}
