import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { MAIL, ShardControl } from '../../src/link/shard-control.js';
import { ShardMailbox } from '../../src/main/shard-mailbox.js';
import { BusError } from '../../src/protocol/errors.js';

function mailbox() {
  const control = ShardControl.create();
  const box = new ShardMailbox(0, control, () => {});
  onTestFinished(() => box.close());
  return { control, box };
}

test('a question of a time when no thread runs is put to the next one', async () => {
  const { control, box } = mailbox();
  const answer = box.ask((id) => ({ mail: 'totals', id, pattern: '*' }));
  const port = box.open();
  const [question] = await once(port, 'message');
  expect(question).toMatchObject({ mail: 'totals', pattern: '*' });
  expect(Atomics.load(control.words, MAIL)).toBe(1);
  port.postMessage({ report: 'answer', id: question.id, value: 'so much' });
  expect(await answer).toBe('so much');
});

test('no question stays open when the shard is given up', async () => {
  const { box } = mailbox();
  const question = box.ask((id) => ({ mail: 'totals', id, pattern: '*' }));
  box.refuse(new BusError('STORE_FAILED', 'given up'));
  await expect(question).rejects.toMatchObject({ code: 'STORE_FAILED' });
  const later = box.ask((id) => ({ mail: 'totals', id, pattern: '*' }));
  await expect(later).rejects.toMatchObject({ code: 'STORE_FAILED' });
});
