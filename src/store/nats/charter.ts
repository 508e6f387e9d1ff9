/**
 * What all nodes have agreed on: the epoch of the history, and how it is divided. It lies in the key-value bucket of the
 * store, which `nats kv get PREFIX store` shows, and changes only from what it was.
 */
import { ulid } from 'ulid';
import { BusError } from '../../protocol/errors.js';
import { NATS_OPEN_MS } from '../../protocol/limits/nats.js';
import type { ShardBy } from '../log-store.js';
import { EXPECTED_OF_TOPIC } from './flight.js';
import {
  apiFaultOf,
  callFault,
  isOfApi,
  isUnexpected,
  MESSAGE_NOT_FOUND,
  type PubAck,
} from './nats-faults.js';
import type { NatsLink } from './nats-link.js';
import { bucketStream } from './streams.js';

const FORMAT = 1;
const KEY = 'store';

export interface Charter {
  readonly format: typeof FORMAT;
  readonly epoch: string;
  readonly shards: number;
  readonly shardBy?: ShardBy | undefined;
  /** When each shard's stream was made, as the server tells: a stream made anew has another history. Not known at first. */
  readonly created?: readonly string[];
  /** The epoch of a history of which a copy is being made here: until it is done, no bus opens the store. */
  readonly filledFrom?: string | undefined;
}

export interface StoredCharter {
  readonly charter: Charter;
  readonly revision: number;
}

export function newCharter(shards: number, shardBy: ShardBy | undefined): Charter {
  return { format: FORMAT, epoch: ulid(), shards, ...(shardBy === undefined ? {} : { shardBy }) };
}

export async function readCharter(
  link: NatsLink,
  prefix: string,
  limitMs = NATS_OPEN_MS,
): Promise<StoredCharter | undefined> {
  const stream = bucketStream(prefix);
  try {
    const message = await link.insist(
      `bucket ${prefix}`,
      () =>
        link.soon(() =>
          link.manager.streams.getMessage(stream, { last_by_subj: subjectOf(prefix) }),
        ),
      isOfApi,
      limitMs,
    );
    if (message === null) return undefined;
    return { charter: parsed(prefix, message.string()), revision: message.seq };
  } catch (error) {
    if (apiFaultOf(error)?.err_code === MESSAGE_NOT_FOUND) return undefined;
    throw callFault(`bucket ${prefix}`, error);
  }
}

/** Replaces the charter of a revision, 0 for none; false if it has another revision by now. */
export async function writeCharter(
  link: NatsLink,
  prefix: string,
  charter: Charter,
  revision: number,
): Promise<boolean> {
  const headers = link.headers();
  headers.set(EXPECTED_OF_TOPIC, `${revision}`);
  const body = JSON.stringify(charter);
  const answer = await link.insist(
    `bucket ${prefix}`,
    () => link.request(subjectOf(prefix), body, headers),
    () => false,
    NATS_OPEN_MS,
  );
  const { error } = answer.json<PubAck>();
  if (error === undefined) return true;
  if (isUnexpected(error)) return false;
  throw callFault(`bucket ${prefix}`, new Error(error.description));
}

/** Begins a new epoch, unless another node has done so since this one was opened. */
export async function endEpoch(link: NatsLink, prefix: string, epoch: string): Promise<void> {
  for (;;) {
    const stored = await readCharter(link, prefix, Number.POSITIVE_INFINITY);
    if (stored === undefined || stored.charter.epoch !== epoch) return;
    const next = { ...stored.charter, epoch: ulid() };
    if (await writeCharter(link, prefix, next, stored.revision)) return;
  }
}

function subjectOf(prefix: string): string {
  return `$KV.${prefix}.${KEY}`;
}

function parsed(prefix: string, text: string): Charter {
  const corrupt = (reason: string): BusError =>
    new BusError('STORE_CORRUPT', `natsStore: key ${KEY} of bucket ${prefix}: ${reason}`);
  let charter: Partial<Charter> | null;
  try {
    charter = JSON.parse(text) as Partial<Charter> | null;
  } catch {
    throw corrupt('it is not JSON');
  }
  if (charter?.format !== FORMAT) throw corrupt(`its format is ${charter?.format}, not ${FORMAT}`);
  const { epoch, shards } = charter;
  if (typeof epoch !== 'string' || !Number.isInteger(shards)) {
    throw corrupt('it has no epoch, or no number of shards');
  }
  return charter as Charter;
}
