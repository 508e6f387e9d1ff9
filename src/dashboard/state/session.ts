import { computed, type ReadonlySignal, signal } from '@preact/signals';
import {
  type AccessInfo,
  type BusClient,
  type BusError,
  type ClientState,
  connect,
  type ServerInfo,
} from 'millrace/client';
import { remembered } from './remembered.js';

/**
 * The page's one connection to the server, and the token that it uses. A token is kept in memory; if the user says so,
 * in the tab's session storage as well, never longer than the tab.
 */

export type Session =
  | { readonly kind: 'open'; readonly client: BusClient }
  /** The server asks for a token, or has refused one. */
  | { readonly kind: 'signIn'; readonly refused: string | undefined };

const keptToken = remembered('millrace.token', () => sessionStorage);

const current = signal<Session>({ kind: 'signIn', refused: undefined });
const state = signal<ClientState>('idle');
const lostAt = signal<number | undefined>(undefined);
let token = keptToken.read();

const welcomed = signal<ServerInfo | undefined>(undefined);

const granted = signal<AccessInfo | undefined>(undefined);

export const session: ReadonlySignal<Session> = current;
/** The rights of the page's principal; undefined until the server has said. */
export const grants: ReadonlySignal<AccessInfo | undefined> = granted;
/** The server's description of itself; undefined before the first connection. */
export const serverInfo: ReadonlySignal<ServerInfo | undefined> = welcomed;
export const connectionState: ReadonlySignal<ClientState> = state;
/** When the connection was lost, ms since 1970; undefined while there is one. */
export const disconnectedAt: ReadonlySignal<number | undefined> = lostAt;
export const isConnected = computed(() => state.value === 'connected');
/** Whether a token is in use, which the user may want to give up. */
export const isSignedIn = computed(() => current.value.kind === 'open' && token !== undefined);

/** The client. Screens are shown only where there is one. */
export function client(): BusClient {
  const { value } = current;
  if (value.kind !== 'open') throw new Error('there is no connection before the sign-in');
  return value.client;
}

/** Connects with the token that the tab has kept, or with none. */
export function openSession(): void {
  // The page's own folder, whatever the prefix under which a proxy serves it.
  const server = new URL('.', document.baseURI);
  const opened = connect(`${server.origin}${server.pathname}`, {
    source: 'dashboard',
    ...(token === undefined ? {} : { getToken: async () => token ?? '' }),
    onError: (error) => console.warn(`millrace: ${error.code}: ${error.message}`),
  });
  opened.on('state', (change) => {
    state.value = change.state;
    if (change.state === 'connected') {
      lostAt.value = undefined;
      welcomed.value = opened.server;
      void learnAccess(opened);
    } else lostAt.value ??= Date.now();
    if (change.state === 'failed') onFailed(opened, change.error);
  });
  state.value = opened.state;
  current.value = { kind: 'open', client: opened };
}

export function signIn(given: string, isKept: boolean): void {
  token = given;
  keptToken.write(isKept ? given : undefined);
  openSession();
}

/** Whether the page signs in again by itself after it was loaded anew. */
export function isSignInKept(): boolean {
  return token === undefined || keptToken.read() !== undefined;
}

export function signOut(): void {
  granted.value = undefined;
  const { value } = current;
  if (value.kind === 'open') void value.client.close();
  token = undefined;
  keptToken.write(undefined);
  current.value = { kind: 'signIn', refused: undefined };
}

async function learnAccess(from: BusClient): Promise<void> {
  try {
    granted.value = await from.access();
  } catch {
    // The connection was lost meanwhile; the next one asks again.
  }
}

/** The server has refused for good: it wants a token, or another one. */
function onFailed(failed: BusClient, error: BusError | undefined): void {
  const hadToken = token !== undefined;
  void failed.close();
  token = undefined;
  keptToken.write(undefined);
  const refused = hadToken || error?.code !== 'UNAUTHENTICATED' ? error?.message : undefined;
  current.value = { kind: 'signIn', refused };
}
