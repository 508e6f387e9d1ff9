import { defineConfig } from 'vitest/config';

/** A runner that gives each file a `vm` context of its own: `test/bus/other-realms.test.ts` starts it. */
export default defineConfig({
  test: { include: ['other-realm.ts'], pool: 'vmThreads', reporters: ['default'] },
});
