import { watchSignal } from '../handout/watch-signal.js';
import { TopicDefinitions } from '../protocol/define-topic.js';
import { BusError } from '../protocol/errors.js';
import type {
  EventInput,
  PublishAck,
  PublishManyOptions,
  PublishOptions,
} from '../protocol/event.js';
import { PUBLISH_MANY_MAX } from '../protocol/limits/bus-api.js';
import {
  CLIENT_PUBLISH_FRAME_BYTES,
  CLIENT_PUBLISH_FRAME_EVENTS,
} from '../protocol/limits/client.js';
import {
  checkPublishManyOptions,
  checkPublishOptions,
  type OptionCheck,
  PUBLISH_CHECKS,
  PUBLISH_MANY_CHECKS,
  wholeNumber,
} from '../protocol/options.js';
import { checkGroup, expectedSequences } from '../protocol/publish-terms.js';
import { quote } from '../protocol/quote.js';
import type { ParsedConnectOptions } from './options.js';
import type { Abandon, Outbox, PublishFrame } from './outbox.js';
import {
  aborted,
  FRAME_ENVELOPE_BYTES,
  type OutgoingEvent,
  type OutgoingLimits,
  outgoingEvent,
  publishOptionsText,
} from './outgoing-event.js';

const timeoutCheck: [string, OptionCheck] = ['timeoutMs', wholeNumber(0, Number.MAX_SAFE_INTEGER)];
const CHECKS = new Map([...PUBLISH_CHECKS, timeoutCheck]);
const MANY_CHECKS = new Map([...PUBLISH_MANY_CHECKS, timeoutCheck]);

/** `timeoutMs`: how long to wait for the acknowledgement, 0 for ever; default the client's `publishTimeoutMs`. */
export interface ClientPublishOptions extends PublishOptions {
  /**
   * The longest wait for the acknowledgement, time offline included, until `TIMEOUT`; 0: none. Default:
   * `publishTimeoutMs` of `connect`.
   */
  timeoutMs?: number;
}

/** As `ClientPublishOptions`, for `publishMany`. */
export interface ClientPublishManyOptions extends PublishManyOptions {
  /** As of `publish`, for the whole call. Default: `publishTimeoutMs` of `connect`. */
  timeoutMs?: number;
}

/**
 * Publishing from a client: checks events, gives each an id, makes its text, and hands frames to the outbox: one for a
 * `publish`, several of bounded size for a `publishMany`.
 */
export class ClientPublisher {
  readonly #outbox: Outbox;
  readonly #options: ParsedConnectOptions;
  readonly #definitions: TopicDefinitions;
  readonly #limits: () => OutgoingLimits;
  #closed: BusError | undefined;

  constructor(outbox: Outbox, options: ParsedConnectOptions, limits: () => OutgoingLimits) {
    this.#outbox = outbox;
    this.#options = options;
    this.#definitions = new TopicDefinitions(options.topics);
    this.#limits = limits;
  }

  async publish(input: EventInput, options: ClientPublishOptions = {}): Promise<PublishAck> {
    const event = this.#checkOne(input, options);
    if (!this.#outbox.hasRoom(1, event.bytes)) throw this.#outbox.full();
    const acks = await this.#send([event], options, false);
    return acks[0]!;
  }

  async publishMany(
    inputs: readonly EventInput[],
    options: ClientPublishManyOptions = {},
  ): Promise<PublishAck[]> {
    checkBatch(inputs);
    checkPublishManyOptions(options, MANY_CHECKS);
    // All are checked before any is sent, so that a bad one leaves nothing behind.
    const events = inputs.map((input, index) => this.#checkOneOfMany(input, index, options));
    if (events.length === 0) return [];
    const bytes = events.reduce((sum, event) => sum + event.bytes, 0);
    if (!this.#outbox.hasRoom(events.length, bytes)) throw this.#outbox.full();
    const { frameBytes } = this.#limits();
    if (options.atomic === true) return this.#sendGroup(inputs, events, options);
    const room = Math.min(CLIENT_PUBLISH_FRAME_BYTES, frameBytes - FRAME_ENVELOPE_BYTES);
    const parts = chunks(events, room);
    const first = parts[0]!;
    if (parts.length === 1) return this.#send(first, options, true);
    const outcomes = await Promise.allSettled(parts.map((part) => this.#send(part, options, true)));
    return joinOutcomes(parts, outcomes);
  }

  /**
   * Checks events that go out in one commit with something else.
   * @returns the members of a frame's payload that hold them and their options
   * @throws BusError as `publishMany`
   */
  groupText(inputs: readonly EventInput[], options: PublishManyOptions): string {
    checkBatch(inputs);
    const { atomic: _, ...given } = options;
    checkPublishManyOptions({ ...given, atomic: true });
    const events = inputs.map((input, index) => this.#checkOneOfMany(input, index, options));
    this.#checkGroup(inputs, events, options);
    return `"events":[${events.map(({ text }) => text).join(',')}]${publishOptionsText(given)}`;
  }

  /** Sends a group, which has to fit into one frame. */
  #sendGroup(
    inputs: readonly EventInput[],
    events: readonly OutgoingEvent[],
    options: ClientPublishManyOptions,
  ): Promise<PublishAck[]> {
    this.#checkGroup(inputs, events, options);
    return this.#send(events, options, true);
  }

  #checkGroup(
    inputs: readonly EventInput[],
    events: readonly OutgoingEvent[],
    options: PublishManyOptions,
  ): void {
    checkGroup(inputs, options.idScope);
    expectedSequences(inputs, options.expect);
    const { frameBytes } = this.#limits();
    const eventBytes = events.reduce((sum, event) => sum + event.bytes, 0);
    const bytes = eventBytes + events.length + publishOptionsText(options).length;
    if (bytes + FRAME_ENVELOPE_BYTES > frameBytes) {
      const message = `atomic: the events have ${bytes} bytes of JSON; the server takes ${frameBytes}`;
      throw new BusError('PAYLOAD_TOO_LARGE', message, { details: { bytes, limit: frameBytes } });
    }
  }

  tryPublish(input: EventInput, options: ClientPublishOptions = {}): boolean {
    const event = this.#checkOne(input, options);
    if (!this.#outbox.hasRoom(1, event.bytes)) {
      this.#outbox.missed(event.bytes);
      return false;
    }
    this.#send([event], options, false).catch((error: unknown) => {
      if (error instanceof BusError) this.#options.onError(error);
    });
    return true;
  }

  /** From here on every publish is refused. */
  refuse(error: BusError | undefined): void {
    this.#closed = error;
  }

  #checkOne(input: EventInput, options: ClientPublishOptions): OutgoingEvent {
    const event = this.#check(input, options.signal);
    checkPublishOptions(options, CHECKS);
    return event;
  }

  #check(input: EventInput, signal: AbortSignal | undefined): OutgoingEvent {
    const event = outgoingEvent(input, this.#options.source, this.#definitions, this.#limits());
    if (this.#closed !== undefined) throw this.#closed;
    if (signal?.aborted) throw aborted(signal, false);
    return event;
  }

  #checkOneOfMany(
    input: EventInput,
    index: number,
    { signal }: ClientPublishManyOptions,
  ): OutgoingEvent {
    try {
      return this.#check(input, signal);
    } catch (error) {
      if (!(error instanceof BusError) || error === this.#closed) throw error;
      const details = { ...error.details, index };
      const message = `events[${index}]: ${error.message}`;
      throw new BusError(error.code, message, { details, cause: error });
    }
  }

  #send(
    events: readonly OutgoingEvent[],
    options: ClientPublishManyOptions,
    isMany: boolean,
  ): Promise<PublishAck[]> {
    const { signal, timeoutMs = this.#options.publishTimeoutMs, persist } = options;
    return new Promise((resolve, reject) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      let unwatch: (() => void) | undefined;
      let abandon: Abandon = () => {};
      const onAbort = (): void => abandon((isSent) => aborted(signal!, isSent));
      const settle = (): void => {
        clearTimeout(timer);
        unwatch?.();
      };
      const frame: PublishFrame = {
        events,
        options: publishOptionsText(options),
        isEphemeral: persist === false,
        isMany,
        resolve: (acks) => {
          settle();
          resolve([...acks]);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      if (timeoutMs > 0) {
        timer = setTimeout(() => abandon((isSent) => late(timeoutMs, isSent)), timeoutMs);
      }
      if (signal !== undefined) unwatch = watchSignal(signal, onAbort);
      abandon = this.#outbox.add(frame);
    });
  }
}

function checkBatch(inputs: readonly EventInput[]): void {
  if (!Array.isArray(inputs)) {
    throw new BusError('EVENT_INVALID', `${quote(inputs)} is not an array of events`);
  }
  if (inputs.length <= PUBLISH_MANY_MAX) return;
  const message = `${inputs.length} events at once; ${PUBLISH_MANY_MAX} is the limit`;
  throw new BusError('LIMIT_EXCEEDED', message, {
    details: { events: inputs.length, limit: PUBLISH_MANY_MAX },
  });
}

function chunks(events: readonly OutgoingEvent[], bytesMax: number): OutgoingEvent[][] {
  const parts: OutgoingEvent[][] = [];
  let part: OutgoingEvent[] = [];
  let bytes = 0;
  for (const event of events) {
    // The 1 is for the comma behind the event.
    const isFull =
      bytes + event.bytes + 1 > bytesMax || part.length === CLIENT_PUBLISH_FRAME_EVENTS;
    if (part.length > 0 && isFull) {
      parts.push(part);
      part = [];
      bytes = 0;
    }
    part.push(event);
    bytes += event.bytes + 1;
  }
  if (part.length > 0) parts.push(part);
  return parts;
}

/**
 * Joins the outcomes of several frames into that of one call: all acks, or an error whose details say which events were
 * stored, as `publishMany` of a bus in the same process does.
 */
function joinOutcomes(
  parts: readonly OutgoingEvent[][],
  outcomes: readonly PromiseSettledResult<PublishAck[]>[],
): PublishAck[] {
  const acks: PublishAck[] = [];
  const stored: number[] = [];
  const unknown: number[] = [];
  let first: PartFailure | undefined;
  let start = 0;
  for (const [at, outcome] of outcomes.entries()) {
    const { length } = parts[at]!;
    if (outcome.status === 'fulfilled') {
      acks.push(...outcome.value);
      for (let index = 0; index < length; index++) stored.push(start + index);
    } else {
      const part = partFailure(outcome.reason, length, start);
      acks.push(...part.acks);
      stored.push(...part.stored);
      unknown.push(...part.unknown);
      const isFirstUnknown = part.unknown.length > 0 && first?.unknown.length === 0;
      if (first === undefined || isFirstUnknown) first = part;
    }
    start += length;
  }
  if (first === undefined) return acks;
  const { error, index } = first;
  if (!(error instanceof BusError)) throw error;
  const failed = start - stored.length;
  const details = { ...error.details, index, failed, acks, stored };
  throw new BusError(error.code, `${failed} of ${start} events: ${error.message}`, {
    details: unknown.length === 0 ? details : { ...details, unknown },
    cause: error,
  });
}

interface PartFailure {
  readonly error: unknown;
  readonly index: number;
  readonly acks: readonly PublishAck[];
  readonly stored: readonly number[];
  readonly unknown: readonly number[];
}

/**
 * Reads from a frame's error what became of its events. `start` is the index, in the call, of the frame's first event.
 */
function partFailure(error: unknown, length: number, start: number): PartFailure {
  const { index, acks, stored, unknown, isSent } = (error as BusError).details ?? {};
  const code = error instanceof BusError ? error.code : undefined;
  const isOpen = code === 'PUBLISH_UNKNOWN' || isSent === true;
  const all = Array.from({ length }, (_, at) => start + at);
  return {
    error,
    index: start + (typeof index === 'number' ? index : 0),
    acks: Array.isArray(acks) ? acks : [],
    stored: Array.isArray(stored) ? stored.map((at) => start + at) : [],
    unknown: Array.isArray(unknown) ? unknown.map((at) => start + at) : isOpen ? all : [],
  };
}

function late(timeoutMs: number, isSent: boolean): BusError {
  const rest = isSent ? 'the server may have stored it all the same' : 'it was not sent';
  const message = `the publish was not acknowledged within ${timeoutMs} ms; ${rest}`;
  return new BusError('TIMEOUT', message, { details: { timeoutMs, isSent } });
}
