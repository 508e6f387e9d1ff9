import {
  createContext,
  createElement,
  type ReactElement,
  type ReactNode,
  useCallback,
  useContext,
  useMemo,
  useSyncExternalStore,
} from 'react';
import type { Gap } from '../protocol/bus-api.js';
import { BusError } from '../protocol/errors.js';
import type { Event } from '../protocol/event.js';
import type { FilterInput } from '../protocol/filter.js';
import { HISTORY_EVENTS, HISTORY_EVENTS_MAX } from '../protocol/limits/client.js';
import { quote } from '../protocol/quote.js';
import type { SubscribeFrom } from '../protocol/subscribe-from.js';
import type { BusClient } from './bus-client.js';
import type { CoalescedEvent } from './coalescer.js';
import type { StateChange } from './reconnector.js';
import type { ClientSubscribeOptions } from './subscribe-options.js';
import {
  NOTHING,
  type OnExpired,
  type SubscriptionSnapshot,
  SubscriptionStore,
} from './subscription-store.js';

/** Hooks for React 18 and later. The application makes the client, and closes it. */

const BusContext = createContext<BusClient | undefined>(undefined);

/**
 * Gives a client to the hooks of all components in it.
 *
 * @param props the client, and the components
 */
export function BusProvider(props: {
  readonly client: BusClient;
  readonly children?: ReactNode;
}): ReactElement {
  return createElement(BusContext.Provider, { value: props.client }, props.children);
}

/**
 * The client of the `BusProvider`.
 *
 * @throws BusError `OPTION_INVALID` outside of a `BusProvider`
 */
export function useBus(): BusClient {
  const client = useContext(BusContext);
  if (client !== undefined) return client;
  throw new BusError('OPTION_INVALID', 'no client: put a BusProvider around this component');
}

/**
 * The client's last change of state; a component that uses it is rendered at each.
 *
 * @param client default: the `BusProvider`'s
 */
export function useBusState(client?: BusClient): StateChange {
  const used = useClient(client);
  const listen = useCallback(
    (listener: () => void) => {
      used.on('state', listener);
      return () => {
        used.off('state', listener);
      };
    },
    [used],
  );
  const status = (): StateChange => used.status;
  return useSyncExternalStore(listen, status, status);
}

export interface UseSubscriptionOptions<P = unknown>
  extends Omit<ClientSubscribeOptions<P>, 'signal'> {
  /** Default: the `BusProvider`'s. */
  client?: BusClient;
  /** Events that are kept, the newest; default 100, at most 100,000. */
  history?: number;
  /** False: no subscription, no events. Default true. */
  enabled?: boolean;
  /** Default true: a hidden page has no subscription, and goes on from its cursor when it is seen again. */
  pauseWhenHidden?: boolean;
  /** At most one render in this time; default 0: one for all events that arrive together. */
  throttleMs?: number;
  /**
   * Where to begin anew, without the events of before, where the server does not know the history of the cursor any more
   * (`CURSOR_EXPIRED`). Default: it fails.
   */
  onExpired?: OnExpired;
}

export interface SubscriptionView<E> {
  /** The newest events, at most `history`, the oldest of them first. */
  readonly events: readonly E[];
  readonly latest: E | undefined;
  readonly state: SubscriptionSnapshot['state'];
  readonly error: BusError | undefined;
  /** How far the subscription has got, to be kept and resumed from; `''` before the server has said where it begins. */
  readonly cursor: string;
  /** The last gap that was reported. */
  readonly gap: Gap | undefined;
  /** How many events `overflow` has dropped. */
  readonly dropped: number;
  /** Forgets the events; the subscription goes on. */
  readonly clear: () => void;
  /** Begins anew with no events, at `from` or where the options say; also after a failure. */
  readonly restart: (from?: SubscribeFrom) => void;
}

/**
 * The events that match a filter. If the value of the filter or of the options changes (not merely the object), the
 * subscription begins anew with no events. The functions in `coalesce` are those of the render that began it.
 *
 * @param filter a pattern, patterns, a definition or a filter
 * @param options those of `subscribe`, and what is kept and when it is rendered
 * @throws BusError `OPTION_INVALID`
 */
export function useSubscription<P = unknown>(
  filter: FilterInput<P>,
  options: UseSubscriptionOptions<P> & Required<Pick<UseSubscriptionOptions<P>, 'coalesce'>>,
): SubscriptionView<CoalescedEvent<P>>;
export function useSubscription<P = unknown>(
  filter: FilterInput<P>,
  options?: UseSubscriptionOptions<P>,
): SubscriptionView<Event<P>>;
export function useSubscription<P = unknown>(
  filter: FilterInput<P>,
  options: UseSubscriptionOptions<P> = {},
): SubscriptionView<Event<P>> {
  const { client, enabled = true, history = HISTORY_EVENTS, ...rest } = options;
  const { pauseWhenHidden = true, throttleMs = 0, ...subscribe } = rest;
  if (!Number.isInteger(history) || history < 0 || history > HISTORY_EVENTS_MAX) {
    const message = `history: a whole number from 0 to ${HISTORY_EVENTS_MAX}, not ${quote(history)}`;
    throw new BusError('OPTION_INVALID', `useSubscription: ${message}`);
  }
  const used = useClient(client);
  const key = JSON.stringify([filter, enabled, history, pauseWhenHidden, throttleMs, subscribe]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key stands for the values of them all
  const store = useMemo(
    () =>
      enabled
        ? new SubscriptionStore<P>(used, filter, {
            ...subscribe,
            history,
            pauseWhenHidden,
            throttleMs,
          })
        : undefined,
    [used, key],
  );
  const snapshot = useSyncExternalStore<SubscriptionSnapshot<P>>(
    store?.listen ?? listenToNothing,
    store?.snapshot ?? nothing,
    nothing,
  );
  const clear = store?.clear ?? doNothing;
  const restart = store?.restart ?? doNothing;
  return useMemo(() => ({ ...snapshot, clear, restart }), [snapshot, clear, restart]);
}

function useClient(client: BusClient | undefined): BusClient {
  const provided = useContext(BusContext);
  const used = client ?? provided;
  if (used !== undefined) return used;
  throw new BusError('OPTION_INVALID', 'no client: name one, or use a BusProvider');
}

function doNothing(): void {}

function listenToNothing(): () => void {
  return doNothing;
}

function nothing(): SubscriptionSnapshot<never> {
  return NOTHING;
}
