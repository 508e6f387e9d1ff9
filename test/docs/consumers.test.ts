import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { outcomeOf, startServer } from '../cli/support/command.js';
import { blocksOf, PROGRAMS_HANG_MS, ROOT } from './samples.js';

/** The guides of docs/CONSUMERS.md, each run as it stands against a server of its own. */

const SERVER = 'http://127.0.0.1:7400';
const GUIDES = blocksOf('docs/CONSUMERS.md', 'js').filter(({ text }) => text.includes(SERVER));

describe('docs/CONSUMERS.md', () => {
  it('has guides that do what they say', { timeout: PROGRAMS_HANG_MS }, async () => {
    const printed: string[][] = [];
    for (const { text } of GUIDES) {
      const server = await startServer();
      const child = spawn(process.execPath, ['--input-type=module'], { cwd: ROOT });
      child.stdin.end(text.replaceAll(SERVER, server.url));
      const { code, stdout, stderr } = await outcomeOf(child);
      expect({ code, stderr }, text).toEqual({ code: 0, stderr: '' });
      printed.push(stdout.trimEnd().split('\n'));
    }
    const [queue, ordered, asked, decided] = printed;
    expect([...queue!].sort()).toEqual(['dead: no image', 'resized cat.png']);
    expect(asked).toEqual(['17 1900', '18 RESPONDER_FAILED there is no 18']);
    expect(decided).toEqual(['70 paid, 30 is left; 70 refused, 30 is there']);
    expect(ordered).toEqual(['accounts.ann 100 1', 'accounts.ann 70 2', 'accounts.ann 75 1']);
  });
});
