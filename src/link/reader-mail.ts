/**
 * Messages of the main thread to a thread that reads history: which endpoints to serve, and when to end. Looks go over
 * the endpoints' ports.
 */
import type { MessagePort } from 'node:worker_threads';
import type { HistoryAddress } from '../store/log-store.js';

/** The start data of a reader's thread. */
export interface ReaderThreadData {
  readonly history: HistoryAddress;
  /** The port of the first endpoint that the thread serves. */
  readonly port: MessagePort;
}

export type ReaderMail =
  | { readonly mail: 'connect'; readonly port: MessagePort }
  | { readonly mail: 'stop' };
