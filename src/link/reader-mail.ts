/** What the main thread says to a thread that reads history: whom to serve, and when to end. Looks go over the endpoints' ports. */
import type { MessagePort } from 'node:worker_threads';
import type { HistoryAddress } from '../store/log-store.js';

/** What a reader's thread is started with. */
export interface ReaderThreadData {
  readonly history: HistoryAddress;
  /** Of the first endpoint that it serves. */
  readonly port: MessagePort;
}

export type ReaderMail =
  | { readonly mail: 'connect'; readonly port: MessagePort }
  | { readonly mail: 'stop' };
