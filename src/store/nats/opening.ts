/** The opening of a store: finds its history, or begins one. */
import { setTimeout as afterMs } from 'node:timers/promises';
import { BusError } from '../../protocol/errors.js';
import { NATS_OPEN_MS, NATS_RETRY_MS, NATS_SETTLE_MS } from '../../protocol/limits/nats.js';
import { SHARDS_MAX } from '../../protocol/limits/shards.js';
import { messageOf } from '../../protocol/thrown.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { StoreRequest } from '../log-store.js';
import { assertShards, stillFilled } from '../shared/shared-store.js';
import { type Charter, newCharter, readCharter, writeCharter } from './charter.js';
import { endStates, storedStates } from './consumers/end-states.js';
import { callFault, isOfApi, nameOf, withoutJetStream } from './nats-faults.js';
import type { NatsLink } from './nats-link.js';
import type { NatsSettings } from './nats-options.js';
import {
  assertReplicas,
  bucketStream,
  countStreams,
  ensureBucket,
  ensureStream,
  keepsExpectations,
} from './streams.js';

export async function assertJetStream(link: NatsLink): Promise<void> {
  const isDisabled = (error: unknown): boolean =>
    nameOf(error) === 'JetStreamNotEnabled' || isOfApi(error);
  try {
    const ask = () => link.soon(() => link.manager.getAccountInfo());
    await link.insist('JetStream', ask, isDisabled, NATS_OPEN_MS);
  } catch (error) {
    if (!isDisabled(error) && !/no responders/i.test(messageOf(error))) {
      throw callFault('servers', error);
    }
    throw withoutJetStream(messageOf(error));
  }
}

export type Opened = Charter & {
  readonly created: readonly string[];
  /** The least number of servers that have an event. */
  readonly replicas: number;
};

/**
 * Takes the history that is there, or begins one; streams that were made anew begin a new epoch.
 * @param isFilling a copy goes into the store; without it, one that has not all of it yet is refused
 */
export async function openHistory(
  link: NatsLink,
  settings: NatsSettings,
  request: StoreRequest,
  isFilling = false,
): Promise<Opened> {
  const { prefix } = settings;
  const wanted = wantedShards(settings, request);
  const bucketReplicas = await ensureBucket(link, settings);
  /** Of the history that this node has begun. */
  let begun: string | undefined;
  let waitsUntil: number | undefined;
  for (;;) {
    const stored = await readCharter(link, prefix);
    if (stored === undefined) {
      const there = wanted ?? (await countStreams(link, prefix, SHARDS_MAX));
      const shards = there === 0 ? request.defaultShards : there;
      const first = newCharter(shards, request.shardBy);
      begun = first.epoch;
      await writeCharter(link, prefix, first, 0);
      continue;
    }
    const { charter, revision } = stored;
    // The node that has begun the history makes its streams: servers of a cluster tell of another time at which a stream was made
    // once two have asked for it at once, and it would count as made anew.
    if (charter.created === undefined && charter.epoch !== begun) {
      waitsUntil ??= elapsedMs() + NATS_OPEN_MS;
      if (elapsedMs() < waitsUntil) {
        await afterMs(NATS_RETRY_MS);
        continue;
      }
    }
    if (charter.filledFrom !== undefined && !isFilling) {
      throw stillFilled(`the store ${prefix} on NATS`);
    }
    assertShards(`the store ${prefix} on NATS`, wanted, charter.shards);
    const { created, replicas, isExact } = await streamsOf(link, settings, charter.shards);
    const isSettled = async (epoch: string): Promise<boolean> =>
      isExact || hasSettled(link, prefix, epoch);
    assertReplicas(bucketStream(prefix), bucketReplicas, replicas);
    const kept = charter.created;
    if (kept !== undefined && isSame(kept, created)) {
      if (await isSettled(charter.epoch)) return { ...charter, created, replicas };
      continue;
    }
    if (kept !== undefined && !(await endOldStates(link, prefix, { kept, created, revision })))
      continue;
    const { epoch } = kept === undefined ? charter : newCharter(charter.shards, charter.shardBy);
    const next = { ...charter, epoch, created };
    const isWritten = await writeCharter(link, prefix, next, revision);
    if (isWritten && (await isSettled(epoch))) return { ...next, replicas };
  }
}

/**
 * Ends what is stored of consumers in shards that were made anew, before a bus can use them.
 * @returns false: another node has changed something meanwhile
 */
async function endOldStates(
  link: NatsLink,
  prefix: string,
  {
    kept,
    created,
    revision,
  }: { kept: readonly string[]; created: readonly string[]; revision: number },
): Promise<boolean> {
  const anew = created.flatMap((at, shard) => (at === kept[shard] ? [] : [shard]));
  const states = await storedStates(link, prefix, anew);
  // First the states, then the charter: what was there while that is the old one is of the old history.
  if ((await readCharter(link, prefix))?.revision !== revision) return false;
  return endStates(link, prefix, states, { anew, count: created.length });
}

/**
 * Whether the nodes have agreed on this epoch. Where servers take two writes at once that expect the same one before them
 * (`keepsExpectations`), of nodes that find streams made anew at the same moment the last one counts.
 */
async function hasSettled(link: NatsLink, prefix: string, epoch: string): Promise<boolean> {
  await afterMs(NATS_SETTLE_MS);
  return (await readCharter(link, prefix))?.charter.epoch === epoch;
}

function wantedShards({ shards, prefix }: NatsSettings, request: StoreRequest): number | undefined {
  if (shards === undefined || request.shards === undefined || shards === request.shards) {
    return shards ?? request.shards;
  }
  throw new BusError(
    'OPTION_INVALID',
    `natsStore: shards: the store ${prefix} has to have ${shards}, and the bus ${request.shards}: say it once`,
  );
}

async function streamsOf(link: NatsLink, settings: NatsSettings, shards: number) {
  const numbers = Array.from({ length: shards }, (_, shard) => shard);
  const infos = await Promise.all(numbers.map((shard) => ensureStream(link, settings, shard)));
  return {
    created: infos.map(({ created }) => created),
    replicas: Math.min(...infos.map(({ config }) => config.num_replicas)),
    isExact: infos.every((info) => keepsExpectations(link, info)),
  };
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((created, at) => created === other[at]);
}
