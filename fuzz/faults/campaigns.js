import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { faults } from '../checker/faults.js';
import { planOf } from '../checker/plan.js';
import { clockFault, FakedClock, faketimeLibrary, ShiftedClock, suspend } from './clocks/faults.js';
import { NetworkFault } from './network/faults.js';
import { Namespaces, obstacleToNamespaces } from './network/namespaces.js';
import { PartDeaths } from './parts/fault.js';
import { pointInto } from './parts/points.js';
import { percentilesOf } from './percentiles.js';
import { judgeStops, sigterm, whileRecovering } from './signals/faults.js';
import { isOutside, Served } from './signals/served.js';
import { Together } from './together.js';

/** The processes of clients that a plan has (`planOf`), each with a network of its own. */
const CLIENTS = ['sockets-1', 'sockets-2', 'http'];
/** Codes with which subscriptions end where parts die. */
const ENDS_OF_PARTS = ['PART_DIED', 'HANDLER_FAILED'];

/**
 * @typedef {object} Campaign A campaign of `run.js`.
 * @property {string} fault           its kind in the results (`record-result.js`)
 * @property {() => string | undefined} [obstacle]  why it cannot be played here
 * @property {(seed: number, place: { folder: string, built: string }) => any} of  what `play` gets besides
 * @property {(faults: any[], result: any) => any} [summary]
 *   `injections`, `recoveriesMs`, `problems` and `lines` that the faults themselves have to tell
 */

/** @type {Readonly<Record<string, Campaign>>} */
export const campaigns = {
  parts: {
    fault: 'part dies',
    of: (seed, { folder, built }) => ({
      faults: [new PartDeaths(seed)],
      dist: pointInto(built, join(folder, 'pointed')),
      mayEnd: ENDS_OF_PARTS,
    }),
    summary: ([parts]) => summaryOfParts(parts),
  },
  signals: {
    fault: 'together',
    of: (seed) => {
      const { bus } = planOf(seed);
      const stops = [];
      return {
        faults: [{ ...sigterm, stops }, faults.kill, whileRecovering, faults.client],
        plays: isOutside,
        subjectOf: (options, environment) => {
          const served = new Served({ ...options, bus }, environment);
          served.stops = stops;
          return served;
        },
      };
    },
    summary: ([{ stops }]) => {
      const { problems, stopsMs } = judgeStops(stops);
      const late = stopsMs.filter((ms) => ms > 5000).length;
      return {
        problems,
        lines: [
          `${stopsMs.length} stops by SIGTERM, ${JSON.stringify(percentilesOf(stopsMs))} ms, ` +
            `longest ${Math.round(stopsMs.at(-1) ?? 0)} ms, ${late} over 5 s`,
        ],
      };
    },
  },
  clocks: {
    fault: 'clocks',
    of: () => ({
      // No kills of the server: a clock that is set while no bus is open makes it forget ids, as GUARANTEES.md says.
      faults: [clockFault(new ShiftedClock()), suspend, faults.shard, faults.gateway],
    }),
  },
  faketime: {
    fault: 'clocks',
    obstacle: () =>
      existsSync(faketimeLibrary) ? undefined : 'NOT FOUND: libfaketime (Debian package faketime)',
    of: () => ({ faults: [clockFault(new FakedClock()), suspend, faults.shard] }),
  },
  network: {
    fault: 'network',
    of: () => ({ faults: [new NetworkFault({ clients: CLIENTS })] }),
  },
  namespaces: {
    fault: 'network',
    obstacle: obstacleToNamespaces,
    of: () => ({ faults: [new Namespaces({ clients: CLIENTS })] }),
  },
  together: {
    fault: 'together',
    of: (seed, { folder, built }) => {
      const parts = new PartDeaths(seed, { spellMs: 1500 });
      const network = new NetworkFault({ clients: CLIENTS });
      // Nobody can ask a server that stands still for another fault, so it goes on by itself.
      const { freeze: _, ...others } = faults;
      const all = [parts, network, ...Object.values(others), suspend, whileRecovering];
      return {
        faults: [new Together(all)],
        dist: pointInto(built, join(folder, 'pointed')),
        mayEnd: ENDS_OF_PARTS,
      };
    },
    summary: ([together]) => ({
      injections: together.injections,
      lines: [JSON.stringify(together.counts)],
    }),
  },
};

function summaryOfParts(parts) {
  const { points, ways } = parts.counts;
  const never = Object.keys(points).filter((name) => points[name] === 0);
  return {
    injections: parts.deaths.length,
    recoveriesMs: parts.recoveriesMs,
    problems: parts.leaks,
    lines: [
      `${parts.deaths.length} deaths, ${JSON.stringify(ways)}, ${JSON.stringify(points)}`,
      `no death at ${never.length > 0 ? never.join(', ') : 'no point'}`,
      `held: ${JSON.stringify(parts.samples.at(2))} … ${JSON.stringify(parts.samples.at(-1))}`,
    ],
  };
}
