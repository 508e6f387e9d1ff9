import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { planted } from '../../fuzz/checker/plant.js';
import { faults } from '../../fuzz/clusters/faults.js';
import { plants } from '../../fuzz/clusters/plants.js';
import { obstacleToNamespaces } from '../../fuzz/faults/network/namespaces.js';
import { readResults } from '../../fuzz/record-result.js';
import { CLUSTER_FAULTS } from '../../scripts/reliability/rows.js';

/** A little of the campaign of fuzz/clusters. Its servers are in network namespaces of their own. */
const TIME_MS = 600_000;
const obstacle = obstacleToNamespaces();
if (obstacle !== undefined) console.warn(`clusters of brokers NOT TESTED: ${obstacle}`);

it.skipIf(obstacle !== undefined && process.env.CI !== 'true').each(['nats', 'redis'])(
  'four nodes on %s lose nothing while a server is cut off or paused, or a node is killed',
  (on) => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-clusters-'));
    try {
      const file = join(folder, 'results.jsonl');
      const program = fileURLToPath(new URL('../../fuzz/clusters/run.js', import.meta.url));
      const short = ['--rounds', '1', '--seconds', '8', '--pause', '0.5', '--lasts', '2'];
      const faults = ['--faults', 'cut,pause,node'];
      const where = ['--record', file, '--dir', folder];
      const args = ['--on', on, '--seed', '3', ...short, ...faults, ...where];
      const run = spawnSync(process.execPath, [program, ...args], {
        encoding: 'utf8',
        timeout: TIME_MS,
      });
      expect(run.status, run.stdout + run.stderr).toBe(0);
      const [result] = readResults(file);
      if (result!.unjudged! > 0) console.warn(run.stderr);
      expect(result).toMatchObject({ campaign: `clusters ${on}`, problems: 0, lost: 0 });
      expect(result!.kinds).toBeDefined();
      const kinds = Object.keys(result!.kinds!);
      expect(kinds.length).toBeGreaterThan(0);
      expect(['cut', 'pause', 'node']).toEqual(expect.arrayContaining(kinds));
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  },
  TIME_MS,
);

it.each(Object.entries(plants))(
  'the plants of the clusters have their places in the build: %s',
  (_, plant) => {
    const dist = fileURLToPath(new URL('../../dist', import.meta.url));
    for (const [file, text] of planted(dist, plant)) expect(text, file).not.toBe('');
  },
);

it('the table of RELIABILITY has a column for each fault of the clusters', () => {
  expect(Object.keys(CLUSTER_FAULTS)).toEqual(Object.keys(faults));
});
