import type { ParsedFilter } from '../protocol/filter.js';
import { by } from './call.js';
import { fields, isList, isNull, isNumber, isPosition, isText } from './shapes.js';

/** Calls by which endpoints place subscriptions in shards, and by which shards are asked for those that they have. */

export interface SubscribingClient {
  /** The name of its principal. */
  readonly principal: string;
  readonly connection: string;
}

/** A subscription as its shard is told of it. */
export interface SubscribeRequest {
  readonly subscription: number;
  readonly filter: ParsedFilter;
  readonly name?: string;
  readonly overflow: string;
  readonly maxBuffer: number;
  readonly creditEvents: number;
  readonly creditBytes: number;
  /** When it subscribed, ms since 1970. */
  readonly since: number;
  /** The client of a gateway for which it is. */
  readonly client?: SubscribingClient;
  /**
   * `now`: live from the head on. `replay`: registered only; a `resume` follows. A number: behind that sequence, from
   * the log.
   */
  readonly start: 'now' | 'replay' | number;
}

export interface UpdateRequest {
  readonly subscription: number;
  readonly filter: ParsedFilter;
}

/** The endpoint has read history up to a position, and the shard takes over. */
export interface ResumeRequest {
  readonly subscription: number;
  readonly position: number;
  /**
   * The shard tells of history that was pruned after the position; it does not where the subscription asked for
   * `earliest`.
   */
  readonly notifyGap: boolean;
}

export interface AtPosition {
  /** The shard's head when it took the call. */
  readonly position: number;
}

/** The place of a subscriber in a list, which is in the order of endpoints and, within one, of numbers. */
export interface SubscriberKey {
  readonly endpoint: string;
  readonly subscription: number;
}

/** The place before all subscribers. */
export const FIRST_SUBSCRIBER: SubscriberKey = { endpoint: '', subscription: 0 };

/** A page of a list; it may be empty and not the last. The list goes on behind `next`; null: this was the last page. */
export interface SubscribersPage {
  readonly subscribers: readonly SubscriberEntry[];
  readonly next: SubscriberKey | null;
}

export interface SubscriberEntry {
  readonly id: string;
  readonly name?: string | undefined;
  readonly endpoint: string;
  readonly topics: readonly string[];
  readonly overflow: string;
  readonly mode: string;
  readonly queued: number;
  readonly dropped: number;
  readonly lag: number;
  readonly lagMs?: number;
  readonly slow: number;
  /** ms since 1970. */
  readonly since: number;
  readonly principal?: string;
  readonly connection?: string;
}

/** Asks how far behind the subscriptions are whose names any of the patterns matches. */
export interface LagsRequest {
  readonly names: readonly string[];
  readonly after: SubscriberKey;
}

/** A page as `SubscribersPage`; subscriptions that are not behind are left out. */
export interface LagsPage {
  readonly lags: readonly SubscriptionLag[];
  readonly next: SubscriberKey | null;
}

export interface SubscriptionLag extends SubscriberKey {
  readonly name: string;
  readonly lag: number;
}

const SUBSCRIPTION = { subscription: isNumber };
const FILTERED = { ...SUBSCRIPTION, filter: fields<ParsedFilter>({ topics: isList }) };
const KEY = fields<SubscriberKey>({ endpoint: isText, ...SUBSCRIPTION });
const AT_POSITION = fields<AtPosition>({ position: isPosition });
const SUBSCRIBERS = fields<SubscribersPage>({ subscribers: isList });
export const SUBSCRIPTION_CALLS = {
  subscribe: by('shard', fields<SubscribeRequest>(FILTERED), AT_POSITION),
  update: by('shard', fields<UpdateRequest>(FILTERED), AT_POSITION),
  unsubscribe: by('shard', fields<{ readonly subscription: number }>(SUBSCRIPTION), isNull),
  resume: by(
    'shard',
    fields<ResumeRequest>({ ...SUBSCRIPTION, position: isPosition }),
    isNull,
    // The next thread has the subscription from that position on already, or has sent it back to history.
    true,
  ),
  subscribers: by(
    'shard',
    fields<{ readonly topic: string; readonly after: SubscriberKey }>({
      topic: isText,
      after: KEY,
    }),
    SUBSCRIBERS,
  ),
  /** Lists the subscribers that are furthest behind, at most so many. */
  laggards: by('shard', fields<{ readonly limit: number }>({ limit: isNumber }), SUBSCRIBERS),
  /** For the rules of alerts; unlike the lists for people, it leaves out no subscription that is behind. */
  lags: by(
    'shard',
    fields<LagsRequest>({ names: isList, after: KEY }),
    fields<LagsPage>({ lags: isList }),
  ),
};
