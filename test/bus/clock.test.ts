import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { temporaryDirectory } from './support/open.js';

const support = (name: string): string =>
  fileURLToPath(new URL(`support/${name}`, import.meta.url));

test('a system clock set forward and back again makes no event wrong, expired or stored twice', async () => {
  const clock = join(temporaryDirectory(), 'clock');
  writeFileSync(clock, '0');
  const shift = pathToFileURL(support('shifted-clock.mjs')).href;
  const args = ['--import', shift, support('clock-child.mjs'), join(temporaryDirectory(), 'data')];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, CLOCK_FILE: clock },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  await once(child, 'close');
  const { told, furthestOffMs, ...rest } = JSON.parse(output);
  expect(rest).toEqual({
    repeated: true,
    ahead: [-24, -24],
    topics: ['few.a', 'new.a', 'new.b', 'new.c', 'old.a'],
  });
  expect(told).toEqual([['CLOCK_STEPPED', 0, 'put forward']]);
  // The test's own time, and not the day by which the clock was wrong.
  expect(furthestOffMs).toBeLessThan(3_600_000);
});
