import type { Ledger } from './ledger.js';
import type { Tellings } from './machine-types.js';
import { ALONE, BEGUN, LEASED, READY, TOLD, UNCLAIMED } from './open-events.js';

/**
 * Tells members what was decided and committed, in one order: lost leases, new ones, then whether there are more. Part
 * of the machine. Each method returns false where there was no room.
 */
export class Telling {
  readonly #ledger: Ledger;
  /** How many of the ledger's untold leases were told. */
  #told = 0;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  tell(tellings: Tellings, isPaused: boolean): boolean {
    return (
      this.#tellLost(tellings) && this.#tellLeased(tellings) && this.#tellSupply(tellings, isPaused)
    );
  }

  #tellLost(tellings: Tellings): boolean {
    const { lostLeases } = this.#ledger;
    if (lostLeases.length === 0) return true;
    let told = 0;
    for (const { member, sequence, lease } of lostLeases) {
      if (!tellings.lost(member, sequence, lease)) break;
      told++;
    }
    lostLeases.splice(0, told);
    return lostLeases.length === 0;
  }

  #tellLeased(tellings: Tellings): boolean {
    const { open, members, untold } = this.#ledger;
    for (; this.#told < untold.length; this.#told++) {
      const slot = untold[this.#told]!;
      // Its lease may have ended before it was told, or the slot be another event's, told in its own turn.
      if (open.state[slot] !== LEASED || open.has(slot, TOLD | UNCLAIMED)) continue;
      const isTold = tellings.leased(
        members.holderOf(slot)!.id,
        open.sequence[slot]!,
        open.lease[slot]!,
        open.attempts[slot]! + (open.has(slot, BEGUN) ? 0 : 1),
        open.due[slot]!,
        open.has(slot, ALONE),
      );
      if (!isTold) return false;
      open.set(slot, TOLD);
    }
    untold.length = 0;
    this.#told = 0;
    return true;
  }

  #tellSupply(tellings: Tellings, isPaused: boolean): boolean {
    const { open, members } = this.#ledger;
    const hasEvents = !isPaused && open.counts[READY]! > 0;
    for (const member of members.toTell(hasEvents)) {
      if (!tellings.supply(member.id, hasEvents)) return false;
      members.noteTold(member, hasEvents);
    }
    return true;
  }
}
