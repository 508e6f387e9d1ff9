import { expect, test } from 'vitest';
import { MAIL, ShardControl } from '../../src/link/shard-control.js';
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
