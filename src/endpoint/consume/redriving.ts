import type { ConsumerFindDeadAnswer, ConsumerRedriveAnswer } from '../../link/consumer-shapes.js';
import { deadEvent } from '../../link/dead-events.js';
import type { DeadEvent, RedriveResult } from '../../protocol/consumers.js';
import { CONSUMER_PAGE_MAX } from '../../protocol/limits/consumers.js';
import type { ConsumerShards, ControlEnd } from './consumer-shards.js';

/** Makes dead events open again, in bounded steps, in all shards side by side. */

interface Redriven {
  readonly events: readonly DeadEvent[];
  readonly isComplete: boolean;
}

export async function redriveAll(shards: ConsumerShards, isDry: boolean): Promise<RedriveResult> {
  const redriven = shards.ends.map((end) => redrive(shards, end, null, isDry));
  return result(await Promise.all(redriven), []);
}

export async function redriveIds(
  shards: ConsumerShards,
  ids: readonly string[],
  isDry: boolean,
): Promise<RedriveResult> {
  const found = new Set<string>();
  const redriven = shards.ends.map(async (end) => {
    const sequences = await find(shards, end, ids, found);
    const done: Redriven[] = [];
    for (let at = 0; at < sequences.length; at += CONSUMER_PAGE_MAX) {
      const some = sequences.slice(at, at + CONSUMER_PAGE_MAX);
      done.push(await redrive(shards, end, some, isDry));
    }
    return done;
  });
  const all = (await Promise.all(redriven)).flat();
  return result(
    all,
    ids.filter((id) => !found.has(id)),
  );
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

/** @param sequences null: all that are dead */
async function redrive(
  shards: ConsumerShards,
  end: ControlEnd,
  sequences: readonly number[] | null,
  isDry: boolean,
): Promise<Redriven> {
  const events: DeadEvent[] = [];
  for (let after: number | null = 0; after !== null; ) {
    const answer: ConsumerRedriveAnswer = await shards.call(end, 'consumerRedrive', {
      sequences,
      after,
      limit: CONSUMER_PAGE_MAX,
      isDry,
    });
    for (const entry of answer.redriven) events.push(deadEvent(end.shard, entry));
    if (answer.isBusy) return { events, isComplete: false };
    after = answer.next;
  }
  return { events, isComplete: true };
}

function result(redriven: readonly Redriven[], unknown: readonly string[]): RedriveResult {
  return {
    redriven: redriven.flatMap(({ events }) => events),
    unknown,
    isComplete: redriven.every(({ isComplete }) => isComplete),
  };
}
