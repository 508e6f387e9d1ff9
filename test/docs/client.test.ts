import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { COALESCE_WINDOW_MS_MAX } from '../../src/protocol/limits/client.js';
import { type Outcome, outcomeOf, startServer } from '../cli/support/command.js';
import { blocksOf, PROGRAMS_HANG_MS, ROOT } from './samples.js';

/** The examples of docs/CLIENT.md, each run as it stands by a Node that has the package. */

const EXAMPLES = blocksOf('docs/CLIENT.md', 'js').map(({ text }) => text);

function run(code: string): Promise<Outcome> {
  const child = spawn(process.execPath, ['--input-type=module'], { cwd: ROOT });
  child.stdin.end(code);
  return outcomeOf(child);
}

/**
 * The window of the coalescing example as long as can be, so that the message ends it, and not the time that a machine
 * needs for three acknowledged publishes.
 */
function withLongWindow(example: string): string {
  const long = example.replace('windowMs: 50,', `windowMs: ${COALESCE_WINDOW_MS_MAX},`);
  expect(long).not.toBe(example);
  return long;
}

describe('docs/CLIENT.md', () => {
  it('has examples that run', { timeout: PROGRAMS_HANG_MS }, async () => {
    const server = await startServer();
    expect(EXAMPLES.length).toBeGreaterThan(6);
    for (const [at, text] of EXAMPLES.entries()) {
      const isCoalescing = text.includes('coalesce:');
      const example = isCoalescing ? withLongWindow(text) : text;
      const isWhole = example.includes('const client =');
      const code = isWhole
        ? example
        : `import { connect } from 'millrace/client';
           const client = connect('http://127.0.0.1:7400');
           ${example}
           await client.close();`;
      const outcome = await run(code.replaceAll('http://127.0.0.1:7400', server.url));
      expect(outcome, example).toMatchObject({ code: 0, stderr: '' });
      if (at === 0) expect(outcome.stdout).toContain('orders.new { total: 3 }');
      if (isCoalescing) {
        expect(outcome.stdout).toBe('chat_token Hello 2\nchat_message Hello 1\n');
      }
    }
  });
});
