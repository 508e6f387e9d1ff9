import { afterEach, expect, test, vi } from 'vitest';
import { sendList } from '../../../src/gateway/websocket/list-frames.js';
import type { Outbound } from '../../../src/gateway/websocket/outbound.js';
import { WORK_PIECE_MS } from '../../../src/protocol/limits/budgets.js';
import { WorkShares } from '../../../src/threads/work-shares.js';

afterEach(() => {
  vi.useRealTimers();
});

/** Sends ten topics, each of which takes so long. */
async function sent(ms: number, isOpen = true) {
  vi.useFakeTimers({ toFake: ['performance'] });
  const order: string[] = [];
  const frames: string[] = [];
  const outbound = { isOpen, send: (text: string) => frames.push(text) } as unknown as Outbound;
  const other = (): void => {
    order.push('other');
    if (frames.length === 0 && order.length < 100) setImmediate(other);
  };
  setImmediate(other);
  const items = Array.from({ length: 10 }, (_, n) => `t${n}`);
  const textOf = (item: string): string => {
    vi.advanceTimersByTime(ms);
    order.push(item);
    return JSON.stringify(item);
  };
  const work = new WorkShares().part();
  await sendList(outbound, work, { field: 'topics', pages: [items], textOf }, 1);
  return { order, frames };
}

test('the texts of a long list are made a few at a time, and others have turns between them', async () => {
  const { order, frames } = await sent(WORK_PIECE_MS);
  expect(frames).toHaveLength(1);
  expect(order.filter((one) => one === 'other').length).toBeGreaterThan(5);
  expect(frames[0]!.match(/"t\d"/g)).toHaveLength(10);
});

test('those of a short one are made at once', async () => {
  const { order } = await sent(0);
  expect(order).not.toContain('other');
});

test('none is made for a client that has gone', async () => {
  const { order, frames } = await sent(WORK_PIECE_MS, false);
  expect(order.filter((one) => one !== 'other')).toEqual([]);
  expect(frames).toEqual([]);
});
