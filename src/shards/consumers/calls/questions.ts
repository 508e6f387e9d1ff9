/** What a shard answers about a consumer. Only the shard's loop touches this. */
import type { Failure } from '../../../consumers/failures.js';
import type { OpenSlot } from '../../../consumers/machine-types.js';
import type {
  ConsumerPageRequest,
  ConsumerShardState,
  HeldKeyEntriesPage,
  OpenEntriesPage,
  OpenEntry,
  ShardBlocked,
} from '../../../link/consumer-shapes.js';
import { EventRecordView } from '../../../record/event-record.js';
import type { ShardConsumers } from '../../../store/consumer-states.js';
import type { ShardLog } from '../../../store/shard-log.js';
import type { DeskConsumer } from '../desk-consumer.js';
import type { DeskMembers } from '../members/desk-members.js';
import type { EventFinder } from '../reading/event-finder.js';
import { bounded } from './dead-entries.js';

/** The desk's knowledge beyond a consumer. */
export interface DeskView {
  readonly log: ShardLog;
  readonly store: ShardConsumers;
  readonly members: DeskMembers;
  readonly events: EventFinder;
  readonly now: () => number;
  readonly recordedAt: () => number;
  /** The disk had no room for what was decided. */
  readonly isFull: boolean;
}

type PageView = Pick<DeskView, 'members' | 'events' | 'now'>;

export function stateOf(desk: DeskView, consumer: DeskConsumer): ConsumerShardState {
  const { machine, id } = consumer;
  const { listed, held, ...counts } = machine.counts;
  const sums = { acked: 0, redelivered: 0, lost: 0, expired: 0 };
  for (let lane = 0; lane < consumer.lanes; lane++) {
    const { acked, redelivered, lost, expired } = machine.lane(lane);
    sums.acked += acked;
    sums.redelivered += redelivered;
    sums.lost += lost;
    sums.expired += expired;
  }
  const position = Math.min(consumer.position, desk.log.head);
  return {
    position,
    floor: Math.min(consumer.floor, position),
    head: desk.log.head,
    isLevel: machine.canReorder,
    ...counts,
    // An event that was not read again yet is held as much as one whose key is taken.
    held: held + listed,
    dead: desk.store.deadCount(id),
    lettersDue: desk.store.lettersDueCount(id),
    ...sums,
    oldestAgeMs: oldestAgeMs(desk, machine.list(0, 1)[0]),
    blocked: blockedOf(desk, consumer) ?? null,
    members: desk.members.of(consumer),
  };
}

export function openPage(
  desk: PageView,
  consumer: DeskConsumer,
  { after, limit }: ConsumerPageRequest,
): OpenEntriesPage {
  const most = bounded(limit);
  const slots = consumer.machine.list(after, most + 1);
  const events = slots.slice(0, most).map((slot) => openEntry(slot, desk, consumer.id));
  return { events, next: slots.length > most ? events.at(-1)!.sequence : null };
}

export function heldKeysPage(
  desk: PageView,
  consumer: DeskConsumer,
  { after, limit }: ConsumerPageRequest,
): HeldKeyEntriesPage {
  const most = bounded(limit);
  const slots = consumer.machine.heldKeys(after, most + 1);
  const events = slots.slice(0, most).map(({ key, waiting, first }) => {
    return { key, waiting, first: openEntry(first, desk, consumer.id) };
  });
  return { events, next: slots.length > most ? events.at(-1)!.first.sequence : null };
}

/** Why the consumer does not go on although there are events for it; undefined if it does. */
export function blockedOf(desk: DeskView, consumer: DeskConsumer): ShardBlocked | undefined {
  const reason = reasonOf(desk, consumer);
  if (reason === undefined) return undefined;
  const [oldest] = consumer.machine.list(0, 1);
  if (oldest === undefined) return { reason };
  const { sequence, key } = oldest;
  return { reason, sequence, ...(key === undefined ? {} : { key }) };
}

function reasonOf(desk: DeskView, consumer: DeskConsumer): ShardBlocked['reason'] | undefined {
  const { machine, entry } = consumer;
  const { ready } = machine.counts;
  const { head } = desk.log;
  if (desk.isFull && consumer.isDirty) return 'full';
  if (entry.isPaused) {
    return ready > 0 || consumer.position < head ? 'paused' : undefined;
  }
  if (ready > 0 && consumer.isAtMaxInFlight) return 'maxInFlight';
  return isFullAhead(consumer, head) ? 'maxAhead' : undefined;
}

function isFullAhead({ machine, entry, lanes }: DeskConsumer, head: number): boolean {
  const { maxAhead } = entry.definition;
  for (let lane = 0; lane < lanes; lane++) {
    const { openCount, position } = machine.lane(lane);
    if (openCount >= maxAhead && position < head) return true;
  }
  return false;
}

function openEntry(slot: OpenSlot, { members, events, now }: PageView, id: string): OpenEntry {
  const { sequence, state, attempts, losses, key, due, failure } = slot;
  const member = members.nameOf(slot.member);
  const found = events.find(sequence, id);
  const view = found && new EventRecordView().wrap(found.bytes, found.offset);
  return {
    sequence,
    state,
    attempts,
    losses,
    ...(key === undefined ? {} : { key }),
    ...(member === undefined ? {} : { member }),
    ...(due === 0 ? {} : { untilInMs: Math.max(0, Math.round(due - now())) }),
    ...(view === undefined ? {} : { id: view.id, topic: view.topic }),
    ...(failure === undefined ? {} : { failure: failureEntry(failure, now()) }),
  };
}

function failureEntry(
  { cause, reason, at }: Failure,
  now: number,
): NonNullable<OpenEntry['failure']> {
  return { cause, reason, agoMs: Math.max(0, Math.round(now - at)) };
}

function oldestAgeMs({ log, recordedAt }: DeskView, oldest: OpenSlot | undefined): number | null {
  if (oldest === undefined) return null;
  const { sequence } = oldest;
  let at: number | undefined;
  log.read({ after: sequence - 1, until: sequence, limit: 1 }, (record) => {
    at = record.recordedAt;
    return false;
  });
  return at === undefined ? null : Math.max(0, recordedAt() - at);
}
