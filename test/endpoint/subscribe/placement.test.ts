import { expect, test } from 'vitest';
import type { EndpointEnd } from '../../../src/endpoint/links/endpoint-end.js';
import type { HistoryReader } from '../../../src/endpoint/subscribe/history.js';
import { Placement } from '../../../src/endpoint/subscribe/placement.js';
import { STATE_LAGGING, type StateBody } from '../../../src/link/link-records.js';
import type { AtPosition, SubscribeRequest } from '../../../src/link/subscription-calls.js';
import { eventOf, FakeHost } from './subscription-host.js';

/** A link whose answer to `subscribe` is read when the test says so. */
class FakeEnd {
  readonly shard = 0;
  readonly control = { head: 0 };
  readonly starts: SubscribeRequest['start'][] = [];
  watermark = 0;
  #answer: (position: number) => void = () => {};

  call(
    _name: string,
    request: () => SubscribeRequest,
    _subscription: number,
    onAnswer?: (answer: AtPosition) => void,
  ): Promise<AtPosition> {
    this.starts.push(request().start);
    return new Promise((resolve) => {
      this.#answer = (position) => {
        onAnswer?.({ position });
        resolve({ position });
      };
    });
  }

  isCalling(): boolean {
    return false;
  }

  answer(position: number): void {
    this.#answer(position);
  }
}

function placed() {
  const link = new FakeEnd();
  const end = link as unknown as EndpointEnd;
  const placement = new Placement([end], undefined as unknown as HistoryReader, 0);
  const host = new FakeHost();
  const subscription = host.subscribe();
  const started = placement.start(subscription);
  return { link, end, placement, host, subscription, started };
}

// One turn reads the answer and all behind it; what awaits the answer runs after them.

test('a subscription that falls behind in the turn that reads its answer does not follow the watermark', async () => {
  const { link, host, subscription, started } = placed();
  const progress = subscription.progress[0]!;
  link.answer(0);
  subscription.push(progress, eventOf(1), 100);
  subscription.onState(progress, STATE_LAGGING, { position: 1 } as StateBody);
  host.watermarkOf = 5;
  await started;
  const events = subscription[Symbol.asyncIterator]();
  await events.next();
  void events.next();
  expect(subscription.positions).toEqual([1]);
});

test('a subscription whose shard is replaced in the turn that reads its answer goes on from there', async () => {
  const { link, end, placement, host, subscription, started } = placed();
  link.answer(7);
  link.watermark = 9;
  placement.putBack(end, subscription);
  await started;
  expect(link.starts).toEqual(['now', 9]);
  // The next thread has it, and sends first what came since.
  host.watermarkOf = 20;
  expect(subscription.positions).toEqual([9]);
});
