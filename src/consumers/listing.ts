import type { Ledger } from './ledger.js';
import type { OpenSlot } from './machine-types.js';
import { BEGUN, HELD, LEASED, LISTED, READY, WAITING } from './open-events.js';
import { slotsOf } from './restore.js';

/** What is open, for people. */

const STATES = {
  // Not read again yet, so it is held as much as one whose key is taken.
  [LISTED]: 'held',
  [HELD]: 'held',
  [READY]: 'ready',
  [LEASED]: 'leased',
  [WAITING]: 'waiting',
} as const;

/** Open events behind a sequence, in the order of sequences. */
export function listOpen(ledger: Ledger, after: number, limit: number): OpenSlot[] {
  const { open, lanes } = ledger;
  const slots = lanes.flatMap(slotsOf).filter((slot) => open.sequence[slot]! > after);
  slots.sort((a, b) => open.sequence[a]! - open.sequence[b]!);
  return slots.slice(0, limit).map((slot) => describe(ledger, slot));
}

function describe({ open, members, chains }: Ledger, slot: number): OpenSlot {
  const state = open.state[slot]!;
  return {
    sequence: open.sequence[slot]!,
    state: STATES[state as keyof typeof STATES],
    attempts: open.attempts[slot]!,
    losses: open.losses[slot]!,
    key: chains.keyOf(slot),
    member: members.holderOf(slot)?.id,
    lease: state === LEASED ? open.lease[slot]! : 0,
    isBegun: open.has(slot, BEGUN),
    due: state === LEASED || state === WAITING ? open.due[slot]! : 0,
  };
}
