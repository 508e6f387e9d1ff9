/**
 * The party for which an endpoint reads history. A program that reads for itself is not limited. A gateway reads for
 * many clients, which must not take each other's turns and whose history must not pile up in memory.
 */
import type { SubscribingClient } from '../link/subscription-calls.js';
import { BusError } from '../protocol/errors.js';
import { CREDIT_BYTES } from '../protocol/limits/links.js';

export interface Asker {
  /** The client of a gateway on whose behalf it asks. */
  readonly client?: SubscribingClient | undefined;
  /** The principal behind the client: readers of history give principals turns. Undefined: a program for itself. */
  readonly owner?: string | undefined;
  /** Whether others are busy at the gateway too. */
  readonly hasBusyOthers: boolean;
  /** Bytes that a shard may have sent to one of its subscriptions and not seen consumed. */
  readonly creditBytes: number;
  /**
   * True if its handlers may take any time, so that events are handed out in turns. A gateway's handlers only write
   * frames, and connections that get the same events in one turn share the frames, which separate turns would prevent.
   */
  readonly takesTurns: boolean;
  /** True if its events leave as text: a payload is parsed only when its value is read. */
  readonly sendsOn: boolean;
  /** True once nobody waits for the answer any more. */
  readonly isGone: boolean;
  /** Calls `read`, which reads at most `bytesMax` from a log, once it is this asker's turn and it has room for them. */
  readInTurn<T>(bytesMax: number, read: () => Promise<T>): Promise<T>;
  /**
   * Calls `ask`, which has shards look for something, once it is this asker's turn: the principal has no other such call
   * under way, and what it takes is counted.
   */
  askInTurn<T>(ask: () => Promise<T>): Promise<T>;
  /** So many events, of so many bytes, have come, and are looked at in no turn of the principal. */
  found(events: number, bytes: number): void;
  /** Counts bytes of history that are held until they are consumed; negative once they are consumed. */
  hold(bytes: number): void;
}

/** @throws BusError `ABORTED` where nobody waits for the answer any more */
export function assertIsThere({ isGone }: Pick<Asker, 'isGone'>): void {
  if (isGone) throw new BusError('ABORTED', 'nobody waits for the answer any more');
}

export const ITSELF: Asker = {
  hasBusyOthers: false,
  creditBytes: CREDIT_BYTES,
  takesTurns: true,
  sendsOn: false,
  isGone: false,
  readInTurn: (_bytesMax, read) => read(),
  askInTurn: (ask) => ask(),
  found: () => {},
  hold: () => {},
};
