/** What a consumer's lanes begin with: the rows that are stored of them, or the place where a round begins. */
import type { MachineDefinition, RestoredLane } from '../../consumers/machine-types.js';
import type { ConsumerEntry } from '../../link/consumer-shapes.js';
import type { ConsumerDefinition } from '../../protocol/consumers.js';
import { matchesPattern } from '../../protocol/topic.js';
import type { StoredLane } from '../../store/consumer-states.js';

const NOTHING_OPEN = new Uint8Array(0);

/** One for each pattern of `priority`, and one for the rest. */
export function lanesOf({ priority }: ConsumerDefinition): number {
  return priority.length + 1;
}

/** The lane of an event: that of the first pattern which matches its topic. */
export function laneOf({ priority }: ConsumerDefinition, topic: string): number {
  if (priority.length === 0) return 0;
  const lane = priority.findIndex((pattern) => matchesPattern(pattern, topic));
  return lane < 0 ? priority.length : lane;
}

export function machineDefinition(definition: ConsumerDefinition): MachineDefinition {
  const { order, leaseMs, maxAttempts, backoffMs, maxAhead } = definition;
  const hasKeys = order !== 'none';
  return { hasKeys, lanes: lanesOf(definition), leaseMs, maxAttempts, backoffMs, maxAhead };
}

export interface RestoredLanes {
  readonly lanes: readonly RestoredLane[];
  /** The rows are not those of the entry: all have to be stored. */
  readonly isNew: boolean;
}

/**
 * The lanes of an entry from the rows that are stored. Rows of another round only lend their counts. Where the process
 * ended between a change of `priority` in a shard and its change in main's list, the number of lanes differs: lanes
 * that have no row begin where the others are, and rows that have no lane take the whole consumer back to the one that
 * has come least far.
 */
export function restoredLanes(
  entry: ConsumerEntry,
  stored: readonly StoredLane[],
  recordedAt: number,
): RestoredLanes {
  const count = lanesOf(entry.definition);
  const rows = stored.filter(({ round }) => round === entry.round);
  const leaseNext = Math.max(1, ...stored.map((row) => row.leaseNext));
  const all = Array.from({ length: count }, (_, lane) => lane);
  const fresh = (position: number): RestoredLane => {
    const counts = { acked: 0, redelivered: 0, lost: 0 };
    return { position, leaseNext, ...counts, ageMs: 0, open: NOTHING_OPEN };
  };
  if (rows.length === 0 || rows.length > count) {
    const positions = rows.map(({ position }) => position);
    const position = rows.length === 0 ? entry.position : Math.min(...positions);
    const lanes = all.map(() => fresh(position));
    return { lanes: [{ ...lanes[0]!, ...countsOf(stored) }, ...lanes.slice(1)], isNew: true };
  }
  const furthest = Math.max(...rows.map(({ position }) => position));
  const lanes = all.map((lane) => {
    const row = rows.find((one) => one.lane === lane);
    if (row === undefined) return fresh(furthest);
    const { position, acked, redelivered, lost, open, at } = row;
    const ageMs = Math.max(0, recordedAt - at);
    return { position, leaseNext, acked, redelivered, lost, open, ageMs };
  });
  return { lanes, isNew: rows.length < count };
}

function countsOf(
  stored: readonly StoredLane[],
): Pick<RestoredLane, 'acked' | 'redelivered' | 'lost'> {
  const sum = (name: 'acked' | 'redelivered' | 'lost') =>
    stored.reduce((all, row) => all + row[name], 0);
  return { acked: sum('acked'), redelivered: sum('redelivered'), lost: sum('lost') };
}
