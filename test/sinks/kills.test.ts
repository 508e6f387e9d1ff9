import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

/**
 * The games of `fuzz/sinks/projector.js` and `outbox.js`, shortened: real processes that are killed with SIGKILL, and what
 * they have written, compared after each. A planted fault shows that the games can fail.
 */
const run = promisify(execFile);

async function play(game: string, kills: number, env: Record<string, string> = {}) {
  const program = fileURLToPath(new URL(`../../fuzz/sinks/${game}.js`, import.meta.url));
  const args = [program, '--kills', String(kills), '--seed', '11'];
  const options = { env: { ...process.env, ...env } };
  return run(process.execPath, args, options).then(
    ({ stdout }) => stdout,
    (error: { stderr: string }) => error.stderr,
  );
}

describe.each(['projector', 'outbox'])(
  'a process of fuzz/%s.js that is killed 12 times',
  (game) => {
    it('is right each time', { timeout: 240_000 }, async () => {
      expect(await play(game, 12)).toMatch(/12 kills, \d+ times compared, each time equal; [1-9]/);
    });

    it('is wrong with a planted fault', { timeout: 240_000 }, async () => {
      expect(await play(game, 40, { MILLRACE_CANARY: '1' })).toMatch(`${game}: kill `);
    });
  },
);
