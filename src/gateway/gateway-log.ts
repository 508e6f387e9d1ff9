import type { GatewayLog } from '../main/gateway-messages.js';

/** The gateway writes no log of its own: what it has to say goes to the thread that started it. */
export type GatewayLogger = (
  level: GatewayLog['level'],
  message: string,
  fields: GatewayLog['fields'],
) => void;
