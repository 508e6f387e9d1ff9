/** Whether the machine and the reference say the same of an open event. */
import type { OpenSlot } from '../../../src/consumers/machine-types.js';
import type { Reference } from './reference.js';
import type { RefCounts } from './reference-shapes.js';

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
    one.due === other.due &&
    one.failure?.cause === other.failure?.cause &&
    one.failure?.at === other.failure?.at
  );
}

export function textOf(value: unknown): string {
  return JSON.stringify(value) ?? 'nothing';
}

/** Of all lanes together. */
export function countsOf(lanes: readonly RefCounts[]): RefCounts {
  const sum = (name: keyof RefCounts) => lanes.reduce((all, lane) => all + lane[name], 0);
  return { acked: sum('acked'), redelivered: sum('redelivered'), lost: sum('lost') };
}

/** As `ConsumerMachine.list`. */
export function listOf(reference: Reference): OpenSlot[] {
  const events = [...reference.events].sort((a, b) => a.sequence - b.sequence);
  return events.map((event) => {
    const { sequence, attempts, losses, lease } = event;
    const state = reference.stateOf(event);
    const isDue = state === 'waiting' || state === 'leased';
    return {
      sequence,
      state,
      attempts,
      losses,
      key: event.isRead ? event.key : undefined,
      member: lease?.member,
      lease: lease?.number ?? 0,
      isBegun: lease?.isBegun ?? false,
      due: isDue ? (lease?.deadline ?? event.waitUntil) : 0,
      failure: event.failure,
    };
  });
}
