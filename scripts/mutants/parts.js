import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './outcomes.js';

/** The parts of `src` that are mutated, and the tests that run against their mutants. */

/** By part, the folders of tests that run its code in their own thread; Stryker does not see code of other threads. */
export const PARTS = {
  ring: ['test/ring'],
  auth: ['test/auth'],
  shards: ['test/shards', 'test/consumers'],
  store: ['test/store'],
};
/**
 * Test files that take seconds. The first run of a file goes without them, as each mutant that survives runs all tests
 * that reach it; `--survivors` runs them too, and so does a sample.
 */
export const SLOW = [
  'test/consumers/machine.property.test.ts',
  'test/shards/commands.test.ts',
  'test/shards/consumers/reading/backlog.test.ts',
  'test/shards/consumers/reading/record-cache.test.ts',
  'test/shards/expiry-clock.property.test.ts',
  'test/shards/introspection.test.ts',
  'test/shards/late-relink.test.ts',
  'test/shards/later.property.test.ts',
  'test/shards/publish-terms.property.test.ts',
  'test/shards/schedules.property.test.ts',
  'test/store/directory/hostile-files.test.ts',
  'test/store/sqlite/damage.test.ts',
  'test/store/sqlite/expiry.property.test.ts',
  'test/store/sqlite/field-index.test.ts',
  'test/store/sqlite/keep-per-topic-faults.test.ts',
  'test/store/sqlite/keep-per-topic.test.ts',
  'test/store/sqlite/payloads/claimed-payloads.property.test.ts',
  'test/store/sqlite/removal.test.ts',
];
/** These run code in other threads, or change it themselves: they find no mutant. */
export const BLIND = [
  'test/consumers/planted-faults.test.ts',
  'test/shards/churn.test.ts',
  'test/shards/supervision.test.ts',
  'test/store/storage-campaign.test.ts',
  'test/store/storage-cuts.test.ts',
];

/**
 * The suites of whole buses that come nearest to a file, by the beginning of its path; the first that fits counts. They
 * judge mutants that are built (`built.js`). Vitest takes each for a part of a path.
 */
const NEAREST = /** @type {const} */ ([
  ['src/shards/consumers/calls/', ['test/bus/consumers/letters', 'test/bus/consumers/list']],
  ['src/shards/consumers/gates/', ['test/bus/consumers/across', 'test/bus/consumers/full']],
  ['src/shards/consumers/', ['test/bus/consumers/deliveries', 'test/bus/consumers/deaths']],
  ['src/shards/later/', ['test/bus/later.test', 'test/bus/damaged-later']],
  ['src/shards/publish-', ['test/bus/publish', 'test/bus/shared-store', 'test/bus/later.test']],
  ['src/shards/shard-subscription', ['test/bus/overflow', 'test/bus/blocking']],
  ['src/shards/introspection', ['test/bus/subscribers', 'test/bus/statistics']],
  ['src/shards/', ['test/bus/blocking', 'test/bus/subscriptions', 'test/bus/overflow']],
  ['src/store/sqlite/payloads/', ['test/bus/large-payloads', 'test/bus/backup']],
  ['src/store/upkeep/', ['test/bus/backup', 'test/bus/prune']],
  ['src/store/', ['test/bus/prune', 'test/bus/ttl', 'test/bus/keep-per', 'test/bus/later.test']],
]);

/** @param {string} file @returns {string[]} */
export function suitesOf(file) {
  return [...(NEAREST.find(([path]) => file.startsWith(path))?.[1] ?? [])];
}

/** The files of a part. @param {string} name */
export function filesOfPart(name) {
  if (!Object.hasOwn(PARTS, name)) {
    console.error(`mutants: no part ${name}; there are ${Object.keys(PARTS).join(', ')}`);
    process.exit(2);
  }
  const entries = readdirSync(join(ROOT, 'src', name), { recursive: true, encoding: 'utf8' });
  const files = entries.filter((entry) => entry.endsWith('.ts')).sort();
  return files.map((entry) => `src/${name}/${entry}`);
}

/** @param {string | undefined} file */
export function partOf(file) {
  return /** @type {keyof typeof PARTS} */ (file?.split('/')[1]);
}
