/**
 * Puts subscriptions into the shards that can hold matching topics, and puts them back when a shard's thread was
 * replaced. A topic lies in one shard, so a filter of literal topics needs only those topics' shards; the others do not
 * know the subscription. Used by the endpoint's thread alone.
 */
import type { AtPosition, SubscribeRequest, UpdateRequest } from '../../link/subscription-calls.js';
import { BusError } from '../../protocol/errors.js';
import type { ParsedFilter } from '../../protocol/filter.js';
import { shardsOf } from '../../protocol/filter-shards.js';
import type { EndpointEnd } from '../links/endpoint-end.js';
import type { HistoryReader } from './history.js';
import { isAsked } from './shard-progress.js';
import type { BusSubscription } from './subscription.js';

type Start = SubscribeRequest['start'];

export class Placement {
  readonly #ends: readonly EndpointEnd[];
  readonly #history: HistoryReader;
  readonly #segments: number;

  /** `segments`: how many first segments of a topic decide its shard; 0: all of it does. */
  constructor(ends: readonly EndpointEnd[], history: HistoryReader, segments: number) {
    this.#segments = segments;
    this.#ends = ends;
    this.#history = history;
  }

  /** True if events of this shard can match. */
  needs(subscription: BusSubscription, shard: number): boolean {
    return this.#neededBy(subscription.filter).has(shard);
  }

  /** Starts the subscription. Never rejects: on a failure the subscription ends with the error. */
  async start(subscription: BusSubscription): Promise<void> {
    try {
      await this.#start(subscription);
    } catch (error) {
      fail(subscription, error as Error);
    }
  }

  /**
   * Changes the filter; resolves when every shard that the new filter needs has it.
   * @throws BusError the failure of a needed shard that was given up; the subscription then keeps its old filter
   */
  async update(subscription: BusSubscription, filter: ParsedFilter): Promise<void> {
    const needed = this.#neededBy(filter);
    for (const { shard, failure } of this.#ends) {
      if (failure !== undefined && needed.has(shard)) throw failure;
    }
    subscription.filter = filter;
    const request = { subscription: subscription.number, filter };
    const updates = this.#ends.map((end): Promise<unknown> | undefined => {
      const progress = subscription.progress[end.shard]!;
      const isNeeded = needed.has(end.shard);
      if (progress.mode === 'unneeded') return isNeeded ? this.#join(end, subscription) : undefined;
      // A shard that is no longer needed keeps the subscription: it may hold queued events that matched the old filter.
      const isConcerned = isAsked(progress) && (isNeeded || end.failure === undefined);
      return isConcerned ? updateIn(end, request, isNeeded) : undefined;
    });
    await Promise.all(updates);
  }

  async remove(subscription: BusSubscription): Promise<void> {
    const request = { subscription: subscription.number };
    const asked = this.#ends.filter(
      ({ shard, failure }) => failure === undefined && isAsked(subscription.progress[shard]!),
    );
    // A shard that is given up meanwhile has lost the subscription anyway.
    await Promise.allSettled(asked.map((end) => end.call('unsubscribe', () => request)));
  }

  /** Puts a subscription back into a shard that lost it, from exactly where it was. */
  putBack(end: EndpointEnd, subscription: BusSubscription): void {
    const progress = subscription.progress[end.shard]!;
    if (!isAsked(progress)) return;
    if (progress.isLive) progress.received = Math.max(progress.received, end.watermark);
    progress.isLive = false;
    // A pending `subscribe` is sent again by the link, with a request made anew.
    if (end.isCalling('subscribe', subscription.number)) return;
    const start = (): Start => (progress.mode === 'history' ? 'replay' : progress.received);
    this.#subscribe(end, subscription, start).catch((error: Error) => {
      if (this.needs(subscription, end.shard)) subscription.fail(error);
    });
  }

  async #start(subscription: BusSubscription): Promise<void> {
    const { from } = subscription.options;
    if (from === 'now') {
      const ends = this.#placesOf(subscription);
      await Promise.all(ends.map((end) => this.#startNow(end, subscription)));
      subscription.becomeReady();
      return;
    }
    const positions = await this.#history.positions(subscription, from);
    if (subscription.ended) return;
    const ends = this.#placesOf(subscription);
    for (const { shard } of ends) {
      const progress = subscription.progress[shard]!;
      progress.mode = 'history';
      progress.received = positions[shard]!;
      progress.consumed = progress.received;
      progress.beginsWithNewest = from === 'latest';
    }
    await Promise.all(ends.map((end) => this.#subscribe(end, subscription, () => 'replay')));
    if (subscription.ended) return;
    const notifyGap = typeof from === 'object' && 'after' in from;
    let unbegun = ends.length;
    await Promise.all(
      ends.map(({ shard }) =>
        this.#history.read(
          subscription,
          subscription.progress[shard]!,
          notifyGap,
          once(() => {
            // Only now is later pruning noticed as a gap, which a subscription that is ready must not miss.
            if (--unbegun === 0) subscription.becomeReady();
          }),
        ),
      ),
    );
  }

  /** Starts the subscription at the shard's next commit. */
  async #startNow(end: EndpointEnd, subscription: BusSubscription): Promise<void> {
    const progress = subscription.progress[end.shard]!;
    progress.mode = 'shard';
    const { consumed } = progress;
    // Taken before any event or state that follows it, and before a relink, which asks for what comes after it.
    const onAnswer = ({ position }: AtPosition): void => {
      progress.received = position;
      // Events that waited when a changed filter brought the shard back may be consumed since.
      if (progress.consumed === consumed) progress.consumed = position;
      // A subscription that has ended meanwhile must not follow the watermark.
      if (!subscription.ended) subscription.wentLive(progress);
    };
    await this.#subscribe(end, subscription, () => 'now', onAnswer);
  }

  /** Starts the subscription in a shard that the old filter did not need. */
  #join(end: EndpointEnd, subscription: BusSubscription): Promise<void> {
    const progress = subscription.progress[end.shard]!;
    progress.received = Math.max(progress.received, end.watermark);
    progress.consumed = progress.received;
    progress.isLive = false;
    progress.hasBeenLive = false;
    return this.#startNow(end, subscription);
  }

  #subscribe(
    end: EndpointEnd,
    subscription: BusSubscription,
    start: () => Start,
    onAnswer?: (answer: AtPosition) => void,
  ): Promise<AtPosition> {
    const progress = subscription.progress[end.shard]!;
    const request = (): SubscribeRequest => {
      const { number, filter, options, window, since } = subscription;
      const { client } = subscription.asker;
      const { name, overflow, maxBuffer } = options;
      // This window includes the credit that was owed.
      progress.owedEvents = 0;
      progress.owedBytes = 0;
      return {
        subscription: number,
        filter,
        ...(name === undefined ? {} : { name }),
        overflow,
        maxBuffer,
        creditEvents: window - progress.credited,
        creditBytes: subscription.asker.creditBytes - progress.creditedBytes,
        since,
        ...(client === undefined ? {} : { client }),
        start: start(),
      };
    };
    return end.call('subscribe', request, subscription.number, onAnswer);
  }

  #neededBy(filter: ParsedFilter): ReadonlySet<number> {
    return new Set(shardsOf(filter, { shards: this.#ends.length, segments: this.#segments }));
  }

  /** The shards that the subscription needs; passes over the others. */
  #placesOf(subscription: BusSubscription): readonly EndpointEnd[] {
    const needed = this.#neededBy(subscription.filter);
    for (const { shard, control } of this.#ends) {
      if (!needed.has(shard)) subscription.passOver(subscription.progress[shard]!, control.head);
    }
    return this.#ends.filter(({ shard }) => needed.has(shard));
  }
}

/** Updates one shard. A shard that is not needed may be given up meanwhile: the new filter wants none of its events. */
async function updateIn(
  end: EndpointEnd,
  request: UpdateRequest,
  isNeeded: boolean,
): Promise<void> {
  try {
    await end.call('update', () => request);
  } catch (error) {
    if (isNeeded || end.failure === undefined) throw error;
  }
}

/** Ends the subscription with the error, except `BUS_CLOSED`: a bus that closes ends it without an error. */
export function fail(subscription: BusSubscription, error: Error): void {
  const isClosing = error instanceof BusError && error.code === 'BUS_CLOSED';
  if (!isClosing) subscription.fail(error);
}

function once(call: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) call();
    isDone = true;
  };
}
