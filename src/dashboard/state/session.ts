import { computed, type ReadonlySignal, signal } from '@preact/signals';
import {
  type AccessInfo,
  type BusClient,
  type BusError,
  type ClientState,
  connect,
  type ServerInfo,
} from 'millrace/client';
import { messageOf } from '../text/message-of.js';
import { askUntilAnswered } from './ask-until.js';
import { serverNow, setClock } from './now.js';
import { remembered } from './remembered.js';

/**
 * The page's one connection to the server, and the token that it uses. A token is kept in memory; if the user says so,
 * in the tab's session storage as well, never longer than the tab.
 *
 * The end of a sign-in loads the page anew. So nothing that a principal has seen or typed is left for the next one,
 * wherever in the page it was kept.
 */

export type Session =
  | { readonly kind: 'open'; readonly client: BusClient }
  /** The server asks for a token, or has refused one. */
  | { readonly kind: 'signIn'; readonly refused: string | undefined }
  /** The page is about to be loaded anew. */
  | { readonly kind: 'ended' };

const keptToken = remembered('millrace.token', () => sessionStorage);
/** Why the last sign-in has ended, for the page that is loaded then. */
const keptReason = remembered('millrace.ended', () => sessionStorage);

/** How long the page waits before it asks for its rights again. */
const ACCESS_RETRY_MS = 2000;

const current = signal<Session>({ kind: 'signIn', refused: undefined });
const state = signal<ClientState>('idle');
const lostAt = signal<number | undefined>(undefined);
let token = keptToken.read();

const welcomed = signal<ServerInfo | undefined>(undefined);

const granted = signal<AccessInfo | undefined>(undefined);
const accessError = signal<string | undefined>(undefined);
/** The connection that asks for the rights. */
let turn = 0;

export const session: ReadonlySignal<Session> = current;
/** The rights of the page's principal; undefined until the server has said. The same object until they change. */
export const grants: ReadonlySignal<AccessInfo | undefined> = granted;
/** The reason why the server has not said. The page goes on asking. */
export const grantsError: ReadonlySignal<string | undefined> = accessError;
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

/** The source of events that name none. */
export const OWN_SOURCE = 'dashboard';

/** Connects with the token that the tab has kept, or with none. */
export function openSession(): void {
  const ended = keptReason.read();
  keptReason.write(undefined);
  if (ended === undefined) open();
  else current.value = { kind: 'signIn', refused: ended };
}

function open(): void {
  // The page's own folder, whatever the prefix under which a proxy serves it.
  const server = new URL('.', document.baseURI);
  const opened = connect(`${server.origin}${server.pathname}`, {
    source: OWN_SOURCE,
    ...(token === undefined ? {} : { getToken: async () => token ?? '' }),
    onError: (error) => console.warn(`millrace: ${error.code}: ${error.message}`),
  });
  opened.on('state', (change) => {
    state.value = change.state;
    if (change.state === 'connected') {
      lostAt.value = undefined;
      welcomed.value = opened.server;
      void learnAccess(opened);
      // Without an answer the page goes on by the clock that it has.
      setClock(async () => (await opened.serverTime()).getTime()).catch(() => {});
    } else lostAt.value ??= serverNow();
    if (change.state === 'failed') onFailed(opened, change.error);
  });
  state.value = opened.state;
  current.value = { kind: 'open', client: opened };
}

export function signIn(given: string, isKept: boolean): void {
  token = given;
  keptToken.write(isKept ? given : undefined);
  open();
}

/** Whether the page signs in again by itself after it was loaded anew. */
export function isSignInKept(): boolean {
  return token === undefined || keptToken.read() !== undefined;
}

export function signOut(): void {
  // The address may name what only this principal may see.
  history.replaceState(null, '', location.pathname + location.search);
  end(undefined);
}

async function learnAccess(from: BusClient): Promise<void> {
  const mine = ++turn;
  const answer = await askUntilAnswered(() => from.access(), {
    // The next connection asks again.
    isWanted: () => mine === turn && isConnected.peek(),
    onError: (error) => {
      accessError.value = messageOf(error);
    },
    waitMs: ACCESS_RETRY_MS,
  });
  if (answer === undefined) return;
  accessError.value = undefined;
  if (JSON.stringify(answer) !== JSON.stringify(granted.peek())) granted.value = answer;
}

/** The server has refused for good: it wants a token, or another one. */
function onFailed(failed: BusClient, error: BusError | undefined): void {
  const hadToken = token !== undefined;
  const refused = hadToken || error?.code !== 'UNAUTHENTICATED' ? error?.message : undefined;
  // A token that was never taken has shown nothing.
  if (granted.peek() !== undefined) {
    end(refused);
    return;
  }
  forget(failed);
  current.value = { kind: 'signIn', refused };
}

/** Ends the sign-in, and with it the page. */
function end(reason: string | undefined): void {
  const { value } = current;
  if (value.kind === 'open') forget(value.client);
  keptReason.write(reason);
  current.value = { kind: 'ended' };
  location.reload();
}

function forget(client: BusClient): void {
  turn++;
  void client.close();
  token = undefined;
  keptToken.write(undefined);
}
