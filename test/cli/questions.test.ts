import { describe, expect, it } from 'vitest';
import { until } from '../bus/support/wait.js';
import { outcomeOf, run, start, startServer } from './support/command.js';

/** `millrace request` and `millrace respond`, against a real server. */

const SQUARE = `node -e '
  const { payload } = JSON.parse(require("fs").readFileSync(0, "utf8"));
  if (payload === "fail") process.exit(3);
  console.log(JSON.stringify({ square: payload ** 2 }));
'`;

describe('the commands request and respond', () => {
  it('ask a question, and answer it by a command', { timeout: 120_000 }, async () => {
    const { url } = await startServer();
    const ask = (...args: string[]) => run(['request', 'math.square', ...args, '-s', url]);
    const unheard = await ask('2');
    expect(unheard.code).toBe(1);
    expect(unheard.stderr).toContain('NO_RESPONDERS');
    const responder = start(['respond', 'math.*', '-s', url, '--exec', SQUARE, '--count', '3']);
    let said = '';
    responder.stderr!.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const ended = outcomeOf(responder);
    await until('it responds', () => said.includes('answers questions on math.*'));
    expect(await ask('7')).toMatchObject({ code: 0, stdout: '{"square":49}\n' });
    const whole = await ask('8', '--json', '--correlation-id', 'run');
    expect(JSON.parse(whole.stdout)).toMatchObject({
      type: 'answer',
      correlationId: 'run',
      payload: { square: 64 },
    });
    const failed = await ask('fail');
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('exit code 3');
    expect(await ended).toMatchObject({ code: 0 });
    expect(said).toContain('2 answered, 1 failed');
  });
});
