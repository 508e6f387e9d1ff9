/**
 * Puts subscriptions into the shards whose topics they can want, and again where a shard's thread was replaced. The other
 * shards know nothing of them: a topic lies in one shard, so a filter of literal topics needs those topics' shards alone.
 * Used by the endpoint's thread alone.
 */
import type { AtPosition, SubscribeRequest, UpdateRequest } from '../../link/calls.js';
import { BusError } from '../../protocol/errors.js';
import type { ParsedFilter } from '../../protocol/filter.js';
import type { EndpointEnd } from '../links/endpoint-end.js';
import { shardsOf } from '../read/query.js';
import type { HistoryReader } from './history.js';
import { isAsked } from './shard-progress.js';
import type { BusSubscription } from './subscription.js';

type Start = SubscribeRequest['start'];

export class Placement {
  readonly #ends: readonly EndpointEnd[];
  readonly #history: HistoryReader;

  constructor(ends: readonly EndpointEnd[], history: HistoryReader) {
    this.#ends = ends;
    this.#history = history;
  }

  /** Whether events of this shard can match. */
  needs(subscription: BusSubscription, shard: number): boolean {
    return this.#neededBy(subscription.filter).has(shard);
  }

  /** Never rejects: where it cannot be put, the subscription ends in the error. */
  async start(subscription: BusSubscription): Promise<void> {
    try {
      await this.#start(subscription);
    } catch (error) {
      fail(subscription, error as Error);
    }
  }

  /**
   * Resolves when every shard that the filter needs has it.
   * @throws BusError what a needed shard was given up with: then the subscription keeps the filter that it has
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
      // A shard that is not needed any more may hold events that matched before: it keeps the subscription.
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
    // A shard that is given up meanwhile has no subscription left either.
    await Promise.allSettled(asked.map((end) => end.call('unsubscribe', () => request)));
  }

  /** Puts a subscription back into a shard that lost it, from exactly where it was. */
  putBack(end: EndpointEnd, subscription: BusSubscription): void {
    const progress = subscription.progress[end.shard]!;
    if (!isAsked(progress)) return;
    if (progress.isLive) progress.received = Math.max(progress.received, end.watermark);
    progress.isLive = false;
    // Its call is pending, and made anew when it is sent again.
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
            // Not before: what is pruned behind the back of one that is ready is a gap, and has to be seen as one.
            if (--unbegun === 0) subscription.becomeReady();
          }),
        ),
      ),
    );
  }

  /** From what the shard commits next. */
  async #startNow(end: EndpointEnd, subscription: BusSubscription): Promise<void> {
    const progress = subscription.progress[end.shard]!;
    progress.mode = 'shard';
    const { received, consumed } = progress;
    const { position } = await this.#subscribe(end, subscription, () => 'now');
    // Unless an event came, or it fell behind, before this answer was looked at.
    if (progress.received === received) progress.received = position;
    if (progress.consumed === consumed) progress.consumed = position;
    // Later events are not those of one that has ended meanwhile.
    if (!progress.hasBeenLive && !subscription.ended) subscription.wentLive(progress);
  }

  /** A shard that was not needed before. */
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
  ): Promise<AtPosition> {
    const progress = subscription.progress[end.shard]!;
    const request = (): SubscribeRequest => {
      const { number, filter, options, window } = subscription;
      const { name, overflow, maxBuffer } = options;
      // Credit that was owed is in this window already.
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
        start: start(),
      };
    };
    return end.call('subscribe', request, subscription.number);
  }

  #neededBy(filter: ParsedFilter): ReadonlySet<number> {
    return new Set(shardsOf(filter, this.#ends.length));
  }

  /** The shards to put it into; the others are passed over. */
  #placesOf(subscription: BusSubscription): readonly EndpointEnd[] {
    const needed = this.#neededBy(subscription.filter);
    for (const { shard, control } of this.#ends) {
      if (!needed.has(shard)) subscription.passOver(subscription.progress[shard]!, control.head);
    }
    return this.#ends.filter(({ shard }) => needed.has(shard));
  }
}

/** A shard that is not needed may be given up meanwhile: then it has no event that the new filter wants. */
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

/** Nothing is read any more where the bus is being closed, which ends the subscription without an error. */
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
