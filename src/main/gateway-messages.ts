/** The messages between a gateway's thread and the thread that started it. */
import type { ErrorData } from '../protocol/errors.js';
import type { FigureSample } from '../protocol/operations.js';
import type { GatewayOptions } from './gateway-options.js';

export interface GatewayLog {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** The `workerData` of the thread. */
export interface GatewayThreadData {
  readonly attachment: unknown;
  readonly options: GatewayOptions;
  readonly logLevel: GatewayLog['level'];
  /** Its index in the counters of the bus, where it signs that its loop runs. */
  readonly gateway: number;
  /** True if another thread has bound the port already and shares it. */
  readonly joins: boolean;
  /** True if it follows a thread that died, which may still hold the port. */
  readonly isSuccessor: boolean;
  /** The figures that the threads before it have sampled, the oldest first. */
  readonly samples: readonly FigureSample[];
}

export type GatewayThreadMessage =
  | { readonly type: 'listening'; readonly host: string; readonly port: number }
  | { readonly type: 'failed'; readonly error: ErrorData }
  | { readonly type: 'sample'; readonly sample: FigureSample }
  | { readonly type: 'log'; readonly log: GatewayLog }
  | { readonly type: 'closed' };

/** Orders to the thread: close; and, from tests, throw, fill the heap or hang. */
export const GATEWAY_CLOSE = 'close';
export const GATEWAY_CRASH = 'crash';
export const GATEWAY_EXHAUST = 'exhaust';
export const GATEWAY_HANG = 'hang';

export type GatewayOrder =
  | typeof GATEWAY_CLOSE
  | typeof GATEWAY_CRASH
  | typeof GATEWAY_EXHAUST
  | typeof GATEWAY_HANG;
