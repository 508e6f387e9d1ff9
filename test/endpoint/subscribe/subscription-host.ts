import type { Asker } from '../../../src/endpoint/asker.js';
import { parseSubscribeOptions } from '../../../src/endpoint/options.js';
import { BusSubscription } from '../../../src/endpoint/subscribe/subscription.js';
import type { SubscriptionHost } from '../../../src/endpoint/subscribe/subscription-host.js';
import type { EventHandler, SubscribeOptions } from '../../../src/protocol/bus-api.js';
import type { BusError } from '../../../src/protocol/errors.js';
import type { Event } from '../../../src/protocol/event.js';
import { parseFilter } from '../../../src/protocol/filter.js';

/** An endpoint with one shard, as far as a subscription sees it. */
export class FakeHost implements SubscriptionHost<BusSubscription> {
  readonly endpointId = 'test';
  readonly turns = { hasTime: (): boolean => true, postpone: (): void => {} };
  readonly reported: BusError[] = [];
  headOf = 0;
  watermarkOf = 0;
  gone = false;

  head = (): number => this.headOf;
  watermark = (): number => this.watermarkOf;
  expiryNow = (): number => Date.now();
  isGone = (): boolean => this.gone;
  cursor = (positions: readonly number[]): string => JSON.stringify(positions);
  credit = (): boolean => true;
  update = async (): Promise<void> => {};
  unsubscribe = async (): Promise<void> => {};
  readHistory = (): void => {};
  report(error: BusError): void {
    this.reported.push(error);
  }

  subscribe(handler?: EventHandler, options?: SubscribeOptions, asker?: Asker): BusSubscription {
    const parsed = parseSubscribeOptions(options);
    return new BusSubscription(1, parseFilter('*'), parsed, 1, this, handler, asker);
  }
}

export function eventOf(sequence: number): Event {
  const timestamp = new Date(0).toISOString();
  const id = `id-${sequence}`;
  return {
    id,
    topic: 't',
    type: 'x',
    payload: sequence,
    source: 's',
    timestamp,
    shard: 0,
    sequence,
  };
}
