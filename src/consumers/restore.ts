import { BusError } from '../protocol/errors.js';
import type { Lane } from './lane.js';
import type { Ledger } from './ledger.js';
import type { Before, MachineDefinition, RestoredLane } from './machine-types.js';
import {
  ALONE,
  BEGUN,
  DETACHED,
  EXPIRED,
  LEASED,
  LISTED,
  TOLD,
  UNCLAIMED,
  UNREAD,
} from './open-events.js';
import {
  type OpenListReader,
  STORED_ALONE,
  STORED_BEGUN,
  STORED_DETACHED,
  STORED_EXPIRED,
} from './open-list.js';

/**
 * Makes a ledger of what was stored. Leases of members in other threads stay until their endpoints have claimed them,
 * if the process lives (`replaced`); otherwise they were lost with it.
 *
 * @returns the slots whose members died with the process while they may have begun them; their leases have ended
 * @throws BusError `STORE_CORRUPT`
 */
export function restore(
  ledger: Ledger,
  definition: MachineDefinition,
  stored: readonly RestoredLane[],
  before: Before,
): number[] {
  const { open } = ledger;
  const lost: number[] = [];
  open.dirty.fill(0);
  for (const lane of ledger.lanes) {
    const row = stored[lane.index]!;
    lane.position = row.position;
    lane.storedPosition = row.position;
    lane.acked = row.acked;
    lane.redelivered = row.redelivered;
    lane.lost = row.lost;
    ledger.leaseNext = Math.max(ledger.leaseNext, row.leaseNext);
    let isChanged = false;
    const expired: number[] = [];
    lane.load(row.open, LISTED, (slot, list) => {
      if (definition.hasKeys) open.set(slot, UNREAD);
      if (!list.isLeased) restoreUnleased(ledger, slot, list, row);
      else if (restoreLease(ledger, slot, list, row, before)) isChanged = true;
      else return;
      if (list.isLeased && (list.flags & STORED_EXPIRED) !== 0) expired.push(slot);
      else if (list.isLeased && (list.flags & STORED_BEGUN) !== 0) lost.push(slot);
      else if (list.isLeased) ledger.makeReady(slot);
    });
    for (const slot of expired) ledger.removeExpired(slot);
    if (definition.hasKeys) lane.readAgain();
    open.touch(lane.index, row.position);
    open.dirty[lane.index] = isChanged ? 1 : 0;
  }
  return lost;
}

function restoreUnleased(
  ledger: Ledger,
  slot: number,
  list: OpenListReader,
  row: RestoredLane,
): void {
  const due = ledger.now + list.dueInMs - row.ageMs;
  if (due > ledger.now) ledger.makeWait(slot, due);
  else ledger.makeReady(slot);
}

/** Returns whether the lease ends with the process. */
function restoreLease(
  ledger: Ledger,
  slot: number,
  list: OpenListReader,
  row: RestoredLane,
  before: Before,
): boolean {
  const { open } = ledger;
  const lease = row.leaseNext - list.leaseBehind;
  if (lease < 1 || list.leaseBehind < 1) {
    throw new BusError('STORE_CORRUPT', `a consumer's row has no lease ${lease}`);
  }
  open.lease[slot] = lease;
  const isDetached = (list.flags & STORED_DETACHED) !== 0;
  if (!isDetached && before === 'opened') return true;
  if ((list.flags & STORED_BEGUN) !== 0) open.set(slot, BEGUN);
  if ((list.flags & STORED_ALONE) !== 0) open.set(slot, ALONE);
  if ((list.flags & STORED_EXPIRED) !== 0) open.set(slot, EXPIRED);
  open.moveTo(slot, LEASED);
  if (isDetached) {
    open.set(slot, DETACHED | TOLD);
    ledger.deadlines.addLease(slot, ledger.now + list.dueInMs - row.ageMs);
  } else open.set(slot, UNCLAIMED);
  return false;
}

/** All open slots of a lane, redriven ones first. */
export function slotsOf(lane: Lane): number[] {
  const slots: number[] = [];
  for (const list of [lane.redriven, lane.read]) {
    for (let slot = list.first; slot >= 0; slot = list.after(slot)) slots.push(slot);
  }
  return slots;
}
