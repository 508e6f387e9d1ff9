/** The streams of a store: made where they are missing, and judged where they are there. */
import type { StreamConfig, StreamInfo, StreamInfoRequestOptions } from '@nats-io/jetstream';
import { BusError } from '../../protocol/errors.js';
import { NATS_GONE_MS, NATS_OPEN_MS } from '../../protocol/limits/nats.js';
import { DEDUPE_WINDOW_MS, SHARED_DEDUPE_WINDOW_MS_MIN } from '../../protocol/limits/store.js';
import { elapsedMs } from '../../threads/elapsed.js';
import {
  apiFaultOf,
  callFault,
  isOfApi,
  NAME_IN_USE,
  STREAM_NOT_FOUND,
  streamFault,
} from './nats-faults.js';
import { isBefore, type NatsLink } from './nats-link.js';
import type { NatsSettings } from './nats-options.js';
import { Subjects, streamName } from './subjects.js';

const NS_PER_MS = 1e6;
/** The first nats-server that keeps expectations in a cluster. */
const EXPECTING_VERSION_MIN = '2.9.21';
/** From the first on, and before the second, nats-server notes the id of a message in a cluster before it is stored. */
const REFUSED_IDS_VERSIONS = ['2.10.13', '2.12.0'] as const;

/** Makes the stream of a shard, or takes the one that is there. @throws BusError naming the setting that does not fit */
export async function ensureStream(
  link: NatsLink,
  settings: NatsSettings,
  shard: number,
): Promise<StreamInfo> {
  const name = streamName(settings.prefix, shard);
  const found = await streamInfo(link, name);
  const info = found ?? (await madeStream(link, settings, name, streamConfig(settings, shard)));
  assertFits(settings, shard, info.config);
  return info;
}

/**
 * A stream of the store that holds no events: made as it has to be, or left as it is.
 * @returns how many servers keep it
 */
export async function ensureBucket(link: NatsLink, settings: NatsSettings): Promise<number> {
  const name = bucketStream(settings.prefix);
  const found = await streamInfo(link, name);
  if (found !== undefined) return found.config.num_replicas;
  const events = await streamInfo(link, streamName(settings.prefix, 0));
  const made = await madeStream(link, settings, name, {
    name,
    subjects: [`$KV.${settings.prefix}.>`],
    description: 'Millrace: what the nodes of a bus have to agree on',
    max_msgs_per_subject: 1,
    discard: 'new',
    allow_rollup_hdrs: true,
    deny_delete: true,
    allow_direct: true,
    storage: 'file',
    num_replicas: settings.replicas ?? events?.config.num_replicas ?? 1,
  });
  return made.config.num_replicas;
}

/**
 * What lies beside the events has to be as safe as they are: without it they are of little use.
 * @throws BusError `OPTION_INVALID`
 */
export function assertReplicas(name: string, found: number, needed: number): void {
  if (found >= needed) return;
  throw new BusError(
    'OPTION_INVALID',
    `natsStore: stream ${name} does not fit: num_replicas is ${found}, and the events have ${needed}: change it ` +
      `(nats stream edit ${name} --replicas=${needed})`,
    { details: { stream: name, field: 'num_replicas', needed, found } },
  );
}

export function bucketStream(prefix: string): string {
  return `KV_${prefix}`;
}

/** By the stream's leader, who has all that was acknowledged; `undefined`: there is no such stream. */
export async function streamInfo(
  link: NatsLink,
  name: string,
  limitMs = NATS_OPEN_MS,
  isFinal = isOfApi,
): Promise<StreamInfo | undefined> {
  try {
    return await link.insist(
      `stream ${name}`,
      () => link.soon(() => infoOfLeader(link, name)),
      isFinal,
      limitMs,
    );
  } catch (error) {
    if (apiFaultOf(error)?.err_code === STREAM_NOT_FOUND) return undefined;
    throw streamFault(name, error);
  }
}

/** As `streamInfo`, of a stream that has been there: `undefined` where it is gone. */
export function keptStreamInfo(
  link: NatsLink,
  name: string,
  limitMs = NATS_OPEN_MS,
): Promise<StreamInfo | undefined> {
  const isGone = goneFor();
  const isFinal = (error: unknown): boolean => {
    const isNotFound = apiFaultOf(error)?.err_code === STREAM_NOT_FOUND;
    return isGone(error) || (isOfApi(error) && !isNotFound);
  };
  return streamInfo(link, name, limitMs, isFinal);
}

/**
 * Says of errors whether a stream that has been there is gone. A server may not know yet what the others know, as of a stream that was
 * made just now: it has to go on for some time.
 */
export function goneFor(nowMs = elapsedMs): (error: unknown) => boolean {
  let since: number | undefined;
  return (error) => {
    if (apiFaultOf(error)?.err_code !== STREAM_NOT_FOUND) since = undefined;
    else since ??= nowMs();
    return since !== undefined && nowMs() - since > NATS_GONE_MS;
  };
}

/**
 * Asks once. While a stream has no leader any server that has it answers, with what it has itself: that is no answer.
 * @throws Error if the stream has no leader, or nobody answers
 */
export async function infoOfLeader(
  link: NatsLink,
  name: string,
  options?: Partial<StreamInfoRequestOptions>,
): Promise<StreamInfo> {
  const info = await link.manager.streams.info(name, options);
  if (info.cluster === undefined || info.cluster.leader) return info;
  throw new Error(`stream ${name} has no leader`);
}

export async function madeStream(
  link: NatsLink,
  { create }: NatsSettings,
  name: string,
  config: Partial<StreamConfig> & { name: string },
): Promise<StreamInfo> {
  if (!create) {
    throw new BusError(
      'OPTION_INVALID',
      `natsStore: create: stream ${name} is missing and create is false: make it, or let the store do so`,
      { details: { stream: name } },
    );
  }
  let isAgain = false;
  const make = async (): Promise<void> => {
    // Servers take a second request for another stream, made later, for as long as the first one has no leader.
    const isThere = isAgain && (await infoOfLeader(link, name).catch(() => undefined));
    isAgain = true;
    if (!isThere) await link.manager.streams.add(config);
  };
  try {
    await link.insist(`stream ${name}`, make, isOfApi, NATS_OPEN_MS);
  } catch (error) {
    // Another node has made it meanwhile, with settings of its own.
    if (apiFaultOf(error)?.err_code !== NAME_IN_USE) throw streamFault(name, error);
  }
  const info = await keptStreamInfo(link, name);
  if (info === undefined) throw callFault(`stream ${name}`, new Error('it was deleted again'));
  return info;
}

function streamConfig(
  settings: NatsSettings,
  shard: number,
): Partial<StreamConfig> & { name: string } {
  const { prefix, replicas = 1, storage = 'file', discard = 'old' } = settings;
  const { dedupeWindowMs = DEDUPE_WINDOW_MS } = settings;
  const { maxAgeMs = 0, maxEvents = -1, maxBytes = -1, maxEventsPerTopic = -1 } = settings;
  return {
    name: streamName(prefix, shard),
    subjects: [new Subjects(prefix, shard).all],
    description: `Millrace: the events of shard ${shard}`,
    retention: 'limits',
    storage,
    discard,
    num_replicas: replicas,
    max_age: maxAgeMs * NS_PER_MS,
    max_msgs: maxEvents,
    max_bytes: maxBytes,
    max_msgs_per_subject: maxEventsPerTopic,
    duplicate_window: dedupeWindowMs * NS_PER_MS,
    allow_direct: true,
  };
}

/** What the store needs of a stream, and what the user has asked for. */
function assertFits(settings: NatsSettings, shard: number, config: StreamConfig): void {
  const { all } = new Subjects(settings.prefix, shard);
  const needs: [string, unknown, unknown][] = [
    ['subjects', all, config.subjects?.join(' ')],
    ['retention', 'limits', config.retention],
    ['no_ack', false, config.no_ack ?? false],
    ['sealed', false, config.sealed ?? false],
    ['mirror', 'none', config.mirror === undefined ? 'none' : config.mirror.name],
    ['allow_direct', true, config.allow_direct ?? false],
  ];
  for (const [field, needed, found] of needs) {
    if (needed === found) continue;
    throw misfit(
      config.name,
      `${field} is ${String(found)}, and a store needs ${String(needed)}: change it, or take another prefix`,
      { field, needed, found },
    );
  }
  assertWindow(settings, config);
  assertAsked(settings, config);
}

function assertWindow({ dedupeWindowMs }: NatsSettings, config: StreamConfig): void {
  const found = config.duplicate_window / NS_PER_MS;
  const needed = dedupeWindowMs ?? SHARED_DEDUPE_WINDOW_MS_MIN;
  if (found >= needed) return;
  throw misfit(
    config.name,
    `duplicate_window is ${found} ms, and has to be at least ${needed} (dedupeWindowMs): raise it, ` +
      'and max_age with it where that is shorter',
    { field: 'duplicate_window', needed, found },
  );
}

function assertAsked(settings: NatsSettings, config: StreamConfig): void {
  const asked: [keyof NatsSettings, string, unknown][] = [
    ['replicas', 'num_replicas', config.num_replicas],
    ['storage', 'storage', config.storage],
    ['discard', 'discard', config.discard],
    ['maxAgeMs', 'max_age', config.max_age / NS_PER_MS],
    ['maxEvents', 'max_msgs', config.max_msgs],
    ['maxBytes', 'max_bytes', config.max_bytes],
    ['maxEventsPerTopic', 'max_msgs_per_subject', config.max_msgs_per_subject],
  ];
  for (const [setting, field, found] of asked) {
    const needed = settings[setting];
    if (needed === undefined || needed === found) continue;
    throw misfit(
      config.name,
      `${field} is ${String(found)}, and ${setting} asks for ${String(needed)}: leave ${setting} out, ` +
        `or change the stream (nats stream edit ${config.name})`,
      { field, setting, needed, found },
    );
  }
}

function misfit(stream: string, fault: string, details: Record<string, unknown>): BusError {
  return new BusError('OPTION_INVALID', `natsStore: stream ${stream} does not fit: ${fault}`, {
    details: { stream, ...details },
  });
}

/** What a stream has, and what of it has gone. */
export interface StreamReach {
  readonly head: number;
  /** The events up to here have gone. */
  readonly goneThrough: number;
  /** As `goneThrough`, but 0 where the stream removes only events that newer ones of their topics have replaced. */
  readonly prunedThrough: number;
}

export function reachOf({ state, config }: StreamInfo): StreamReach {
  const goneThrough = Math.max(0, state.first_seq - 1);
  const prunedThrough = keepsPerTopic(config) && !hasLimits(config) ? 0 : goneThrough;
  return { head: state.last_seq, goneThrough, prunedThrough };
}

/** So many sequences fit an answer of a server with the default `max_payload`. */
const DELETED_LISTED_MAX = 50_000;

/**
 * The last sequence of those that were removed from among others by hand; 0 for none. A stream that keeps so many events of
 * each topic removes such events all the time, and whoever asks for that knows it.
 */
export async function lostThrough(
  link: NatsLink,
  { config, state }: Pick<StreamInfo, 'config' | 'state'>,
): Promise<number> {
  const { num_deleted: deleted = 0 } = state;
  if (deleted === 0 || keepsPerTopic(config)) return 0;
  if (deleted > DELETED_LISTED_MAX) return state.last_seq;
  const { name } = config;
  const ask = () => infoOfLeader(link, name, { deleted_details: true });
  const listed = await link
    .insist(`stream ${name}`, () => link.soon(ask), isOfApi)
    .catch((error) => {
      throw streamFault(name, error);
    });
  return (listed.state.deleted ?? []).reduce((last, one) => Math.max(last, one), 0);
}

/** Changes whenever single events have been removed. */
export function deletedMark({ state }: Pick<StreamInfo, 'state'>): string {
  return `${state.num_deleted ?? 0} from ${state.first_seq}`;
}

/** The stream removes events of a topic when newer ones come. */
export function keepsPerTopic(config: StreamConfig): boolean {
  return config.max_msgs_per_subject > 0;
}

/**
 * The servers judge what a message expects to be the last one of its subject. In a cluster a server that is older has two messages
 * pass that expect the same, if they come at the same moment (nats-server #4320).
 */
export function keepsExpectations(link: NatsLink, { config }: Pick<StreamInfo, 'config'>): boolean {
  return config.num_replicas === 1 || !isBefore(link.version, EXPECTING_VERSION_MIN);
}

/**
 * A message of a cluster that was refused has left its id: for as long as the server remembers ids, it answers that another one with
 * the id is under way (`processClusteredInboundMsg` in `server/jetstream_cluster.go`).
 */
export function keepsRefusedIds(
  link: Pick<NatsLink, 'version'>,
  { config }: Pick<StreamInfo, 'config'>,
): boolean {
  const [from, until] = REFUSED_IDS_VERSIONS;
  return config.num_replicas > 1 && !isBefore(link.version, from) && isBefore(link.version, until);
}

/** The stream removes the oldest events. */
export function hasLimits({ max_age: age, max_bytes: bytes, max_msgs: events }: StreamConfig) {
  return age > 0 || bytes > 0 || events > 0;
}

/** By the stream's leader. @throws BusError `STORE_FAILED` */
export async function streamReach(link: NatsLink, name: string): Promise<StreamReach> {
  const info = await keptStreamInfo(link, name);
  if (info === undefined) throw callFault(`stream ${name}`, new Error('it was deleted'));
  return reachOf(info);
}

/** How many streams of this prefix follow one another from the first on. */
export async function countStreams(link: NatsLink, prefix: string, most: number): Promise<number> {
  for (let shard = 0; shard < most; shard++) {
    if ((await streamInfo(link, streamName(prefix, shard))) === undefined) return shard;
  }
  return most;
}
