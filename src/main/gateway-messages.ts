/** What a gateway's thread and the thread that started it say to each other. */
import type { ErrorData } from '../protocol/errors.js';
import type { GatewayOptions } from './gateway-options.js';

export interface GatewayLog {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What the thread is started with. */
export interface GatewayThreadData {
  readonly attachment: unknown;
  readonly options: GatewayOptions;
  readonly logLevel: GatewayLog['level'];
  /** Its place in the counters of the bus, where it says that it turns. */
  readonly gateway: number;
  /** Another thread has bound the port already, and shares it. */
  readonly joins: boolean;
  /** It follows one that died, and which may not have let go of the port. */
  readonly isSuccessor: boolean;
}

export type GatewayThreadMessage =
  | { readonly type: 'listening'; readonly host: string; readonly port: number }
  | { readonly type: 'failed'; readonly error: ErrorData }
  | { readonly type: 'log'; readonly log: GatewayLog }
  | { readonly type: 'closed' };

/** Towards the thread: end; and, from suites, throw or fill the heap. */
export const GATEWAY_CLOSE = 'close';
export const GATEWAY_CRASH = 'crash';
export const GATEWAY_EXHAUST = 'exhaust';
export const GATEWAY_HANG = 'hang';

export type GatewayOrder =
  | typeof GATEWAY_CLOSE
  | typeof GATEWAY_CRASH
  | typeof GATEWAY_EXHAUST
  | typeof GATEWAY_HANG;
