'use client';

/** Millrace in React: hooks over a client of `millrace/client`. */

export {
  BusProvider,
  type SubscriptionView,
  type UseSubscriptionOptions,
  useBus,
  useBusState,
  useSubscription,
} from './client/react-hooks.js';
export type { SubscriptionState } from './client/subscription-store.js';
