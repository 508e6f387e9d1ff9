import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { SinkRunner } from '../../src/cli/sinks/sink-runner.js';
import type { SinkSection } from '../../src/cli/sinks/sink-sections.js';
import { openTestBus } from '../bus/support/open.js';
import { until } from '../bus/support/wait.js';
import { temporaryDirectory } from './support/command.js';

/** Sinks of an app's own that are not as they should be: a server outlives them. */

const NOTHING_OF = 'Object.create(null)';

/** @param info what the sink says of itself; @param stop what its stop does; sources of JavaScript */
async function runnerOf(info: string, stop = 'async () => end()') {
  const module = join(temporaryDirectory(), 'sink.mjs');
  writeFileSync(
    module,
    `export default () => {
       let end, fail;
       const closed = new Promise((resolve, reject) => { end = resolve; fail = reject; });
       return { ready: Promise.resolve(), closed, info: () => (${info}), stop: ${stop} };
     };`,
  );
  const section: SinkSection = {
    ...{
      name: 'odd',
      place: 'config file c.json: sinks.odd',
      kind: 'module',
      module,
      options: () => ({}),
      onFailure: 'retry',
    },
    consumer: undefined,
  };
  const bus = await openTestBus({ dir: ':memory:', shards: 1 });
  const logged: string[] = [];
  const log = (_: object, text = '') => void logged.push(text);
  const runner = new SinkRunner(section, {
    ...{ bus, place: undefined, publishSystem: () => {}, stop: () => {} },
    log: { info: log, warn: log, error: log },
  });
  onTestFinished(() => runner.stop());
  await until('it runs', () => logged.includes('sink odd runs'));
  return { runner, logged };
}

it.each([
  ['throws', '(() => { throw new Error("no"); })()'],
  ['is nothing', 'null'],
  ['is a promise', 'Promise.resolve({})'],
  ['throws when it is read', '({ get state() { throw new Error("no"); } })'],
  ['has values that are no texts', `({ state: ${NOTHING_OF}, consumer: ${NOTHING_OF} })`],
  [
    'has a failure without words',
    `({ state: 'waiting', name: ${NOTHING_OF}, lastError: { code: 5, message: ${NOTHING_OF} } })`,
  ],
  ['has no failure', `({ state: 'running', lastError: null })`],
])('an info that %s harms neither figures nor the end', async (_, info) => {
  const { runner, logged } = await runnerOf(info);
  expect(runner.figures()).toMatchObject({ name: 'odd', kind: 'module', done: 0, failed: 0 });
  await runner.stop();
  expect(logged.at(-1)).toBe('sink odd has stopped');
  expect(runner.figures().state).toBe('stopped');
});

it.each([
  ['throws', '() => { end(); throw new Error("no"); }'],
  ['rejects', 'async () => { end(); throw new Error("no"); }'],
])('a stop that %s is the end as well', async (_, stop) => {
  const { runner, logged } = await runnerOf('({})', stop);
  await runner.stop();
  expect(logged.at(-1)).toBe('sink odd has stopped');
});
