import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionRates } from '../../auth/rate-limiter.js';
import { BusError, type ErrorCode } from '../../protocol/errors.js';
import type { EventInput, PublishAck, PublishManyOptions } from '../../protocol/event.js';
import {
  HTTP_LINES_BATCH_BYTES_MAX,
  HTTP_LINES_PER_BATCH_MAX,
} from '../../protocol/limits/http.js';
import { errorData } from '../error-data.js';
import { assertStillHolds, cursorBefore, permittedEvents } from '../permissions.js';
import { PublishLane } from '../publish-lane.js';
import { Refusal } from '../refusal.js';
import { bodyLines, type Line, parseEvents } from './body.js';
import { eventOf, withPath } from './event-bodies.js';
import {
  CURSOR_HEADER,
  type Exchange,
  headerOf,
  JSON_TYPE,
  NDJSON_TYPE,
  sendError,
} from './exchange.js';
import type { HttpContext } from './http-context.js';
import { HttpOutbound } from './http-outbound.js';
import { httpStatusOf } from './http-status.js';
import { negotiate } from './media-types.js';

/**
 * Publishes an NDJSON body while it arrives. While one batch is being published the next one gathers; when that is
 * full, reading stops. So a body may have any length. Batches are published one after the other, and the first line
 * that cannot be published ends the request: all lines before it are acknowledged, none after it is published.
 */
export async function publishLines(
  exchange: Exchange,
  context: HttpContext,
  options: LineOptions,
): Promise<void> {
  const type = negotiate(headerOf(exchange.request, 'accept'), [NDJSON_TYPE, JSON_TYPE]);
  const answer = new AckStream(exchange, context, type);
  const publisher = new LinePublisher(exchange, context, options, answer);
  try {
    for await (const lines of bodyLines(exchange.request, exchange.bodies)) {
      for (const line of lines) await publisher.add(line);
      if (publisher.hasFailed || !answer.isOpen) break;
    }
  } catch (error) {
    publisher.fail(error);
  }
  answer.end(await publisher.finished());
}

/** Lines are published as they arrive, so they take no terms. */
type LineOptions = Omit<PublishManyOptions, 'atomic' | 'expect'>;

interface Waiting {
  readonly line: number;
  readonly event: EventInput;
}

/** Errors that say that nothing of a batch was published, because one of its events is at fault. */
const FAULTS_OF_ONE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'TOPIC_INVALID',
  'EVENT_INVALID',
  'PAYLOAD_INVALID',
  'PAYLOAD_TOO_LARGE',
]);

class LinePublisher {
  readonly #exchange: Exchange;
  readonly #closing: AbortSignal;
  readonly #lane: PublishLane;
  readonly #options: LineOptions;
  readonly #answer: AckStream;
  readonly #rates: ConnectionRates;
  /** Fires when the server stops or the client has left. */
  readonly #over: AbortSignal;
  #batch: Waiting[] = [];
  #batchBytes = 0;
  #running: Promise<void> | undefined;
  /** The fault of a line after the batch, or of reading on; reported once the batch has been published. */
  #fault: unknown;
  /** The error of publishing a batch; nothing is published after it. */
  #failure: unknown;

  constructor(exchange: Exchange, context: HttpContext, options: LineOptions, answer: AckStream) {
    this.#exchange = exchange;
    this.#closing = context.closing;
    this.#lane = new PublishLane(context.endpoint, () => assertStillHolds(exchange.principal));
    this.#options = options;
    this.#answer = answer;
    this.#rates = exchange.rates;
    this.#over = AbortSignal.any([context.closing, answer.gone]);
  }

  get hasFailed(): boolean {
    return this.#fault !== undefined || this.#failure !== undefined;
  }

  /** Adds a line to the batch; resolves when there is room for another one. */
  async add({ number, bytes }: Line): Promise<void> {
    if (this.hasFailed) return;
    try {
      const event = eventOf(parseEvents(bytes, 'the line'), '');
      const [permitted] = permittedEvents(this.#exchange.principal, [event]);
      this.#exchange.bodies.take(bytes.length);
      this.#batch.push({ line: number, event: permitted! });
      this.#batchBytes += bytes.length;
    } catch (error) {
      this.#fault = ofLine(error, number);
      return;
    }
    this.#running ??= this.#run();
    const isFull =
      this.#batch.length >= HTTP_LINES_PER_BATCH_MAX ||
      this.#batchBytes >= HTTP_LINES_BATCH_BYTES_MAX;
    if (isFull) await this.#answer.orGone(this.#taken());
  }

  /** Notes that the body could not be read any further. */
  fail(error: unknown): void {
    this.#fault ??= error;
  }

  /**
   * Resolves when nothing more will be published, with the error that stopped it; undefined where all lines are
   * published.
   */
  async finished(): Promise<unknown> {
    while (this.#running !== undefined) await this.#running;
    return this.#failure ?? this.#fault;
  }

  #onTaken: () => void = () => {};

  /** Resolves when the publishing of the present batch begins, or when no batch will be published any more. */
  #taken(): Promise<void> {
    return new Promise((resolve) => {
      this.#onTaken = resolve;
    });
  }

  async #run(): Promise<void> {
    // Waiting for a microtask lets the other lines of the same piece join the first batch.
    await Promise.resolve();
    while (this.#batch.length > 0 && this.#failure === undefined && this.#answer.isOpen) {
      const batch = this.#batch;
      const bytes = this.#batchBytes;
      this.#batch = [];
      this.#batchBytes = 0;
      this.#onTaken();
      try {
        await this.#publish(batch);
      } catch (error) {
        this.#failure = error;
      } finally {
        this.#exchange.bodies.giveBack(bytes);
      }
      await this.#answer.relieved();
    }
    // Lines that wait after a failure, or when the client has left, are not published.
    this.#exchange.bodies.giveBack(this.#batchBytes);
    this.#batch = [];
    this.#batchBytes = 0;
    this.#running = undefined;
    this.#onTaken();
  }

  async #publish(batch: readonly Waiting[]): Promise<void> {
    await this.#rateAllows(batch.length);
    assertStillHolds(this.#exchange.principal);
    const events = batch.map(({ event }) => event);
    try {
      this.#answer.add(await this.#lane.publishMany(events, this.#options));
    } catch (error) {
      if (error instanceof BusError && FAULTS_OF_ONE.has(error.code)) {
        await this.#publishSingly(batch);
      } else throw ofLines(error, batch);
    }
  }

  /** Publishes the events one by one, up to the event that is at fault. */
  async #publishSingly(batch: readonly Waiting[]): Promise<void> {
    for (const { line, event } of batch) {
      try {
        this.#answer.add([await this.#lane.publish(event, this.#options)]);
      } catch (error) {
        throw ofLine(error, line);
      }
    }
  }

  /** Waits until the rate allows so many events: a body that arrives too fast is slowed down, not refused. */
  async #rateAllows(events: number): Promise<void> {
    for (;;) {
      try {
        this.#rates.publish(events);
        return;
      } catch (error) {
        const retryAfterMs = error instanceof BusError ? error.details?.retryAfterMs : undefined;
        if (typeof retryAfterMs !== 'number' || this.#closing.aborted) throw error;
        await sleep(retryAfterMs, undefined, { signal: this.#over }).catch(() => {});
        if (!this.#answer.isOpen) throw error;
      }
    }
  }
}

/** The answer: acks as they come, as lines or as one JSON array. */
class AckStream {
  readonly #exchange: Exchange;
  readonly #outbound: HttpOutbound;
  readonly #type: string;
  readonly #left = new AbortController();
  readonly #gone: Promise<void>;
  #count = 0;
  /** The cursor in front of the first batch, and so of all batches. */
  #cursor: string | undefined;

  constructor(exchange: Exchange, { turns, settings, log }: HttpContext, type: string) {
    const { response } = exchange;
    this.#exchange = exchange;
    this.#type = type;
    this.#outbound = new HttpOutbound(response, exchange.budget, { turns, settings }, () => {
      log('warn', 'request cut: its acks are not read', { code: 'SLOW_CONSUMER' });
    });
    this.#gone = new Promise((resolve) => response.once('close', resolve));
    void this.#gone.then(() => this.#left.abort());
  }

  /** Fires when the answer has ended or the client has left. */
  get gone(): AbortSignal {
    return this.#left.signal;
  }

  get isOpen(): boolean {
    return this.#outbound.isOpen;
  }

  add(acks: readonly PublishAck[]): void {
    this.#cursor ??= cursorBefore(this.#exchange.principal, acks);
    for (const ack of acks) this.#write(JSON.stringify(ack));
  }

  relieved(): Promise<void> {
    return this.#outbound.relieved();
  }

  /** Resolves when `work` does, or when the client has left. */
  async orGone(work: Promise<void>): Promise<void> {
    await Promise.race([work, this.#gone]);
  }

  /** Ends the answer. Before the first ack an error is the answer, with its status; after it, the last element. */
  end(error: unknown): void {
    if (!this.isOpen) return;
    if (error !== undefined && this.#count === 0) {
      sendError(this.#exchange.response, error);
      return;
    }
    if (error !== undefined) {
      this.#write(JSON.stringify({ error: { status: httpStatusOf(error), ...errorData(error) } }));
    }
    if (this.#count === 0) this.#open();
    if (this.#type === JSON_TYPE) this.#outbound.write(this.#count === 0 ? '[]' : ']');
    this.#outbound.end();
  }

  #write(text: string): void {
    if (this.#count === 0) this.#open();
    const before = this.#count === 0 ? '[' : ',';
    this.#count++;
    this.#outbound.write(this.#type === JSON_TYPE ? `${before}${text}` : `${text}\n`);
  }

  #open(): void {
    const cursor = this.#cursor === undefined ? {} : { [CURSOR_HEADER]: this.#cursor };
    this.#exchange.response.writeHead(200, { 'content-type': this.#type, ...cursor });
  }
}

/** The same error with the number of its line. */
function ofLine(error: unknown, line: number): unknown {
  return withLines(error, `line ${line}`, { line });
}

/** The same error for a batch that may be published in part: indexes of events become numbers of lines. */
function ofLines(error: unknown, batch: readonly Waiting[]): unknown {
  const line = batch[0]!.line;
  const lastLine = batch.at(-1)!.line;
  const details = error instanceof BusError ? error.details : undefined;
  const linesOf = (name: string): object => {
    const indexes = details?.[name];
    return Array.isArray(indexes) ? { [name]: indexes.map((at: number) => batch[at]!.line) } : {};
  };
  const where = lastLine === line ? `line ${line}` : `lines ${line} to ${lastLine}`;
  const last = lastLine === line ? {} : { lastLine };
  return withLines(error, where, { line, ...last, ...linesOf('stored'), ...linesOf('unknown') });
}

function withLines(error: unknown, where: string, lines: object): unknown {
  if (!(error instanceof BusError) || error instanceof Refusal) return error;
  const { code, message, details } = withPath(error, '') as BusError;
  const { index: _, ...rest } = details ?? {};
  return new BusError(code, `${where}: ${message}`, {
    cause: error,
    details: { ...rest, ...lines },
  });
}
