import type { BusError } from '../../protocol/errors.js';
import type { Forwarded } from './hops.js';

/**
 * Where events are forwarded to. The sink knows a target by this interface alone: it stores events under the ids that they
 * have, says what became of each, and can be asked for one. Another Millrace is one (`BusTarget`), and brokers are others.
 */
export interface Target {
  /** What became of each event, in the order of the inputs. Never rejects. */
  publish(inputs: readonly Forwarded[], signal: AbortSignal): Promise<readonly Outcome[]>;
  /** Whether the target has the event already. @throws any error of the target */
  has(input: Forwarded): Promise<boolean>;
  close(): Promise<void>;
}

export type Outcome =
  | { readonly kind: 'stored'; readonly isDuplicate: boolean }
  /** `isKnown`: it is certain that the event was not stored. */
  | { readonly kind: 'failed'; readonly error: BusError; readonly isKnown: boolean };
