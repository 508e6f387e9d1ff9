import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { costs, warmThreads } from './warm-thread.js';

/** The tests that `npm run mutants` runs against mutants: those of the folders that it names in the environment. */
const folders = (process.env.MUTANTS_TESTS ?? 'test').split(',');
const without = (process.env.MUTANTS_WITHOUT ?? '').split(',');

/** Quick files first: most mutants are found by the first test that looks at them. */
class QuickFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const costOf = ({ moduleId }: TestSpecification) => costs.get(moduleId)?.wholeMs ?? 0;
    return files.toSorted((one, other) => costOf(one) - costOf(other));
  }
}

export default defineConfig({
  // Stryker chooses a pool by itself, so the pool is set when it has chosen.
  plugins: [
    {
      name: 'warm-threads',
      configureVitest: ({ project }) => {
        project.config.pool = warmThreads.name;
        project.config.poolRunner = warmThreads;
      },
    },
  ],
  test: {
    include: folders.map((folder) => `${folder}/**/*.test.ts`),
    exclude: without,
    setupFiles: ['scripts/mutants/forget.js'],
    isolate: false,
    // For the first run, without a mutant, on a busy machine; `forget.js` sets the limits for mutants by what it took.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    sequence: { sequencer: QuickFirst },
  },
});
