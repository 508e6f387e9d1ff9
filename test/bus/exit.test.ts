import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from './support/open.js';

/**
 * Programs that end without `close()`. Their threads end with them, and SQLite then copies the write-ahead logs and
 * removes them, although nobody has closed the logs: nothing is lost, and the history goes on.
 */
const BUILT = new URL('../../dist/index.js', import.meta.url).href;

const ENDS = {
  'process.exit()': 'process.exit(0);',
  'process.exit() a while later': 'setTimeout(() => process.exit(0), 600);',
  'an uncaught error': "setTimeout(() => { throw new Error('a bug'); });",
  'process.exit() while the bus closes': 'bus.close(); setTimeout(() => process.exit(0));',
};

const WORK = `
  const events = Array.from({ length: 50 }, (_, n) => ({ topic: 'a.b', type: 't', payload: n }));
  await bus.publishMany(events);
  const consumer = await bus.consumer('one', { filter: 'a.*', from: 'earliest' });
  const [delivery] = await consumer.pull({ waitMs: 5000 });
  await delivery.ack();`;

function run(dir: string, work: string, end: string): string {
  const program = `
    const { openBus } = await import(${JSON.stringify(BUILT)});
    const bus = await openBus({ dir: ${JSON.stringify(dir)}, shards: 2 });
    ${work}
    process.stdout.write('done');
    ${end}`;
  const args = ['--input-type=module', '--eval', program];
  return spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout;
}

interface Kept {
  readonly epoch: string;
  readonly earlier: readonly unknown[];
}

const manifestOf = (dir: string): Kept =>
  JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8')) as Kept;

describe('the history goes on after', () => {
  it.each(Object.entries(ENDS))('%s', (_, ending) => {
    const dir = join(temporaryDirectory(), 'data');
    expect(run(dir, WORK, ending)).toBe('done');
    const { epoch } = manifestOf(dir);
    expect(run(dir, '', ending)).toBe('done');
    expect(run(dir, '', 'await bus.close();')).toBe('done');
    expect(manifestOf(dir)).toMatchObject({ epoch, earlier: [] });
  });
});
