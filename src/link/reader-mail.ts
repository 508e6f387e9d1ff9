/**
 * Messages between the main thread and a thread that reads history: which endpoints to serve, and when to end. Looks go
 * over the endpoints' ports.
 */
import type { MessagePort } from 'node:worker_threads';
import type { HistoryAddress } from '../store/log-store.js';

/** The start data of a reader's thread. */
export interface ReaderThreadData {
  readonly history: HistoryAddress;
  /** The port of the first endpoint that the thread serves. */
  readonly port: MessagePort;
}

/** Ports for one endpoint, one to each thread that reads history. */
export interface ReaderConnections {
  readonly ports: readonly MessagePort[];
  /** The number of each port's thread, in the order of the ports. No two threads of a process have the same. */
  readonly threads: readonly number[];
}

export type ReaderMail =
  | { readonly mail: 'connect'; readonly port: MessagePort }
  | { readonly mail: 'stop' };

/**
 * `idle`: every port has closed of the first `connects` that the thread was given; main ends it unless another is on
 * its way. `ending`: the thread ends by itself, and serves no port from now on.
 */
export type ReaderNotice =
  | { readonly notice: 'idle'; readonly connects: number }
  | { readonly notice: 'ending' };
