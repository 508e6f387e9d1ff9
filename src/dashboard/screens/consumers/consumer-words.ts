import type { ConsumerBlocked, ConsumerDefinition, ConsumerInfo } from 'millrace/client';
import { counted, dateAndClock, whole } from '../../text/format.js';

/** What the page says of a consumer, in words. Pure. */

export type ConsumerState = 'paused' | 'blocked' | 'no member' | 'active';

/** The one state that says most: a consumer that is paused hands out nothing, whatever else is true of it. */
export function stateOf({ paused, blocked, members, pending }: ConsumerInfo): ConsumerState {
  if (paused) return 'paused';
  if (blocked !== undefined) return 'blocked';
  return members.length === 0 && pending > 0 ? 'no member' : 'active';
}

export interface Trouble {
  readonly kind: 'bad' | 'warning';
  readonly text: string;
  /** It is usual under load, and passes by itself. */
  readonly passes?: true;
}

/** What is wrong with a consumer, a sentence each, what needs a person first. */
export function troublesOf(info: ConsumerInfo): readonly Trouble[] {
  const { dead, lettersDue, lost, held } = info;
  const one: readonly (Trouble | undefined)[] = [
    when(dead > 0, 'bad', `${are(dead, 'event')} dead: no further attempt is made.`),
    when(lost > 0, 'bad', `${were(lost, 'event')} pruned before the consumer had done them.`),
    blockedTrouble(info),
    when(info.paused, 'warning', pausedText(info)),
    when(
      info.members.length === 0 && info.pending > 0,
      'warning',
      `It has no member, and about ${whole(info.pending)} of the log's events are to be done.`,
    ),
    when(lettersDue > 0, 'warning', `${are(lettersDue, 'dead letter')} not published yet.`),
    usual(when(held > 0, 'warning', `${counted(held, 'event')} ${heldText(held)}`)),
  ];
  return one.filter((trouble) => trouble !== undefined);
}

/** The consumers with which something is wrong, those that need a person most first. */
export function troubledOf(
  list: readonly ConsumerInfo[],
): readonly { readonly name: string; readonly troubles: readonly Trouble[] }[] {
  return list
    .map((info) => ({ name: info.name, troubles: troublesOf(info) }))
    .filter(({ troubles }) => troubles.length > 0)
    .sort((one, other) => rank(one.troubles) - rank(other.troubles));
}

function rank(troubles: readonly Trouble[]): number {
  if (troubles.some(({ kind }) => kind === 'bad')) return 0;
  return troubles.every(({ passes }) => passes) ? 2 : 1;
}

function when(isTrue: boolean, kind: Trouble['kind'], text: string): Trouble | undefined {
  return isTrue ? { kind, text } : undefined;
}

function usual(trouble: Trouble | undefined): Trouble | undefined {
  return trouble && { ...trouble, passes: true };
}

function pausedText({ pausedAt, pausedBy }: ConsumerInfo): string {
  const by = pausedBy === undefined ? '' : ` by ${pausedBy}`;
  const at = pausedAt === undefined ? '' : ` since ${dateAndClock(pausedAt)}`;
  return `It is paused${by}${at}: it hands out nothing until somebody resumes it.`;
}

function blockedTrouble({ blocked, definition }: ConsumerInfo): Trouble | undefined {
  if (blocked === undefined || blocked.reason === 'paused') return undefined;
  if (blocked.reason === 'full') {
    const text = `The disk has no room for its state in shard ${blocked.shard}.`;
    return { kind: 'bad', text };
  }
  const bound: Trouble = { kind: 'warning', text: boundText(blocked, definition) };
  return blocked.reason === 'maxInFlight' ? usual(bound) : bound;
}

function boundText(
  { reason, shard, sequence, key }: ConsumerBlocked,
  { maxAhead, maxInFlight }: ConsumerDefinition,
): string {
  const oldest = sequence === undefined ? '' : ` The oldest open event is ${shard}:${sequence}`;
  const named = oldest === '' ? '' : `${oldest}${key === undefined ? '' : ` of the key ${key}`}.`;
  return reason === 'maxAhead'
    ? `Shard ${shard} reads no further: maxAhead (${whole(maxAhead)}) events are open there.${named}`
    : `It leases no further event: maxInFlight (${whole(maxInFlight)}) events are leased.${named}`;
}

function heldText(held: number): string {
  return held === 1
    ? 'waits for an earlier one of its key.'
    : 'wait for an earlier one of their key.';
}

function are(count: number, what: string): string {
  return `${counted(count, what)} ${count === 1 ? 'is' : 'are'}`;
}

function were(count: number, what: string): string {
  return `${counted(count, what)} ${count === 1 ? 'was' : 'were'}`;
}

/** `orders.*, type order_created|order_paid` */
export function filterText({ filter }: Pick<ConsumerDefinition, 'filter'>): string {
  const { topics, types, categories, sources, correlationIds, attributes = {} } = filter;
  const named = [
    ['type', types],
    ['category', categories],
    ['source', sources],
    ['correlation id', correlationIds],
    ...Object.entries(attributes),
  ] as const;
  const parts = named.flatMap(([label, values]) =>
    values === undefined ? [] : [`${label} ${values.join('|')}`],
  );
  return [topics.join(' '), ...parts].join(', ');
}
