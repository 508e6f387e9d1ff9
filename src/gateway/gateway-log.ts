import type { GatewayLog } from '../main/gateway-messages.js';

/** The gateway writes no log itself: it hands its log entries to the thread that started it. */
export type GatewayLogger = (
  level: GatewayLog['level'],
  message: string,
  fields: GatewayLog['fields'],
) => void;
