import { resolve } from 'node:path';
import { optionInvalid } from '../protocol/options.js';
import { quote } from '../protocol/quote.js';
import type { GatewayOptions } from './gateway-options.js';

/**
 * Resolves the paths of files that a gateway reads again later, after a restart of its thread or the renewal of a
 * certificate, so that a later `chdir` does not change them. A value that is not a path stays as it is; the settings'
 * own checks refuse it.
 * @throws BusError `OPTION_INVALID` for options that are no object
 */
export function withAbsolutePaths(options: GatewayOptions): GatewayOptions {
  if (!isObject(options)) {
    throw optionInvalid('serve', '', `has to be an object, not ${quote(options)}`);
  }
  const { auth, tls } = options;
  return {
    ...options,
    ...(isObject(tls) ? { tls: pinned(tls, ['certFile', 'keyFile']) } : {}),
    ...(isObject(auth) ? { auth: pinnedAuth(auth) } : {}),
  };
}

function pinnedAuth(auth: NonNullable<GatewayOptions['auth']>): typeof auth {
  const { jwt } = auth;
  const own = pinned(auth, ['keysFile', 'revokedFile']);
  return isObject(jwt) ? { ...own, jwt: pinned(jwt, ['secretFile', 'publicKeyFile']) } : own;
}

function pinned<T extends object>(from: T, fields: readonly (keyof T)[]): T {
  const copy = { ...from };
  for (const field of fields) {
    const path: unknown = from[field];
    if (typeof path === 'string' && path !== '') Object.assign(copy, { [field]: resolve(path) });
  }
  return copy;
}

function isObject<T>(value: T): value is NonNullable<T> & object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
