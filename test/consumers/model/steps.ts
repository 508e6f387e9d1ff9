/** What a game is made of. */
import type { SettlementKind } from '../../../src/consumers/machine-types.js';
import type { TurnOptions } from './shard-shapes.js';

export interface Setup {
  readonly shards: number;
  /** How many keys there are; 0: order `none`. */
  readonly keys: number;
  readonly lanes: number;
  readonly concurrency: number;
  /** How many events are leased ahead of the handlers. */
  readonly ahead: number;
  readonly maxAttempts: number;
  readonly maxAhead: number;
}

export type Step =
  | ({ do: 'turn'; shard: number; events: number } & Omit<TurnOptions, 'publish'>)
  | { do: 'receive'; endpoint: number; shard: number; count: number }
  | { do: 'begin'; endpoint: number; member: number }
  | { do: 'settle'; endpoint: number; pick: number; kind: SettlementKind; delayMs: number }
  /** An ack that comes with events; `isPulled`: of an HTTP caller, who may send two of them. */
  | { do: 'ack with events'; endpoint: number; pick: number; isPulled: boolean }
  | { do: 'settle pulled'; pick: number; kind: SettlementKind; delayMs: number }
  | { do: 'grant'; endpoint: number; member: number; shard: number; count: number }
  | { do: 'recall'; endpoint: number; member: number; shard: number; count: number }
  | { do: 'pull'; shard: number; count: number }
  | { do: 'leave'; endpoint: number; member: number }
  | { do: 'resize'; endpoint: number; member: number; concurrency: number }
  | { do: 'end thread'; endpoint: number }
  | { do: 'restart' }
  | { do: 'pass'; ms: number }
  | { do: 'pause'; isPaused: boolean }
  | { do: 'redefine'; maxAttempts: number; leaseMs: number }
  | { do: 'seek' | 'prune' | 'skip' | 'redrive' | 'unmatch'; shard: number; pick: number };
