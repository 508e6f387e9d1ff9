/**
 * Has payloads checked by the definitions of the thread that opened the bus. A definition is code, so other threads know
 * its pattern alone, and send the payloads of topics that it matches to that thread. Used by the endpoint's thread
 * alone.
 */
import type { AnswerOf, PayloadToCheck, RequestOf } from '../../link/calls.js';
import type { TopicDefinitions } from '../../protocol/define-topic.js';
import { BusError } from '../../protocol/errors.js';
import type { EventInput } from '../../protocol/event.js';
import { checkEventInput } from '../../protocol/event-input.js';
import {
  PAYLOAD_CHECK_WAIT_MS,
  PAYLOAD_CHECKS_LENGTH_MAX,
  PAYLOAD_CHECKS_MAX,
  TOPIC_DEFINITION_CACHE_TOPICS,
} from '../../protocol/limits/endpoint.js';
import { inputPayloadText } from '../../protocol/payload.js';
import { matchesPattern } from '../../protocol/topic.js';
import { ofBatch } from './batch-fault.js';

export type CheckPayloads = (
  request: RequestOf<'checkPayloads'>,
) => Promise<AnswerOf<'checkPayloads'>>;

export interface OpenerChecksOptions {
  /** Patterns of the opener's definitions that this thread does not have. */
  readonly patterns: readonly string[];
  readonly maxPayloadBytes: number;
  /** How long an answer may take, ms. Default `PAYLOAD_CHECK_WAIT_MS`. */
  readonly waitMs?: number;
}

/** The definitions that the opener of the bus has, as another thread knows them. */
export interface OpenerDefinitions {
  readonly definedPatterns: readonly string[];
  readonly options: { readonly maxPayloadBytes: number };
}

/** Undefined if this thread has every definition itself, as the opener does. */
export function openerChecks(
  { definedPatterns, options }: OpenerDefinitions,
  own: TopicDefinitions,
  ask: CheckPayloads,
): OpenerChecks | undefined {
  const patterns = definedPatterns.filter((pattern) => !own.has(pattern));
  if (patterns.length === 0) return undefined;
  return new OpenerChecks(ask, { patterns, maxPayloadBytes: options.maxPayloadBytes });
}

export class OpenerChecks {
  readonly #ask: CheckPayloads;
  readonly #patterns: readonly string[];
  readonly #maxPayloadBytes: number;
  readonly #waitMs: number;
  /** Whether a topic seen lately has a definition. */
  readonly #byTopic = new Map<string, boolean>();
  /** Of the payloads that the opener has not answered for, also where nobody waits for the answer any more. */
  #events = 0;
  #length = 0;

  constructor(ask: CheckPayloads, options: OpenerChecksOptions) {
    this.#ask = ask;
    this.#patterns = options.patterns;
    this.#maxPayloadBytes = options.maxPayloadBytes;
    this.#waitMs = options.waitMs ?? PAYLOAD_CHECK_WAIT_MS;
  }

  /**
   * Resolves once all payloads fit. `undefined`: none of the events is on a topic that has a definition, or one of them
   * is malformed, so that the endpoint refuses them all.
   *
   * @param isBatch an error names the event's place in the list
   * @throws BusError, as a rejection: `PAYLOAD_INVALID` with `details.issues`, `OPTION_INVALID` for a validator that is
   *   asynchronous, `PAYLOAD_TOO_LARGE`, `BACKPRESSURE` where the opener does not answer in time or too many payloads
   *   wait for it, `BUS_CLOSED`
   */
  check(inputs: readonly EventInput[], isBatch: boolean): Promise<void> | undefined {
    // The topic of a malformed event may be of any length, and no cache may hold it.
    if (!inputs.every(isWellFormed)) return undefined;
    const places: number[] = [];
    for (let i = 0; i < inputs.length; i++) {
      if (this.#isDefined(inputs[i]!.topic)) places.push(i);
    }
    return places.length === 0 ? undefined : this.#check(inputs, places, isBatch);
  }

  async #check(
    inputs: readonly EventInput[],
    places: readonly number[],
    isBatch: boolean,
  ): Promise<void> {
    const payloads = places.map((place) => this.#payloadOf(inputs[place]!));
    const { fault } = await this.#answer(payloads);
    if (fault === null) return;
    const error = BusError.from(fault.error);
    throw isBatch ? ofBatch(error, places[fault.at]!) : error;
  }

  #payloadOf(input: EventInput): PayloadToCheck {
    return { topic: input.topic, payload: inputPayloadText(input, this.#maxPayloadBytes) };
  }

  #answer(payloads: readonly PayloadToCheck[]): Promise<AnswerOf<'checkPayloads'>> {
    const events = payloads.length;
    const length = payloads.reduce((sum, { payload }) => sum + payload.length, 0);
    if (this.#isFull(events, length)) return Promise.reject(this.#backpressure(0));
    this.#events += events;
    this.#length += length;
    // A call that nobody waits for any more lies in the opener's queue all the same, so it counts until its answer.
    const answer = this.#ask({ payloads }).finally(() => {
      this.#events -= events;
      this.#length -= length;
    });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(this.#backpressure(this.#waitMs)), this.#waitMs);
      answer.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  #isFull(events: number, length: number): boolean {
    // A batch has the whole room if nothing else is in it.
    if (this.#events === 0) return false;
    return (
      this.#events + events > PAYLOAD_CHECKS_MAX ||
      this.#length + length > PAYLOAD_CHECKS_LENGTH_MAX
    );
  }

  #backpressure(waitedMs: number): BusError {
    const waiting = this.#events;
    const wait = waitedMs === 0 ? 'no more may wait' : `waited ${waitedMs} ms`;
    const message = `the thread that opened the bus has not checked the payload: ${wait}; ${waiting} events wait`;
    return new BusError('BACKPRESSURE', message, { details: { waitedMs, waiting } });
  }

  #isDefined(topic: string): boolean {
    const known = this.#byTopic.get(topic);
    if (known !== undefined) return known;
    const isDefined = this.#patterns.some((pattern) => matchesPattern(pattern, topic));
    if (this.#byTopic.size >= TOPIC_DEFINITION_CACHE_TOPICS) this.#byTopic.clear();
    this.#byTopic.set(topic, isDefined);
    return isDefined;
  }
}

function isWellFormed(input: EventInput): boolean {
  try {
    checkEventInput(input);
    return true;
  } catch {
    return false;
  }
}
