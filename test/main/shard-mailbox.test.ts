import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { MAIL, PARKED, ShardControl } from '../../src/link/shard-control.js';
import type { ShardReport } from '../../src/link/shard-mail.js';
import { ShardMailbox } from '../../src/main/shard-mailbox.js';

test('mail is counted where a parked shard sees it, and is lost if no thread runs', () => {
  const control = ShardControl.create();
  const box = new ShardMailbox(control, () => {});
  box.send({ mail: 'stop' });
  expect(Atomics.load(control.words, MAIL)).toBe(0);
  const port = box.open();
  box.send({ mail: 'stop' });
  expect(Atomics.load(control.words, MAIL)).toBe(1);
  port.close();
  box.close();
});

test('the last report of a thread that has ended still arrives', () => {
  const heard: ShardReport[] = [];
  const box = new ShardMailbox(ShardControl.create(), (report) => heard.push(report));
  const port = box.open();
  port.postMessage({ report: 'stopped' } satisfies ShardReport);
  box.close();
  expect(heard).toEqual([{ report: 'stopped' }]);
});

test('mail wakes a shard whose waker died after it had changed the word', async () => {
  const control = ShardControl.create();
  const box = new ShardMailbox(control, () => {});
  const port = box.open();
  // Parked, with a word that says that it is awake.
  const code = `const { workerData: [words, index] } = require('node:worker_threads');
    Atomics.wait(words, index, 0);`;
  const worker = new Worker(code, { eval: true, workerData: [control.words, PARKED] });
  let hasEnded = false;
  worker.once('exit', () => {
    hasEnded = true;
  });
  while (!hasEnded) {
    box.send({ mail: 'stop' });
    await nextTurn();
  }
  expect(hasEnded).toBe(true);
  port.close();
  box.close();
});
