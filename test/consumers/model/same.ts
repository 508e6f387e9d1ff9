/** Whether the machine and the reference say the same of an open event. */
import type { OpenSlot } from '../../../src/consumers/machine-types.js';

export function isSame(one: OpenSlot, other: OpenSlot | undefined): boolean {
  return (
    one.sequence === other?.sequence &&
    one.state === other.state &&
    one.attempts === other.attempts &&
    one.losses === other.losses &&
    one.key === other.key &&
    one.member === other.member &&
    one.lease === other.lease &&
    one.isBegun === other.isBegun &&
    one.due === other.due
  );
}

export function textOf(value: unknown): string {
  return JSON.stringify(value) ?? 'nothing';
}
