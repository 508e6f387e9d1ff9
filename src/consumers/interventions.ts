import type { Ledger } from './ledger.js';
import { EXPIRED, GONE, LEASED, LISTED } from './open-events.js';
import { slotsOf } from './restore.js';

/** What comes from neither a member nor the time: operators, retention, a log that refuses a batch. */

/** Forgets what is open, and goes on behind a position for each lane. */
export function seek(ledger: Ledger, positions: readonly number[]): void {
  const { open, chains, deadlines, failures, lanes } = ledger;
  for (const slot of lanes.flatMap(slotsOf)) {
    if (open.state[slot] === LEASED) {
      ledger.noteLost(slot);
      ledger.endLease(slot);
    }
    open.release(slot);
  }
  chains.clear();
  deadlines.clear();
  failures.clear();
  ledger.aside = 0;
  for (const lane of lanes) {
    lane.reset(positions[lane.index]!);
    open.dirty[lane.index] = 1;
  }
}

/** The log has lost these events, all of them. */
export function prune(ledger: Ledger, from: number, through: number): void {
  const { open, lanes } = ledger;
  if (from === through) {
    const slot = open.find(from);
    if (slot >= 0) pruneSlot(ledger, slot);
    return;
  }
  for (const slot of lanes.flatMap(slotsOf)) {
    const sequence = open.sequence[slot]!;
    if (sequence >= from && sequence <= through) pruneSlot(ledger, slot);
  }
}

function pruneSlot(ledger: Ledger, slot: number): void {
  if (ledger.open.state[slot] === LEASED) ledger.open.set(slot, GONE);
  else ledger.removeGone(slot);
}

/** The event's time is over; returns whether that has changed anything. */
export function expire(ledger: Ledger, sequence: number): boolean {
  const { open } = ledger;
  const slot = open.find(sequence);
  if (slot < 0 || open.has(slot, EXPIRED)) return false;
  if (open.state[slot] === LEASED) {
    open.set(slot, EXPIRED);
    open.dirty[open.lane[slot]!] = 1;
  } else ledger.removeExpired(slot);
  return true;
}

/** Takes an open event for done; returns whether it was open. */
export function skip(ledger: Ledger, sequence: number): boolean {
  const { open, members } = ledger;
  const slot = open.find(sequence);
  if (slot < 0) return false;
  const member = members.holderOf(slot);
  ledger.noteLost(slot);
  ledger.remove(slot);
  if (member !== undefined) members.promote(member);
  return true;
}

/** A dead event is open again, behind the open ones of its key. */
export function redrive(
  ledger: Ledger,
  lane: number,
  sequence: number,
  key: string | undefined,
): void {
  const slot = ledger.open.take(lane, sequence, LISTED);
  ledger.open.touch(lane, sequence);
  ledger.lanes[lane]!.appendRedriven(slot);
  ledger.setKey(slot, key);
}

/** The events over this head never were. */
export function undoAfter(ledger: Ledger, head: number): void {
  const { open, lanes, members } = ledger;
  for (const lane of lanes) {
    for (let slot = lane.read.last; slot >= 0; slot = lane.read.last) {
      if (open.sequence[slot]! <= head) break;
      const member = members.holderOf(slot);
      ledger.remove(slot);
      if (member !== undefined) members.promote(member);
    }
    if (lane.position > head) lane.position = head;
  }
}
