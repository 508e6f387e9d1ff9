import { ALERT_RESOLVED_SHARE } from '../protocol/limits/alerts.js';

/** The state of one rule, from one judgement to the next. Pure: time comes with the judgement, ms of any clock. */

export type AlertState = 'ok' | 'pending' | 'firing';

/** A measurement of a rule's condition. */
export interface Reading {
  /**
   * `holds`; `clear`; or `near`, which begins nothing and ends nothing: a value that is within the bound, but not by
   * enough.
   */
  readonly condition: 'holds' | 'near' | 'clear';
  /** Since when it holds, where that is known; otherwise since the first judgement that found it. */
  readonly since?: number | undefined;
  /** Undefined where there is nothing to measure, which is no fault of the bus. */
  readonly value: number | undefined;
}

export interface AlertStatus {
  readonly state: AlertState;
  /** Since when the condition holds; in state `ok` since when it does not. */
  readonly since: number;
}

/** The status after a judgement. A condition has to hold for `forMs` before the rule fires. */
export function nextStatus(
  status: AlertStatus,
  { condition, since }: Reading,
  forMs: number,
  now: number,
): AlertStatus {
  const { state } = status;
  if (condition === 'clear') return state === 'ok' ? status : { state: 'ok', since: now };
  if (state === 'firing' || condition === 'near') return status;
  const heldSince = since ?? (state === 'pending' ? status.since : now);
  return { state: now - heldSince >= forMs ? 'firing' : 'pending', since: heldSince };
}

/** How a value stands to the bound that it must not exceed. */
export function overBound(value: number, above: number): Reading['condition'] {
  if (value > above) return 'holds';
  // A bound of 0 has nothing below its share.
  return value > 0 && value >= above * ALERT_RESOLVED_SHARE ? 'near' : 'clear';
}
