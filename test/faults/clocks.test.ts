import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';

/** Each duty of a bus that has to do with time, while its clock is set by an hour and by ten years, both ways. */
const file = (name: string): string =>
  fileURLToPath(new URL(`../../fuzz/faults/clocks/${name}`, import.meta.url));
const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const TIME_MS = 240_000;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-clocks-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

it(
  'a clock that is set makes nothing due, expired, forgotten or lost, also where a thread dies meanwhile',
  () => {
    const clock = join(folder, 'clock');
    writeFileSync(clock, '{"fromMs":0,"offsetMs":0,"rate":0}');
    const args = ['--import', file('shift.js'), file('duties.js'), dist, folder];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      env: { ...process.env, FUZZ_CLOCK_FILE: clock },
      timeout: TIME_MS,
    });
    expect(status, stderr).toBe(0);
    const { steppedBy, broken, told } = JSON.parse(stdout);
    expect(broken).toEqual([]);
    expect(steppedBy).toHaveLength(4);
    expect(told).toEqual(['CLOCK_STEPPED']);
  },
  TIME_MS,
);
