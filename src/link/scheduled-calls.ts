import { BusError } from '../protocol/errors.js';
import type { WaitingPlace } from '../store/scheduled.js';
import { by } from './call.js';
import { fields, isList, isNumber, isText, isTrueOrFalse } from './shapes.js';

/** Asks for publishes that wait in a shard, in the order of their due times. */
export interface WaitingRequest {
  readonly patterns: readonly string[];
  /** null: any. */
  readonly id: string | null;
  readonly after: WaitingPlace;
  readonly limit: number;
}

export interface WaitingEntry {
  readonly number: number;
  /** ms since 1970. */
  readonly dueAt: number;
  readonly acceptedAt: number;
  readonly id: string;
  readonly topic: string;
  readonly type: string;
  readonly source: string;
  readonly correlationId?: string;
  readonly bytes: number;
}

export interface WaitingDamage extends WaitingPlace {
  /** What is wrong with the row. */
  readonly reason: string;
}

/** A page of them; it may be empty and not the last. The list goes on behind `next`; null: this was the last page. */
export interface WaitingPage {
  readonly publishes: readonly WaitingEntry[];
  /** The damaged rows among them, which are left out. */
  readonly damage: readonly WaitingDamage[];
  readonly next: WaitingPlace | null;
}

export interface CancelWaitingRequest {
  readonly topic: string;
  readonly id: string;
  /** null: any. */
  readonly source: string | null;
}

/** The calls about what is published later; a part of the table in `calls.ts`. */
export const SCHEDULED_CALLS = {
  waiting: by(
    'shard',
    fields<WaitingRequest>({
      patterns: isList,
      after: fields<WaitingPlace>({ dueAt: isNumber, number: isNumber }),
      limit: isNumber,
    }),
    fields<WaitingPage>({ publishes: isList, damage: isList }),
  ),
  /** Takes back a publish that waits; answered when that is flushed. */
  cancelWaiting: by(
    'shard',
    fields<CancelWaitingRequest>({ topic: isText, id: isText }),
    fields<{ readonly isFound: boolean }>({ isFound: isTrueOrFalse }),
    true,
  ),
};

/** @param reason what is wrong with its row */
export function damagedWaiting(reason: string): BusError {
  return new BusError('STORE_CORRUPT', `${reason}: it becomes no event, and cannot be cancelled`, {
    details: { reason },
  });
}
