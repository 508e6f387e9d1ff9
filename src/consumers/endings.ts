import type { DeadCause } from '../protocol/consumers.js';
import { backoffAfter } from './backoff.js';
import type { Failure } from './failures.js';
import type { Ledger } from './ledger.js';
import type { Decisions, MachineDefinition, MemberEnd, SettlementKind } from './machine-types.js';
import { BEGUN, DETACHED, TOLD } from './open-events.js';

/**
 * What becomes of an event whose lease ends: it is done, comes again, waits, or is dead. Part of the machine.
 */
export class Endings {
  definition: MachineDefinition;
  readonly #ledger: Ledger;
  readonly #decisions: Decisions;

  constructor(ledger: Ledger, definition: MachineDefinition, decisions: Decisions) {
    this.#ledger = ledger;
    this.definition = definition;
    this.#decisions = decisions;
  }

  /** The member settles the event. That proves that it had begun. */
  settle(slot: number, kind: SettlementKind, delayMs: number, reason: string): void {
    const { open, members } = this.#ledger;
    if (kind === 'working') {
      this.#extend(slot);
      return;
    }
    const member = members.holderOf(slot);
    if (!open.has(slot, BEGUN)) open.attempts[slot]!++;
    if (kind === 'ack') {
      this.#ledger.laneOf(slot).acked++;
      this.#ledger.remove(slot);
    } else this.#giveBack(slot, kind, delayMs, reason);
    if (member !== undefined) members.promote(member);
  }

  /**
   * The lease has run out. Where it was never told, its attempt was none. Others of the hand may begin then, but for
   * those that run out at the same time: the caller promotes them at the end.
   */
  expire(slot: number): void {
    this.#ledger.noteLost(slot);
    if (this.#end(slot)) this.#retry(slot, 'expired', this.#waitOf(slot, -1));
    else this.#ledger.putBack(slot);
  }

  /** The member has ended, and is not told that the lease has. */
  giveUp(slot: number, end: MemberEnd): void {
    if (!this.#end(slot)) {
      this.#ledger.putBack(slot);
      return;
    }
    if (end === 'died') this.#ledger.addLoss(slot, this.definition.leaseMs);
    this.#retry(slot, 'lost');
  }

  /** The process ended while the event was leased and may have begun. */
  lostWithProcess(slot: number): void {
    this.#ledger.addLoss(slot, Number.POSITIVE_INFINITY);
    this.#retry(slot, 'lost');
  }

  /** Ends the lease. Returns whether its attempt counts: the event may have begun. */
  #end(slot: number): boolean {
    const { open } = this.#ledger;
    const hadBegun = open.has(slot, BEGUN);
    const wasTold = open.has(slot, TOLD);
    this.#ledger.endLease(slot);
    if (hadBegun && !wasTold) open.attempts[slot]!--;
    return hadBegun && wasTold;
  }

  #giveBack(
    slot: number,
    kind: 'nak' | 'hand-back' | 'term',
    delayMs: number,
    reason: string,
  ): void {
    const { open } = this.#ledger;
    if (kind === 'hand-back') open.attempts[slot]!--;
    this.#ledger.endLease(slot);
    if (kind === 'term') this.#die(slot, 'term', reason);
    else if (kind === 'nak') this.#retry(slot, 'nak', this.#waitOf(slot, delayMs), reason);
    else this.#retry(slot, 'hand-back', Math.max(0, delayMs), reason);
  }

  #waitOf(slot: number, delayMs: number): number {
    if (delayMs >= 0) return delayMs;
    return backoffAfter(this.#ledger.open.attempts[slot]!, this.definition.backoffMs);
  }

  #extend(slot: number): void {
    const { open, deadlines, now } = this.#ledger;
    deadlines.remove(slot);
    deadlines.addLease(slot, now + this.definition.leaseMs);
    // The end of a detached lease is stored.
    if (open.has(slot, DETACHED)) open.dirty[open.lane[slot]!] = 1;
  }

  /** After an attempt that failed, or a planned hand-back: it comes again, unless it was the last one. */
  #retry(slot: number, cause: Failure['cause'] | 'hand-back', waitMs = 0, reason = ''): void {
    const { open, failures, now } = this.#ledger;
    if (open.attempts[slot]! >= this.definition.maxAttempts) {
      this.#die(slot, cause === 'hand-back' ? 'nak' : cause, reason);
      return;
    }
    if (cause !== 'hand-back') failures.note(open.sequence[slot]!, { cause, reason, at: now });
    this.#ledger.putBackLater(slot, now + waitMs);
  }

  #die(slot: number, cause: DeadCause, reason: string): void {
    const { open } = this.#ledger;
    if (this.#ledger.removeOver(slot)) return;
    const lane = open.lane[slot]!;
    this.#decisions.dead(lane, open.sequence[slot]!, open.attempts[slot]!, cause, reason);
    this.#ledger.remove(slot);
  }
}
