import { openAuthenticator } from '../auth/open-authenticator.js';
import type { GatewayOptions } from '../main/gateway-options.js';
import { GatewayListener } from './listener.js';
import { parseGatewaySettings } from './settings.js';

/**
 * Checks whether a gateway with these options would start, before anything is made for it: the options, the files that
 * they name, and the port.
 *
 * @throws BusError `INSECURE_BIND`, `OPTION_INVALID`
 */
export async function checkGateway(options: GatewayOptions): Promise<void> {
  const settings = parseGatewaySettings(options);
  openAuthenticator(settings.auth).close();
  await new GatewayListener(settings, () => {}).claim();
}
