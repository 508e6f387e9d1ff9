import { sleep } from './sleep.js';

/** Handlers and loops that take their time: `hand.isBusy` tells that one is at an event. */

/** @param {() => Promise<void>} echo what the handler does besides */
export async function slowly(take, hand, event, ms, echo) {
  take(event);
  hand.isBusy = true;
  await echo();
  await sleep(ms);
  hand.isBusy = false;
}

export async function iterate(subscription, take, hand, ms, history) {
  try {
    for await (const event of subscription) {
      take(event);
      hand.isBusy = true;
      if (ms > 0) await sleep(ms);
      hand.isBusy = false;
    }
  } catch (error) {
    // The end of a subscription is told by `closed` too.
    if (error?.code === undefined) history.problem(`a loop failed: ${error?.stack}`);
  }
}
