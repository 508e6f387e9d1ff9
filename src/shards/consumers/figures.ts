/** Counts of all consumers of a shard, for statistics. Only the shard's loop touches this. */
import type { ConsumerTotals } from '../../protocol/bus-api.js';
import type { Desk } from './desk.js';

export const NO_CONSUMERS: ConsumerTotals = {
  count: 0,
  pending: 0,
  inFlight: 0,
  waiting: 0,
  dead: 0,
};

export function deskFigures({ log, store, roster }: Desk): ConsumerTotals {
  const { head } = log;
  const sums = { count: 0, pending: 0, inFlight: 0, waiting: 0, dead: 0 };
  for (const { id, machine, position } of roster.listed) {
    const { open, leased, waiting } = machine.counts;
    sums.count++;
    sums.pending += open + Math.max(0, head - position);
    sums.inFlight += leased;
    sums.waiting += waiting;
    sums.dead += store.deadCount(id);
  }
  return sums;
}
