import { computed, effect, type ReadonlySignal, signal } from '@preact/signals';
import type { AlertInfo, AlertList, BusClient, Subscription } from 'millrace/client';
import { messageOf } from '../text/message-of.js';
import { grants, isConnected, session } from './session.js';

/**
 * The alerts of the bus for the whole page: its navigation and its title count those that fire. The list is asked for
 * again with each event of an alert, so that the count is right in a hidden tab too.
 */

const list = signal<AlertList | undefined>(undefined);
const error = signal<string | undefined>(undefined);

/** Undefined until the server has answered, and for those who may not see alerts. */
export const alerts: ReadonlySignal<AlertList | undefined> = list;
/** The reason why the last try failed. */
export const alertsError: ReadonlySignal<string | undefined> = error;
export const firing: ReadonlySignal<readonly AlertInfo[]> = computed(
  () => list.value?.alerts.filter(({ state }) => state === 'firing') ?? [],
);

const mayWatch = computed(() => grants.value?.admin.includes('*') ?? false);
const watched = computed(() => {
  const { value } = session;
  return value.kind === 'open' && mayWatch.value ? value.client : undefined;
});

/** Follows the alerts from now on. */
export function watchAlerts(): void {
  effect(() => {
    const { value: client } = watched;
    list.value = undefined;
    error.value = undefined;
    if (client === undefined) return;
    return follow(client);
  });
  effect(() => {
    if (watched.value !== undefined && isConnected.value) void refreshAlerts();
  });
}

/** After the server has ended the subscription, as one does that has another data directory. */
const SUBSCRIBE_AGAIN_MS = 2000;

/** Asks for the list with each event of an alert, until the function that is returned is called. */
function follow(client: BusClient): () => void {
  let timer: number | undefined;
  let isOver = false;
  const begin = (): Subscription => {
    const events = client.subscribe('$sys.alert.*', () => void refreshAlerts(), {
      name: 'dashboard alerts',
    });
    events.closed.catch(() => {
      if (!isOver) timer = window.setTimeout(again, SUBSCRIBE_AGAIN_MS);
    });
    return events;
  };
  // Alerts may have changed between the two subscriptions. A refusal shows with the list, which needs the same grant.
  const again = (): void => {
    current = begin();
    void refreshAlerts();
  };
  let current = begin();
  return () => {
    isOver = true;
    clearTimeout(timer);
    void current.unsubscribe().catch(() => {});
  };
}

let asking: Promise<void> | undefined;
let isAskedAgain = false;

/** Asks for the list now. Calls while an answer is awaited share one further question. */
export function refreshAlerts(): Promise<void> {
  if (asking !== undefined) {
    isAskedAgain = true;
    return asking;
  }
  asking = ask().finally(() => {
    asking = undefined;
  });
  return asking;
}

async function ask(): Promise<void> {
  do {
    isAskedAgain = false;
    const client = watched.peek();
    if (client !== undefined) await askOnce(client);
  } while (isAskedAgain);
}

async function askOnce(client: BusClient): Promise<void> {
  try {
    const answer = await client.alerts();
    if (watched.peek() !== client) return;
    list.value = answer;
    error.value = undefined;
  } catch (cause) {
    if (watched.peek() === client) error.value = messageOf(cause);
  }
}
