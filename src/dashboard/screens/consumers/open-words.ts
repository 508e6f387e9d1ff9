import type { OpenEvent } from 'millrace/client';
import { ago, dateAndClock } from '../../text/format.js';

/** What the page says of an open event, in words. Pure. */

/** Shard and sequence, as `millrace consumers` prints them. */
export function placeOf({ shard, sequence }: Pick<OpenEvent, 'shard' | 'sequence'>): string {
  return `${shard}:${sequence}`;
}

const FAILURES = {
  nak: 'refused',
  expired: 'lease ran out',
  lost: 'member died',
} as const satisfies Record<NonNullable<OpenEvent['lastFailure']>['cause'], string>;

/** `refused 3 min ago: no such address` */
export function failureText({ lastFailure }: Pick<OpenEvent, 'lastFailure'>, now: number): string {
  if (lastFailure === undefined) return '–';
  const { cause, reason, at } = lastFailure;
  const said = reason === '' ? '' : `: ${reason}`;
  return `${FAILURES[cause]} ${ago(at, now)}${said}`;
}

/** Whose it is, and until when: `with ada until 2026-11-29 09:30:00.000`. */
export function holdText({ member, until }: Pick<OpenEvent, 'member' | 'until'>): string {
  const parts = [
    member === undefined ? '' : `with ${member}`,
    until === undefined ? '' : `until ${dateAndClock(until)}`,
  ];
  return parts.filter((part) => part !== '').join(' ');
}
