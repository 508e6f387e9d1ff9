import type { SeekPreview } from '../../protocol/consumers.js';
import {
  SEEK_PREVIEW_EVENTS_MAX,
  SEEK_PREVIEW_EVENTS_PER_ANSWER,
} from '../../protocol/limits/consumers.js';
import type { ConsumerShards, ControlEnd } from './consumer-shards.js';

/** What a seek to these positions would change, by shard. The shards are asked step by step, so that none stands still. */
export async function seekPreview(
  shards: ConsumerShards,
  positions: readonly number[],
): Promise<SeekPreview> {
  const stepsMax = Math.ceil(
    SEEK_PREVIEW_EVENTS_MAX / SEEK_PREVIEW_EVENTS_PER_ANSWER / shards.ends.length,
  );
  const counted = shards.ends.map((end) => count(shards, end, positions[end.shard]!, stepsMax));
  const [states, ...counts] = await Promise.all([shards.states(), ...counted]);
  const sum = (of: (one: Counts) => number): number =>
    counts.reduce((total, one) => total + of(one), 0);
  return {
    again: sum(({ again }) => again),
    passed: sum(({ passed }) => passed),
    inFlight: states.reduce((total, { leased }) => total + leased, 0),
    unseen: sum(({ unseen }) => unseen),
  };
}

type Counts = Pick<SeekPreview, 'again' | 'passed' | 'unseen'>;

async function count(
  shards: ConsumerShards,
  end: ControlEnd,
  position: number,
  stepsMax: number,
): Promise<Counts> {
  let again = 0;
  let passed = 0;
  let after = 0;
  for (let step = 1; ; step++) {
    const request = { position, after, limit: SEEK_PREVIEW_EVENTS_PER_ANSWER };
    const answer = await shards.call(end, 'consumerSeekPreview', request);
    again += answer.again;
    passed += answer.passed;
    const { next, unseen } = answer;
    if (next === null || step >= stepsMax) return { again, passed, unseen };
    after = next;
  }
}
