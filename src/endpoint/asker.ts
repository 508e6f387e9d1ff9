/**
 * For whom an endpoint reads history. A program that reads for itself may read as it likes; a gateway reads for many, who must not
 * take each other's turns, and whose history must not pile up here.
 */
import { CREDIT_BYTES } from '../protocol/limits.js';

export interface Asker {
  /** What a shard may have sent to one of its subscriptions and not seen consumed. */
  readonly creditBytes: number;
  /**
   * Its handlers may take any time, so what they are handed is cut into turns. Those of a gateway only write frames, and connections
   * that are handed the same events in one turn share them: in turns of their own, each would have frames of its own.
   */
  readonly takesTurns: boolean;
  /** Its events leave as text: a payload is parsed only if somebody asks for its value. */
  readonly sendsOn: boolean;
  /** Nobody waits for an answer any more. */
  readonly isGone: boolean;
  /** Looks into a log, for so many bytes at most, when it is this asker's turn and it has room. */
  look<T>(bytesMax: number, look: () => Promise<T>): Promise<T>;
  /** Counts bytes of history that are held until they are consumed; negative when they are. */
  hold(bytes: number): void;
}

export const ITSELF: Asker = {
  creditBytes: CREDIT_BYTES,
  takesTurns: true,
  sendsOn: false,
  isGone: false,
  look: (_bytesMax, look) => look(),
  hold: () => {},
};
