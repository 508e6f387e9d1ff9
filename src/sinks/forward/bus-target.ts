import type { BusApi } from '../../protocol/bus-api.js';
import { BusError, ERROR_CODES, type ErrorCode } from '../../protocol/errors.js';
import { FORWARD_SINGLES_AT_ONCE } from '../../protocol/limits/forward.js';
import { codeOf, messageOf } from '../../protocol/thrown.js';
import type { Forwarded } from './hops.js';
import type { Outcome, Target } from './target.js';

/** Another Millrace as a target: a bus of this process, or a client of a server. */

/** The calls that a target needs of a bus or a client. */
export type TargetBus = Pick<BusApi, 'publish' | 'publishMany' | 'get'>;

/** Codes after which nobody knows whether the event was stored. */
const UNKNOWN_CODES = new Set(['PUBLISH_UNKNOWN', 'CONNECTION_FAILED', 'TIMEOUT', 'ABORTED']);

export class BusTarget implements Target {
  readonly #bus: TargetBus;
  readonly #close: () => Promise<void>;

  /** `close`: what is to be done at the end; a bus of the app's own stays open. */
  constructor(bus: TargetBus, close: () => Promise<void> = async () => {}) {
    this.#bus = bus;
    this.#close = close;
  }

  /**
   * In one call. If it fails, its error says which events are stored and which are in doubt, and of the refused ones why
   * the first was; so the rest is published one by one.
   */
  async publish(inputs: readonly Forwarded[], signal: AbortSignal): Promise<readonly Outcome[]> {
    if (inputs.length === 1) return [await this.#publishOne(inputs[0]!, signal)];
    try {
      const acks = await this.#bus.publishMany(inputs, { persist: true, signal });
      return acks.map(({ duplicate }) => ({ kind: 'stored', isDuplicate: duplicate }));
    } catch (thrown) {
      const error = busErrorOf(thrown);
      const { stored, unknown, isOfOne } = detailsOf(error);
      const isInDoubt = !isOfOne && UNKNOWN_CODES.has(error.code);
      return inTurns(inputs, async (input, at): Promise<Outcome> => {
        if (stored.has(at)) return { kind: 'stored', isDuplicate: false };
        if (isInDoubt || unknown.has(at)) return { kind: 'failed', error, isKnown: false };
        return this.#publishOne(input, signal);
      });
    }
  }

  /**
   * By its id, and by what else a repeat has in common with it: a publisher may have given the id again, long after its
   * dedupe window. False where this principal may not look: its ids are then known for the dedupe window alone.
   */
  async has({ topic, id, type, timestamp }: Forwarded): Promise<boolean> {
    const found = await this.#bus.get(topic, id).catch((error: unknown) => {
      if (codeOf(error) === 'FORBIDDEN') return undefined;
      throw error;
    });
    return found !== undefined && found.type === type && found.timestamp === timestamp;
  }

  close(): Promise<void> {
    return this.#close();
  }

  async #publishOne(input: Forwarded, signal: AbortSignal): Promise<Outcome> {
    try {
      const { duplicate } = await this.#bus.publish(input, { persist: true, signal });
      return { kind: 'stored', isDuplicate: duplicate };
    } catch (thrown) {
      const error = busErrorOf(thrown);
      return { kind: 'failed', error, isKnown: !UNKNOWN_CODES.has(error.code) };
    }
  }
}

/** Calls with each item, a few at the same time. */
export async function inTurns<I, R>(
  items: readonly I[],
  call: (item: I, at: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += FORWARD_SINGLES_AT_ONCE) {
    const some = items.slice(from, from + FORWARD_SINGLES_AT_ONCE);
    results.push(...(await Promise.all(some.map((item, at) => call(item, from + at)))));
  }
  return results;
}

/** An error of another copy of the package is no `BusError` of this one, and has the same codes. */
function busErrorOf(thrown: unknown): BusError {
  if (thrown instanceof BusError) return thrown;
  const code =
    ERROR_CODES.find((known) => known === codeOf(thrown)) ?? ('SINK_FAILED' as ErrorCode);
  const { details } = Object(thrown) as { details?: Record<string, unknown> };
  return new BusError(code, messageOf(thrown), { cause: thrown, ...(details && { details }) });
}

/** Which events of a `publishMany` are stored, and which are in doubt; `isOfOne`: the error names one of them. */
function detailsOf({ details = {} }: BusError) {
  const setOf = (value: unknown): Set<unknown> => new Set(Array.isArray(value) ? value : []);
  const { stored, unknown, index } = details;
  return { stored: setOf(stored), unknown: setOf(unknown), isOfOne: index !== undefined };
}
