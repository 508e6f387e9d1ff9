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
