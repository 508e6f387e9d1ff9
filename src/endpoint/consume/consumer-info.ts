import type {
  ConsumerShardState,
  ListedConsumer,
  ShardMember,
} from '../../link/consumer-shapes.js';
import type {
  ConsumerBlocked,
  ConsumerInfo,
  ConsumerShard,
  MemberInfo,
} from '../../protocol/consumers.js';

/** What shards say of a consumer, put together for people. */
export function consumerInfo(
  consumer: ListedConsumer,
  states: readonly ConsumerShardState[],
  epoch: string,
): ConsumerInfo {
  const { name, definition, isPaused, pausedAt, pausedBy, createdAt } = consumer;
  const total = (of: (state: ConsumerShardState) => number): number =>
    states.reduce((sum, state) => sum + of(state), 0);
  const blocked = firstBlocked(states);
  return {
    name,
    definition,
    paused: isPaused,
    ...(pausedAt === undefined ? {} : { pausedAt: new Date(pausedAt).toISOString() }),
    ...(pausedBy === undefined ? {} : { pausedBy }),
    epoch,
    createdAt: new Date(createdAt).toISOString(),
    members: members(states),
    pending: total(pendingOf),
    inFlight: total(({ leased }) => leased),
    waiting: total(({ waiting }) => waiting),
    held: total(({ held }) => held),
    dead: total(({ dead }) => dead),
    lettersDue: total(({ lettersDue }) => lettersDue),
    lost: total(({ lost }) => lost),
    oldestAgeMs: oldest(states),
    expired: total(({ expired }) => expired),
    redelivered: total(({ redelivered }) => redelivered),
    acked: total(({ acked }) => acked),
    ...(blocked === undefined ? {} : { blocked }),
    shards: states.map(shardInfo),
  };
}

function pendingOf({ open, head, position }: ConsumerShardState): number {
  return open + Math.max(0, head - position);
}

function shardInfo(state: ConsumerShardState, shard: number): ConsumerShard {
  const { position, floor, head } = state;
  return { shard, position, floor, head, lag: Math.max(0, head - position) };
}

function firstBlocked(states: readonly ConsumerShardState[]): ConsumerBlocked | undefined {
  const shard = states.findIndex(({ blocked }) => blocked !== null);
  return shard < 0 ? undefined : { ...states[shard]!.blocked!, shard };
}

function oldest(states: readonly ConsumerShardState[]): number | null {
  const ages = states.flatMap(({ oldestAgeMs }) => oldestAgeMs ?? []);
  return ages.length === 0 ? null : Math.max(...ages);
}

/** Each member once: the shards know it by its endpoint and number. */
function members(states: readonly ConsumerShardState[]): MemberInfo[] {
  const found = new Map<string, ShardMember>();
  for (const member of states.flatMap((state) => state.members)) {
    const key = `${member.endpoint} ${member.member}`;
    const inFlight = member.inFlight + (found.get(key)?.inFlight ?? 0);
    found.set(key, { ...member, inFlight });
  }
  // Those by which a gateway settles the leases of others take no events.
  const taking = [...found.values()].filter(({ concurrency }) => concurrency > 0);
  return taking.map(({ member: _, since, ...info }) => {
    return { ...info, since: new Date(since).toISOString() };
  });
}
