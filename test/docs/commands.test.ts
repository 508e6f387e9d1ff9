import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import {
  BIN,
  type Outcome,
  outcomeOf,
  startServer,
  temporaryDirectory,
} from '../cli/support/command.js';
import { neededCommand } from '../support/needed-command.js';
import { blocksOf, PROGRAMS_HANG_MS, ROOT } from './samples.js';

/**
 * Pages, command by command: the outputs that stand there are what a server of today gives, but for ids, times, cursors,
 * secrets and the wait that a stream asks for.
 */

const QUICKSTART = 'docs/QUICKSTART.md';
const SERVER = 'http://127.0.0.1:7400';
const curl = neededCommand('curl', 'the commands of the documents');

interface Step {
  readonly command: string;
  readonly output: string;
}

function steps(block: string): Step[] {
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((text) => {
      const end = text.indexOf('\n');
      return { command: text.slice(0, end), output: text.slice(end + 1) };
    });
}

function start(program: string, args: readonly string[], cwd: string) {
  const env = { ...process.env, NO_COLOR: '1', PATH: process.env.PATH };
  return spawn(program, args, { cwd, env });
}

function run(program: string, args: readonly string[], cwd: string, input = ''): Promise<Outcome> {
  const child = start(program, args, cwd);
  child.stdin.end(input);
  return outcomeOf(child);
}

/**
 * The standard output of a stream. The page cuts the stream after some seconds; here it is cut once it has sent as many
 * messages as the page shows, however long that takes.
 */
async function streamed(line: string, cwd: string, output: string): Promise<string> {
  const command = line.replace(/ --max-time \d+/, '').replace(/^curl/, 'exec curl');
  const child = start('bash', ['-c', command], cwd);
  const messages = (text: string) => text.split('\n\n').length;
  const shown = messages(`${output.trimEnd()}\n\n`);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece) => {
    text += piece;
    if (messages(text) >= shown) child.kill();
  });
  return (await outcomeOf(child)).stdout;
}

/** What differs from one run to the next, by its kind. */
function withoutChance(text: string): string {
  return text
    .replace(/\b01[0-9A-HJKMNP-TV-Z]{24}\b/g, 'ID')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, 'TIME')
    .replace(/\bmr_[a-z0-9]+_[\w-]+/g, 'KEY')
    .replace(/^[a-z0-9]{16}(?= {2})/gm, 'KEY ID')
    .replace(/\bA[\w-]{30,}/g, 'CURSOR')
    .replace(/^retry: \d{4}$/gm, 'retry: WAIT')
    .trim();
}

describe.runIf(curl !== undefined)('the commands of', () => {
  it.each([
    [QUICKSTART, 13],
    ['docs/HTTP.md', 4],
  ])('%s print what it says', { timeout: PROGRAMS_HANG_MS }, async (page, leastSteps) => {
    const cwd = temporaryDirectory();
    const server = await startServer(temporaryDirectory(), ['--shards', '1']);
    const all = blocksOf(page, 'sh').flatMap(({ text }) => steps(text));
    expect(all.length).toBeGreaterThanOrEqual(leastSteps);
    for (const { command, output } of all) {
      const line = command
        .replaceAll('npx millrace', `MILLRACE_SERVER=${server.url} ${process.execPath} ${BIN}`)
        .replaceAll(SERVER, server.url);
      const isStream = line.includes('--max-time');
      const stdout = isStream
        ? await streamed(line, cwd, output)
        : (await run('bash', ['-c', line], cwd)).stdout;
      expect(withoutChance(stdout), command).toBe(withoutChance(output));
    }
  });
});

describe(QUICKSTART, () => {
  it('has programs that run', { timeout: PROGRAMS_HANG_MS }, async () => {
    const server = await startServer();
    const [embedded, client] = blocksOf(QUICKSTART, 'js').map(({ text }) =>
      text.replaceAll(SERVER, server.url),
    );
    const dir = temporaryDirectory();
    // Run where the package can be found, but with its events elsewhere.
    const code = embedded!.replace('./shop-data', dir);
    const node = ['--input-type=module'];
    expect(await run(process.execPath, node, ROOT, code)).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/^orders\.new { total: 12\.5 }\nhttp:\/\/127\.0\.0\.1:\d+\n$/),
    });
    expect(await run(process.execPath, node, ROOT, client!)).toMatchObject({
      code: 0,
      stderr: '',
      stdout: 'synced\norders.new { total: 5 }\n',
    });
  });
});
