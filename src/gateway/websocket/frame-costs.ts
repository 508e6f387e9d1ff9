import { WORK_MEMBER_MS, WORK_SETTLEMENT_MS } from '../../protocol/limits/budgets.js';
import type { ClientFrame } from '../../protocol/wire.js';

/** What a frame costs the thread besides reading it, where that is much more than for most frames; ms, an estimate. */
export function costOf(frame: ClientFrame): number {
  switch (frame.type) {
    case 'settle':
      return frame.payload.settlements.length * WORK_SETTLEMENT_MS;
    // A pull is a member as well, until it is answered.
    case 'pull':
    case 'join':
    case 'resize':
      return WORK_MEMBER_MS;
    default:
      return 0;
  }
}
