/** What a machine must not do when it leases, and what it must not leave undone, by the reference. */
import { LOSSES_BEFORE_ALONE } from '../../../src/protocol/limits/consumers.js';
import type { Reference } from './reference.js';
import type { RefEvent, RefMember } from './reference-shapes.js';

/** After the machine has leased all that it could: whether an event and a member were left waiting for each other. */
export function idle(reference: Reference): string | undefined {
  if (reference.isPaused) return undefined;
  const ready = reference.events.filter((event) => reference.stateOf(event) === 'ready');
  const free = freeMembers(reference);
  const fit = free.find(({ id, isDetached }) => isDetached || reference.handOf(id).length === 0);
  if (ready.length > 0 && fit !== undefined) return `${ready[0]!.sequence} beside ${fit.id}`;
  // Careful events may keep one member free for themselves, and no more.
  const isCareful = ready.some(({ losses }) => losses > 0);
  const plain = ready.find(({ losses }) => losses === 0);
  if (plain !== undefined && free.length > (isCareful ? 1 : 0)) {
    return `${plain.sequence} beside ${free.map(({ id }) => id)}`;
  }
  return undefined;
}

/** Members that may be leased an event. */
export function freeMembers(reference: Reference): RefMember[] {
  return reference.members.filter(
    ({ id, tokens }) => tokens > 0 && !reference.handOf(id).some((event) => event.lease!.isAlone),
  );
}

/** A ready event that was in hand at a death. */
export function carefulEvent(reference: Reference): number | undefined {
  const found = reference.events.find(
    (event) => event.losses > 0 && reference.stateOf(event) === 'ready' && !reference.isPaused,
  );
  return found?.sequence;
}

/** Why an event may not be leased to a member. */
export function leaseFault(
  reference: Reference,
  event: RefEvent | undefined,
  member: RefMember | undefined,
): string | undefined {
  if (event === undefined || reference.stateOf(event) !== 'ready') return 'it was not ready';
  if (member === undefined || member.tokens === 0) return 'its member had no token';
  if (reference.isPaused) return 'the consumer is paused';
  const hand = reference.handOf(member.id);
  if (hand.some(({ lease }) => lease!.isAlone)) return 'its member works alone';
  if (member.isDetached || event.losses === 0) return undefined;
  if (event.losses >= LOSSES_BEFORE_ALONE && hand.length > 0) return 'it has to go out alone';
  return hand.length < member.concurrency ? undefined : 'it was leased ahead after a loss';
}
