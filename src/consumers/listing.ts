import type { Ledger } from './ledger.js';
import type { HeldKeySlot, OpenSlot } from './machine-types.js';
import { BEGUN, HELD, KEY_TAKEN, LEASED, LISTED, READY, WAITING } from './open-events.js';
import type { SlotList } from './slot-list.js';

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
  const slots: number[] = [];
  for (const lane of lanes) {
    for (const list of [lane.redriven, lane.read])
      collect(list, open.sequence, after, limit, slots);
  }
  slots.sort((a, b) => open.sequence[a]! - open.sequence[b]!);
  return slots.slice(0, limit).map((slot) => describe(ledger, slot));
}

/** Keys of which events wait, in the order of the sequences of their first events. */
export function listKeys(ledger: Ledger, after: number, limit: number): HeldKeySlot[] {
  const { open, chains, lanes } = ledger;
  const slots: number[] = [];
  for (const { redriven, read } of lanes) {
    for (const list of [redriven, read]) {
      for (let slot = list.first; slot >= 0; slot = list.after(slot)) {
        if (open.sequence[slot]! > after && holdsUp(ledger, slot)) slots.push(slot);
      }
    }
  }
  slots.sort((a, b) => open.sequence[a]! - open.sequence[b]!);
  return slots.slice(0, limit).map((slot) => {
    const waiting = chains.countBehind(slot) + (open.has(slot, KEY_TAKEN) ? 1 : 0);
    return { key: chains.keyOf(slot)!, waiting, first: describe(ledger, slot) };
  });
}

/** Whether the event stands first of its key, and others or the event itself wait for that key. */
function holdsUp({ open, chains }: Ledger, slot: number): boolean {
  return chains.isFirst(slot) && (chains.hasBehind(slot) || open.has(slot, KEY_TAKEN));
}

/** The first of a list that are behind a sequence; no more of them can be among the first of all lists. */
function collect(
  list: SlotList,
  sequence: Float64Array,
  after: number,
  limit: number,
  into: number[],
): void {
  let left = limit;
  for (let slot = list.first; slot >= 0 && left > 0; slot = list.after(slot)) {
    if (sequence[slot]! <= after) continue;
    into.push(slot);
    left--;
  }
}

function describe({ open, members, chains, failures }: Ledger, slot: number): OpenSlot {
  const state = open.has(slot, KEY_TAKEN) ? HELD : open.state[slot]!;
  return {
    sequence: open.sequence[slot]!,
    state: STATES[state as keyof typeof STATES],
    attempts: open.attempts[slot]!,
    losses: open.losses[slot]!,
    key: chains.keyOf(slot),
    member: members.holderOf(slot)?.id,
    lease: state === LEASED ? open.lease[slot]! : 0,
    isBegun: open.has(slot, BEGUN),
    // One that is set aside is held, and due for nobody.
    due: state === LEASED || state === WAITING ? open.due[slot]! : 0,
    failure: failures.of(open.sequence[slot]!),
  };
}
