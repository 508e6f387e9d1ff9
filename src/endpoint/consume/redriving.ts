import type {
  ConsumerFindDeadAnswer,
  ConsumerRedriveAnswer,
  ConsumerRedriveRequest,
} from '../../link/consumer-shapes.js';
import { deadEvent } from '../../link/dead-events.js';
import type { DeadEvent, RedriveResult } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import { CONSUMER_PAGE_MAX } from '../../protocol/limits/consumers.js';
import type { ConsumerShards, ControlEnd } from './consumer-shards.js';

/** Makes dead events open again, in bounded steps, in all shards side by side. */

type Terms = Pick<ConsumerRedriveRequest, 'isDry' | 'onlyAs'>;

/** @throws BusError `CONFLICT` by `onlyAs`, if no event was redriven before */
export async function redriveAll(shards: ConsumerShards, terms: Terms): Promise<RedriveResult> {
  const steps = new Steps(shards, terms);
  await Promise.all(shards.ends.map((end) => steps.redrive(end, null)));
  return steps.result([]);
}

export async function redriveIds(
  shards: ConsumerShards,
  ids: readonly string[],
  terms: Terms,
): Promise<RedriveResult> {
  const found = new Set<string>();
  const steps = new Steps(shards, terms);
  const redriven = shards.ends.map(async (end) => {
    const sequences = await find(shards, end, ids, found);
    for (let at = 0; at < sequences.length; at += CONSUMER_PAGE_MAX) {
      await steps.redrive(end, sequences.slice(at, at + CONSUMER_PAGE_MAX));
    }
  });
  await Promise.all(redriven);
  return steps.result(ids.filter((id) => !found.has(id)));
}

/** The sequences of a shard's dead events that have the ids, which are noted as found. */
async function find(
  shards: ConsumerShards,
  end: ControlEnd,
  ids: readonly string[],
  found: Set<string>,
): Promise<number[]> {
  const sequences: number[] = [];
  for (let after: number | null = 0; after !== null; ) {
    const answer: ConsumerFindDeadAnswer = await shards.call(end, 'consumerFindDead', {
      ids,
      after,
    });
    for (const { id, sequence } of answer.found) {
      found.add(id);
      sequences.push(sequence);
    }
    after = answer.next;
  }
  return sequences;
}

/** The steps of one call, and what they have come to. */
class Steps {
  readonly #shards: ConsumerShards;
  readonly #terms: Terms;
  readonly #redriven: DeadEvent[] = [];
  #isComplete = true;
  #conflict: BusError | undefined;

  constructor(shards: ConsumerShards, terms: Terms) {
    this.#shards = shards;
    this.#terms = terms;
  }

  /** @param sequences null: all that are dead */
  async redrive(end: ControlEnd, sequences: readonly number[] | null): Promise<void> {
    for (let after: number | null = 0; after !== null; ) {
      const answer = await this.#step(end, sequences, after);
      for (const entry of answer?.redriven ?? []) this.#redriven.push(deadEvent(end.shard, entry));
      if (answer === undefined || answer.isBusy) {
        this.#isComplete = false;
        return;
      }
      after = answer.next;
    }
  }

  /** Where the consumer was changed in between, an answer that knew nothing of the events before would be wrong. */
  result(unknown: readonly string[]): RedriveResult {
    const isNothingDone = this.#terms.isDry || this.#redriven.length === 0;
    if (this.#conflict !== undefined && isNothingDone) throw this.#conflict;
    this.#redriven.sort((a, b) => a.shard - b.shard || a.sequence - b.sequence);
    return { redriven: this.#redriven, unknown, isComplete: this.#isComplete };
  }

  async #step(
    end: ControlEnd,
    sequences: readonly number[] | null,
    after: number,
  ): Promise<ConsumerRedriveAnswer | undefined> {
    const request = { sequences, after, limit: CONSUMER_PAGE_MAX, ...this.#terms };
    try {
      return await this.#shards.call(end, 'consumerRedrive', request);
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'CONFLICT') throw error;
      this.#conflict = error;
      return undefined;
    }
  }
}
